"""`guard taxonomy list`, `show`, `new`, `validate` and `schema` from outside."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from guardcli.errors import ERROR_CODES, TAXONOMY_CODES
from guardcli.taxonomy import Taxonomy, bundled_taxonomies
from tests.cli.running import guard
from tests.test_house import loaded_by

POLICY = """\
name: acme
description: Ours.
extends: llama-guard-3
drop: [S13]
threshold: 0.4
categories:
  - {id: S6, key: advice}
  - {id: S15, name: Competitors, threshold: 0.2, examples: [{user: hi, verdict: safe}]}
tests:
  - {name: a, prompt: hi, expect: safe}
"""


def test_list_names_the_bundled_taxonomies() -> None:
    done = guard("taxonomy", "list")
    names = [line.split()[0] for line in done.stdout.splitlines()[2:] if not line.startswith(" ")]
    assert names == list(bundled_taxonomies())
    assert (done.returncode, done.stderr) == (0, "")


def test_show_tells_what_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    done = guard("taxonomy", "show", "p.yaml", cwd=tmp_path)
    policy = Taxonomy.load(tmp_path / "p.yaml")
    head, _, table = done.stdout.partition("\n\n")
    assert head == (
        "acme (p.yaml)\nOurs.\nextends llama-guard-3, without S13 Elections\n"
        "threshold 0.4; of its 14 categories the model reads their names\ntests: 1\n"
        f"digests: prompt {policy.prompt_digest}, decision {policy.decision_digest}"
    )
    (sixth,) = (line for line in table.splitlines() if line.startswith("S6 "))
    assert "advice" in sixth
    assert "Specialized Advice" in sixth
    assert "key" in sixth
    (last,) = (line for line in table.splitlines() if line.startswith("S15 "))
    assert last.split() == ["S15", "Competitors", "0.2", "added", "(1", "examples)"]
    assert "S13" not in table


def test_show_of_a_bundled_taxonomy_has_no_empty_columns() -> None:
    table = guard("taxonomy", "show", "llama-guard-3").stdout.partition("\n\n")[2]
    assert table.splitlines()[0].split() == ["id", "name", "meaning"]


def test_new_writes_a_file_that_is_valid_with_every_hint_taken(tmp_path: Path) -> None:
    done = guard("taxonomy", "new", "acme", "--extends", "llama-guard-2", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "guard: wrote acme.yaml\nguard: wrote taxonomy.schema.json\n"
    text = (tmp_path / "acme.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=taxonomy.schema.json\n")
    taxonomy = Taxonomy.load(tmp_path / "acme.yaml")
    assert (taxonomy.name, taxonomy.extends, len(taxonomy.tests)) == ("acme", "llama-guard-2", 1)
    _, body = text.split("\nname: ")
    every_hint = "name: " + body.replace("\n# ", "\n").replace("\n  # ", "\n  ")
    Taxonomy.from_yaml(every_hint, str(tmp_path / "acme.yaml"))
    assert json.loads((tmp_path / "taxonomy.schema.json").read_text())["title"] == "guard taxonomy"


@pytest.mark.parametrize("name", bundled_taxonomies())
def test_new_extends_any_bundled_taxonomy(tmp_path: Path, name: str) -> None:
    assert guard("taxonomy", "new", "x", "--extends", name, cwd=tmp_path).returncode == 0
    assert guard("taxonomy", "validate", "x.yaml", cwd=tmp_path).returncode == 0


def test_new_quotes_a_name_that_yaml_would_read_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "a\nname: b").mkdir()
    assert guard("taxonomy", "new", "a\nname: b/c: d", cwd=tmp_path).returncode == 0
    assert Taxonomy.load(tmp_path / "a\nname: b" / "c: d.yaml").name == "c: d"


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("mine")
    done = guard("taxonomy", "new", "acme", cwd=tmp_path)
    assert done.stderr == "guard: acme.yaml already exists: choose another name [output/exists]\n"
    assert (done.returncode, (tmp_path / "acme.yaml").read_text()) == (2, "mine")


@pytest.mark.parametrize("name", ["missing/acme", "bad\x1bname"])
def test_new_where_it_cannot_be(tmp_path: Path, name: str) -> None:
    done = guard("taxonomy", "new", name, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not [path for path in tmp_path.iterdir() if stat.S_ISREG(path.stat().st_mode)]


BROKEN = "name: x\nextend: llama-guard-3\nthreshold: 2\n"


def test_validate_tells_all_problems_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(POLICY.replace("threshold: 0.2, ", ""))
    (tmp_path / "bad.yaml").write_text(BROKEN)
    done = guard("taxonomy", "validate", "good.yaml", "bad.yaml", "llama-guard-4", cwd=tmp_path)
    *problems, good, guard4 = done.stdout.splitlines()
    assert [(line.split(": ")[0], line.split(" ")[-1]) for line in problems] == [
        ("bad.yaml:1:1", "[taxonomy/missing-key]"),
        ("bad.yaml:2:1", "[taxonomy/unknown-key]"),
        ("bad.yaml:3:12", "[taxonomy/invalid-value]"),
    ]
    assert "did you mean `extends`?" in problems[1]
    assert good == "good.yaml: valid (categories: 14, tests: 1)"
    assert guard4.endswith("llama-guard-4.yaml: valid (categories: 14, tests: 0)")
    assert (done.returncode, done.stderr) == (1, "")


WARNED = "name: x\nextends: llama-guard-3\ncategories:\n  - {id: S15, name: Rivals, description: Others.}\n"


def test_validate_shows_warnings_and_the_taxonomy_is_valid(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(WARNED)
    done = guard("taxonomy", "validate", "p.yaml", cwd=tmp_path)
    warning, valid = done.stdout.splitlines()
    assert warning.startswith("p.yaml:4:5: warning: the model reads the name of a category")
    assert warning.endswith("[taxonomy/description-not-read]")
    assert valid == "p.yaml: valid (categories: 15, tests: 0)"
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads(guard("taxonomy", "validate", "p.yaml", "--format", "json", cwd=tmp_path).stdout)
    assert (found["level"], found["code"]) == ("warning", "taxonomy/description-not-read")
    sarif = json.loads(guard("taxonomy", "validate", "p.yaml", "--format", "sarif", cwd=tmp_path).stdout)
    (result,) = sarif["runs"][0]["results"]
    assert (result["level"], result["ruleId"]) == ("warning", "taxonomy/description-not-read")


def test_validate_warns_for_a_template(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: x\ncategories: [{id: S1, name: Refund Fraud}]\n")
    by_template = {
        template: guard("taxonomy", "validate", "p.yaml", "--template", template, cwd=tmp_path).stdout.splitlines()
        for template in ("llama-guard-2", "llama-guard-3-8b")
    }
    assert [len(lines) for lines in by_template.values()] == [1, 2]
    assert by_template["llama-guard-3-8b"][0].endswith("[taxonomy/id-of-other-category]")


def test_validate_for_programs(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BROKEN)
    found = json.loads(guard("taxonomy", "validate", "bad.yaml", "--format", "json", cwd=tmp_path).stdout)
    assert {p["level"] for p in found} == {"error"}
    assert [(p["file"], p["line"], p["column"], p["code"]) for p in found] == [
        ("bad.yaml", 1, 1, "taxonomy/missing-key"),
        ("bad.yaml", 2, 1, "taxonomy/unknown-key"),
        ("bad.yaml", 3, 12, "taxonomy/invalid-value"),
    ]
    sarif = json.loads(guard("taxonomy", "validate", "bad.yaml", "--format", "sarif", cwd=tmp_path).stdout)
    assert sarif["version"] == "2.1.0"
    results = sarif["runs"][0]["results"]
    assert [result["message"]["text"] for result in results] == [problem["message"] for problem in found]
    place = results[2]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "bad.yaml"}, "region": {"startLine": 3, "startColumn": 12}}
    assert [result["ruleId"] for result in results] == [problem["code"] for problem in found]
    assert sarif["runs"][0]["tool"]["driver"]["rules"] == [
        {
            "id": code,
            "shortDescription": {"text": ERROR_CODES[code].meaning},
            "help": {"text": ERROR_CODES[code].advice},
        }
        for code in TAXONOMY_CODES
    ]


def test_validate_for_a_template() -> None:
    assert guard("taxonomy", "validate", "llama-guard-1").returncode == 0
    done = guard("taxonomy", "validate", "llama-guard-1", "--template", "llama-guard-3-8b")
    assert "cannot write O1, O2" in done.stdout
    assert done.returncode == 1


def test_validate_what_cannot_be_read(tmp_path: Path) -> None:
    """A file that was not examined is no finding; one that extends a missing file is."""
    (tmp_path / "bad.yaml").write_text(BROKEN)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    (tmp_path / "orphan.yaml").write_text("name: orphan\nextends: missing.yaml\n")
    for names, code in (
        (["missing.yaml"], 2),
        (["bad.yaml", "missing.yaml"], 2),
        (["latin.yaml"], 2),
        (["no-such-name"], 2),
        (["orphan.yaml"], 1),
    ):
        assert guard("taxonomy", "validate", *names, cwd=tmp_path).returncode == code


def test_nothing_needs_a_model() -> None:

    for command in (["list"], ["show", "llama-guard-3"], ["validate", "llama-guard-3"], ["schema"]):
        code = f"from guardcli.cli.main import main\ntry: main(['taxonomy', *{command!r}])\nexcept SystemExit: pass"
        assert "llama_cpp" not in loaded_by(code)


@pytest.mark.parametrize(
    "command",
    [
        ["taxonomy", "show", "p.yaml"],
        ["taxonomy", "validate", "p.yaml"],
        ["taxonomy", "render", "p.yaml", "--template", "llama-guard-3-8b", "../said.txt"],
        ["taxonomy", "new", "another", "--extends", "../base.yaml"],
        ["decide", "-t", "p.yaml", "../none.jsonl"],
        ["tune", "prepare", "../labeled.jsonl", "-o", "-", "-t", "p.yaml", "--template", "llama-guard-3-8b"],
        *(
            [*command, "-m", "none.gguf"]
            for command in [
                ["check", "-t", "p.yaml", "../said.txt"],
                ["filter", "-t", "p.yaml", "../said.txt"],
                ["audit", "-t", "p.yaml", "../said.txt", "-o", "out.jsonl"],
                ["eval", "-t", "p.yaml", "../labeled.jsonl"],
                ["diff", "-t", "p.yaml", "-t", "p.yaml", "../said.txt"],
                ["doctor", "-t", "p.yaml"],
                ["taxonomy", "test", "p.yaml"],
            ]
        ),
    ],
    ids=" ".join,
)
def test_every_command_that_reads_a_policy_says_what_it_may_extend(command: list[str], tmp_path: Path) -> None:
    """Without the option the policy is refused, and with it what is told is something else, or nothing."""
    (tmp_path / "base.yaml").write_text("name: base\ncategories: [{id: S1, name: Hate}]\n")
    (tmp_path / "said.txt").write_text("hi\n")
    (tmp_path / "labeled.jsonl").write_text('{"prompt": "hi", "label": "safe"}\n')
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "p.yaml").write_text("name: p\nextends: ../base.yaml\n")
    refused, allowed = guard(*command, cwd=folder), guard(*command, "--extends-root", "..", cwd=folder)
    assert refused.returncode == (1 if "validate" in command else 2)
    assert "is outside this file's folder" in refused.stdout + refused.stderr
    assert "is outside this file's folder" not in allowed.stdout + allowed.stderr
    assert "Traceback" not in allowed.stderr
    assert "no such option" not in allowed.stderr.lower()


@pytest.mark.parametrize(
    "command",
    [
        "check -m MODEL -t",
        "audit in.jsonl -o out -m MODEL -t",
        "decide in.jsonl -t",
        "decide in.jsonl -t llama-guard-3 --from-taxonomy",
        "diff in.jsonl -m MODEL -t llama-guard-3 -t",
        "eval in.jsonl -m MODEL -t",
        "taxonomy show",
        "tune prepare in.jsonl -o out --template llama-guard-3-8b -t",
    ],
)
def test_an_empty_name_is_no_taxonomy(command: str, guard_path: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    words = [str(guard_path) if word == "MODEL" else word for word in command.split()]
    done = guard(*words, "", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("guard: there is no taxonomy ``: ")


@pytest.mark.parametrize("name", ["", ".yaml"])
def test_new_asks_for_a_name(tmp_path: Path, name: str) -> None:
    done = guard("taxonomy", "new", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("Error: missing name; expected one such as acme-support\n")
    assert list(tmp_path.iterdir()) == []
