"""`guard eval` from outside: labeled records, stored runs, other tools, models, gates."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.running import guard
from tests.rows import TAXONOMY, row, write
from tests.smollm2 import find_smollm2

FIELDS = {"lang": "en", "tool": {"hate": 0.2, "sexual": 0.9}}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """40 labeled records, and a run of which the first 20 rows are right and two are errors."""
    draw = np.random.default_rng(0)
    records, rows = [], []
    for line in range(1, 41):
        unsafe = line % 2 == 0
        label = {"label": "unsafe" if unsafe else "safe", "categories": ["S1"] if unsafe else []}
        records.append({"id": f"r{line}", "prompt": f"say {line}", **label, **FIELDS})
        score = 0.5 + (0.3 if unsafe else -0.3) * (1 if line <= 20 else draw.normal()) * 0.9
        fields: dict[str, Any] = {"source": "set.jsonl", "id": f"r{line}", "listed_scores": {"S1": 0.7, "S2": 0.3}}
        rows.append(row(line, None if line > 38 else float(np.clip(score, 0.01, 0.99)), **fields))
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write(tmp_path / "run.jsonl", rows)
    write(
        tmp_path / "whole.jsonl", rows[:38] + [row(line, 0.1, source="set.jsonl", id=f"r{line}") for line in (39, 40)]
    )
    return tmp_path


def test_a_stored_run_needs_no_model(desk: Path) -> None:
    done = guard("eval", "set.jsonl", "--verdicts", "run.jsonl", cwd=desk)
    assert done.stdout.startswith("set.jsonl: 40 labeled records, 20 unsafe (50.0%)\n")
    assert "AUPRC" in done.stdout
    assert (done.returncode, done.stderr) == (3, "")  # two records have no verdict
    assert guard("eval", "set.jsonl", "--verdicts", "run.jsonl", "--max-errors", "2", cwd=desk).returncode == 0


def test_everything_at_once_as_json_and_as_a_page(desk: Path) -> None:
    (desk / "map.json").write_text('{"S1": "S2"}')
    done = guard(
        *("eval", "set.jsonl", "--verdicts", "whole.jsonl", "--verdicts", "run.jsonl"),
        *("--score-field", "tool=tool@0.95"),
        *("--slice-by", "lang", "--choose-threshold", "fpr=0.2", "--strict", "--map", "llama-guard-3=map.json"),
        *("--format", "json", "--html", "page.html", "--with-text", "--resamples", "100", "--seed", "3"),
        cwd=desk,
    )  # fmt: skip
    found = json.loads(done.stdout)
    whole, run, tool = found["systems"]
    assert [one["system"] for one in found["systems"]] == ["whole.jsonl", "run.jsonl", "tool"]
    assert (whole["errors"], run["errors"], run["counts"]["tp"] + run["counts"]["fn"]) == (0, 2, 20)
    assert whole["categories"]["S2"]["unsafe"] == 19  # the row of the last one scores no categories
    assert tool["threshold"] == 0.95
    assert tool["counts"] == {"tp": 0, "fp": 0, "fn": 20, "tn": 20}
    assert whole["slices"][0]["value"] == "en"
    assert [one["system"] for one in found["comparisons"]] == ["run.jsonl", "tool"]
    page = (desk / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    missed = {22, 30, 34, 36, 38, 40} | set(range(2, 31, 2))  # by the run; by the tool, the first fifteen of all
    false_alarms = {25, 29, 31, 33, 35, 37, 39}  # the last is an error, which is one under --strict
    assert set(map(int, re.findall(r"say (\d+)", page))) == missed | false_alarms


@pytest.mark.parametrize("with_text", [False, True])
def test_a_page_has_messages_only_with_text(desk: Path, with_text: bool) -> None:
    given = ["--with-text"] if with_text else []
    done = guard(
        "eval", "set.jsonl", "--verdicts", "whole.jsonl", "--format", "html", "-o", "page.html", *given, cwd=desk
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "guard: wrote page.html\n")
    page = (desk / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert bool(re.search(r"say \d", page)) is with_text


def test_the_same_run_gives_the_same_bytes(desk: Path) -> None:
    one, two = (guard("eval", "set.jsonl", "--verdicts", "whole.jsonl", "--format", "json", cwd=desk) for _ in range(2))
    assert one.stdout == two.stdout


def test_a_file_of_several_runs_is_several_systems(desk: Path) -> None:
    rows = [json.loads(line) for line in (desk / "whole.jsonl").read_text().splitlines()]
    other = [one | {"model": "big@ffff", "score": 1 - one["score"]} for one in rows]
    for one in other:
        one["verdict"] = "unsafe" if one["score"] >= 0.5 else "safe"
    write(desk / "both.jsonl", [*rows, *other])
    found = json.loads(guard("eval", "set.jsonl", "--verdicts", "both.jsonl", "--format", "json", cwd=desk).stdout)
    assert [one["system"] for one in found["systems"]] == ["tiny llama-guard-3", "big llama-guard-3"]


@pytest.mark.slow
def test_models_and_policies_judge_and_their_rows_are_kept(desk: Path, guard_path: Path) -> None:
    (desk / "shots.yaml").write_text(
        "name: shots\nextends: llama-guard-3\ncategories:\n"
        "  - {id: S1, examples: [{user: a, verdict: unsafe}, {user: b, verdict: safe}]}\n"
    )
    done = guard(
        *("eval", "set.jsonl", "-m", guard_path, "--template", "llama-guard-3-8b", "-t", "shots.yaml"),
        *("--shots", "0", "--shots", "2", "--steerability"),
        *("--save-verdicts", "kept.jsonl", "--format", "json"), cwd=desk,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "guard: wrote kept.jsonl\n")
    zero, two = json.loads(done.stdout)["systems"]
    assert [zero["system"], two["system"]] == ["tiny-guard shots 0-shot", "tiny-guard shots 2-shot"]
    assert two["tokens"] > 0
    assert zero["seconds"] > 0
    assert zero["auprc"] != two["auprc"]
    measured = zero["steerability"]
    assert measured["flagged"] + sum(measured["left_out"].values()) == 20
    assert measured["prompts"] == 6 * measured["flagged"]  # without those that need descriptions
    again = guard("eval", "set.jsonl", "--verdicts", "kept.jsonl", "--format", "json", cwd=desk)
    stored = json.loads(again.stdout)["systems"]
    assert [one["auprc"] for one in stored] == [zero["auprc"], two["auprc"]]
    assert [one["categories"] for one in stored] == [zero["categories"], two["categories"]]


def test_what_is_judged_is_what_the_label_is_about(desk: Path, guard_path: Path) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    records = [{"messages": messages, "label": "safe", "target": target} for target in ("prompt", "response")]
    (desk / "both.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    guard(
        "eval",
        "both.jsonl",
        "-m",
        guard_path,
        "--template",
        "llama-guard-3-8b",
        "--save-verdicts",
        "kept.jsonl",
        cwd=desk,
    )
    kept = [json.loads(line) for line in (desk / "kept.jsonl").read_text().splitlines()]
    assert [(one["turn"], one["role"]) for one in kept] == [(1, "user"), (2, "assistant")]


@pytest.mark.parametrize(
    ("gates", "code", "message"),
    [
        (["--min-auprc", "0.5"], 0, ""),
        (["--min-auprc", "0.99"], 1, "guard: whole.jsonl: AUPRC is 0."),
        (["--max-fpr", "0.01"], 1, "guard: whole.jsonl: false positive rate is 0."),
        (["--min-recall", "0.1", "--min-f1", "1"], 1, "guard: whole.jsonl: F1 is 0."),
    ],
)
def test_gates(desk: Path, gates: list[str], code: int, message: str) -> None:
    done = guard("eval", "set.jsonl", "--verdicts", "whole.jsonl", *gates, cwd=desk)
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert bool(done.stderr) is bool(message)


def test_a_figure_that_there_is_none_of_misses_its_gate(desk: Path) -> None:
    """Nothing is flagged, so there is no precision; there are labels to measure it by."""
    (desk / "two.jsonl").write_text('{"prompt":"a","label":"unsafe"}\n{"prompt":"b","label":"safe"}\n')
    write(desk / "v.jsonl", [row(line, 0.1, source="two.jsonl") for line in (1, 2)])
    done = guard("eval", "two.jsonl", "--verdicts", "v.jsonl", "--min-precision", "0.5", cwd=desk)
    assert (done.returncode, done.stderr) == (
        1,
        "guard: v.jsonl: precision is undefined here, but there is a limit for it\n",
    )


@pytest.mark.parametrize(
    ("label", "gate", "code"),
    [
        ("unsafe", "--max-fpr", 2),
        ("safe", "--min-recall", 2),
        ("safe", "--min-precision", 2),
        ("safe", "--min-f1", 2),
        ("safe", "--min-auprc", 2),
        ("unsafe", "--min-auprc", 2),
        ("unsafe", "--min-auroc", 2),
        ("safe", "--max-fpr", 0),
        ("unsafe", "--min-recall", 0),
        ("unsafe", "--min-precision", 0),
        ("unsafe", "--min-f1", 0),
    ],
)
def test_a_gate_needs_labels_of_its_kind(desk: Path, label: str, gate: str, code: int) -> None:
    (desk / "one.jsonl").write_text(f'{{"prompt":"a","label":"{label}"}}\n{{"prompt":"b","label":null}}\n')
    write(desk / "v.jsonl", [row(1, 0.9 if label == "unsafe" else 0.1, source="one.jsonl")])
    done = guard("eval", "one.jsonl", "--verdicts", "v.jsonl", gate, "0.5", cwd=desk)
    assert done.returncode == code
    missing = "safe" if label == "unsafe" else "unsafe"
    assert (f"guard: one.jsonl: {gate} needs {missing} records, but there are none" in done.stderr) is (code == 2)


def test_a_gate_needs_a_verdict_on_what_it_measures(desk: Path) -> None:
    """The one safe record could not be judged, and that is allowed: no false positive rate is left."""
    (desk / "two.jsonl").write_text('{"prompt":"a","label":"unsafe"}\n{"prompt":"b","label":"safe"}\n')
    write(desk / "v.jsonl", [row(1, 0.9, source="two.jsonl"), row(2, None, source="two.jsonl")])
    given = ("eval", "two.jsonl", "--verdicts", "v.jsonl", "--max-fpr", "0.5")
    done = guard(*given, "--max-errors", "1", cwd=desk)
    told = "guard: v.jsonl: --max-fpr needs safe records, but there are none with a verdict [eval/one-class]\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert guard(*given, cwd=desk).returncode == 3
    assert guard(*given, "--max-errors", "1", "--strict", cwd=desk).returncode == 1


@pytest.mark.parametrize(
    ("option", "unsafe"),
    [
        ("toxicity>=0.5", 2),
        ("toxicity >= 0.5", 2),
        ("toxicity > 0.82", 1),
        ("toxicity<=0.82", 2),
        ("toxicity<0.5", 1),
        ('"toxicity">=0.82', 2),
        ("toxicity=0.0,0.82", 2),
        ("toxicity==1", None),
    ],
)
def test_a_bound_makes_labels_of_fractions(desk: Path, option: str, unsafe: int | None) -> None:
    lines = [f'{{"prompt":"a","toxicity":{value},"s":0.5}}\n' for value in ("0.0", '"0.82"', "1.0", "NaN")]
    (desk / "fractions.jsonl").write_text("".join(lines))
    done = guard("eval", "fractions.jsonl", "--score-field", "x=s", "--label-field", option, cwd=desk)
    if unsafe is None:
        assert "its toxicity is '0.82', a fraction" in done.stderr
        assert done.returncode == 2
    else:
        heading = f"fractions.jsonl: 3 labeled records, {unsafe} unsafe ({unsafe / 3:.1%}); 1 without a label\n"
        assert done.stdout.startswith(heading)
        assert done.returncode == 0


def test_a_table_that_pandas_wrote(desk: Path) -> None:
    """Labels as floats with a gap, lists and objects as text, a score that is missing."""
    text = (
        "prompt,label,categories,scores\n"
        "a,0.0,[],\"{'S1': 0.1}\"\n"
        "b,1.0,\"['S1' 'S9']\",\"{'S1': 0.9}\"\n"
        "c,nan,,\"{'S1': nan}\"\n"
        'd,1.0,"[""S9""]",nan\n'
    )
    (desk / "table.csv").write_text(text)
    done = guard(
        *("eval", "table.csv", "--score-field", "x=scores", "--format", "json", "--resamples", "100"), cwd=desk
    )
    found = json.loads(done.stdout)
    data = found["data"]
    assert (data["records"], data["unsafe"], data["left_out"]) == (3, 2, {"without a label": 1})
    assert found["systems"][0]["categories"]["S1"]["unsafe"] == 1
    assert done.stderr.endswith("guard: --score-field x=scores: 1 record without a score\n")
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set.jsonl"], "no model named"),
        (["set.jsonl", "--verdicts", "none.jsonl"], "none.jsonl: no such file"),
        (["set.jsonl", "--verdicts", "empty.jsonl"], "empty.jsonl: there are no verdicts in it"),
        (["empty.jsonl", "--verdicts", "run.jsonl"], "empty.jsonl: nothing to evaluate (no records)"),
        (["run.jsonl", "--verdicts", "run.jsonl"], "run.jsonl: nothing to evaluate (40 unreadable)"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--slice-by", "x"],
            "--slice-by x: no record has the field x; the first record has id,",
        ),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--steerability"],
            "--steerability needs a model: name one with -m",
        ),
        (
            ["set.jsonl", "-m", "x.gguf", "--steerability", "--calibration", "calibration.json"],
            "--steerability changes the policy, and a calibration is for one policy: leave --calibration out",
        ),
        (["set.jsonl", "--verdicts", "run.jsonl", "--choose-threshold", "fpr"], "invalid objective 'fpr'; expected"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--choose-threshold", "fpr=nan"],
            "invalid objective 'fpr=nan'; expected",
        ),
        (["set.jsonl", "--score-field", "x="], "such as choices[0].text; write NAME=PATH"),
        (["set.jsonl", "--score-field", "x=y@high"], "write NAME=PATH"),
        (["set.jsonl", "--score-field", "x=y@nan"], "write NAME=PATH"),
        (["set.jsonl", "--score-field", "=y"], "write NAME=PATH"),
        (["set.jsonl", "--verdicts", "run.jsonl", "--slice-by", "a["], "invalid path 'a['"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--slice-by", "tool"],
            "--slice-by tool: no labeled record has a value there",
        ),
        (["set.jsonl", "--score-field", "x=tool@50"], "expected a name, and a threshold from 0 to 1"),
        (["set.jsonl", "--score-field", "x=lang"], "--score-field x=lang: no labeled record has a number at lang"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "x"],
            "--label-field: no record has the field x; the",
        ),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--category-field", "x"],
            "--category-field: no record has the field x;",
        ),
        (["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label>=nan"], "expected a finite number after >="),
        (["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label>="], "expected a finite number after >="),
        (["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label<inf"], "expected a finite number after <"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label=>0.5"],
            "expected FIELD=VALUE,VALUE or FIELD>=N",
        ),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label="],
            "expected FIELD=VALUE,VALUE or FIELD>=NUMBER",
        ),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--label-field", "label>=1"],
            "its label is 'safe', which is not a number",
        ),
        (["set.jsonl", "--verdicts", "run.jsonl", "--category-field", "x=S1"], "expected FIELD or FIELD>=NUMBER"),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--html", "set.jsonl"],
            "set.jsonl is an input: --html would write over",
        ),
        (
            ["set.jsonl", "--verdicts", "run.jsonl", "--map", "typo=map.json"],
            "--map typo=…: the policies are llama-guard-3",
        ),
        (["set.jsonl", "--verdicts", "bad.jsonl"], "bad.jsonl:1: invalid verdict row: its listed_scores holds null"),
        (["set.jsonl", "--score-field", "x=no.such"], "--score-field x=no.such: no record has the field no.such; the"),
        (["set.jsonl", "--verdicts", "run.jsonl", "--map", "none.json"], "none.json: cannot be read: No such file"),
        (["set.jsonl", "--verdicts", "run.jsonl", "--dataset", "dices"], "set.jsonl:1: it is not a record of dices"),
        (["set.jsonl", "--verdicts", "run.jsonl", "--save-verdicts", "x.jsonl"], "name one with -m"),
        (["set.jsonl", "-m", "x.gguf", "--save-verdicts", "set.jsonl"], "set.jsonl is an input"),
        (["set.jsonl", "-m", "x.gguf", "--shots", "2"], "x.gguf"),
    ],
)
def test_usage_errors(desk: Path, arguments: list[str], message: str) -> None:
    (desk / "empty.jsonl").write_text("")
    (desk / "map.json").write_text("{}")
    write(desk / "bad.jsonl", [row(1, 0.5, listed_scores={"S1": None})])
    done = guard("eval", *arguments, cwd=desk)
    assert message in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_names_of_the_input_command_no_terminal(desk: Path) -> None:
    (desk / "evil.jsonl").write_text('{"prompt":"x","label":"safe","\\u001b[31mEVIL":1}\n')
    write(desk / "v.jsonl", [row(1, 0.1, source="evil.jsonl")])
    done = guard("eval", "evil.jsonl", "--verdicts", "v.jsonl", "--slice-by", "lang", cwd=desk)
    assert "\\x1b[31mEVIL" in done.stderr
    assert "\x1b" not in done.stderr


def test_runs_that_differ_in_what_decides_are_several_systems(desk: Path) -> None:
    rows = [json.loads(line) for line in (desk / "whole.jsonl").read_text().splitlines()]
    write(desk / "both.jsonl", [*rows, *(one | {"threshold": 0.4} for one in rows)])
    found = json.loads(guard("eval", "set.jsonl", "--verdicts", "both.jsonl", "--format", "json", cwd=desk).stdout)
    assert [one["threshold"] for one in found["systems"]] == [0.5, 0.4]


def test_shots_that_a_policy_does_not_have(desk: Path, guard_path: Path) -> None:
    done = guard(
        "eval",
        "set.jsonl",
        "-m",
        guard_path,
        "--template",
        "llama-guard-3-8b",
        "-t",
        "llama-guard-3",
        "--shots",
        "2",
        cwd=desk,
    )
    assert "no category has `examples`, and --shots asks for them" in done.stderr
    assert done.returncode == 2


@pytest.mark.slow
def test_a_report_of_1680_rows(tmp_path: Path) -> None:
    """How long it takes is measured by `python -m benchmarks.stored`."""
    draw = np.random.default_rng(1)
    records, rows = [], []
    for line in range(1, 1681):
        unsafe = bool(draw.random() < 0.3)
        found = dict(zip(("S1", "S9", "S10"), map(float, draw.random(3)), strict=True))
        records.append({"prompt": "x", "label": int(unsafe), "categories": ["S9"] if unsafe else []})
        rows.append(row(line, float(draw.random()), source="set.jsonl", listed_scores=found))
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write(tmp_path / "run.jsonl", rows)
    done = guard("eval", "set.jsonl", "--verdicts", "run.jsonl", "--format", "html", "-o", "page.html", cwd=tmp_path)
    assert done.stdout == ""
    assert "1,680 labeled records" in (tmp_path / "page.html").read_text("utf-8")
    assert done.returncode == 0


def test_the_environment_names_a_model_and_a_policy(desk: Path, tmp_path: Path, guard_path: Path) -> None:
    """In a folder with a blank in its name; and not where a stored run is asked for."""
    folder = tmp_path / "my models"
    folder.mkdir()
    (folder / "llama-guard-3-8b.gguf").symlink_to(guard_path)
    named = {"GUARD_MODEL": str(folder / "llama-guard-3-8b.gguf"), "GUARD_TAXONOMY": "openai-moderation"}
    template = ("--template", "llama-guard-3-8b")
    done = guard("eval", "set.jsonl", *template, "--format", "json", cwd=desk, **named)
    (judged,) = json.loads(done.stdout)["systems"]
    assert judged["system"].endswith(" openai-moderation")
    done = guard("eval", "set.jsonl", "--verdicts", "whole.jsonl", "--format", "json", cwd=desk, **named)
    assert [one["system"] for one in json.loads(done.stdout)["systems"]] == ["whole.jsonl"]


@pytest.mark.slow
def test_the_notice_of_a_small_model_is_one_line(tmp_path: Path) -> None:
    find_smollm2()
    (tmp_path / "set.jsonl").write_text('{"prompt": "Hi!", "label": "safe"}\n{"prompt": "Bomb", "label": "unsafe"}\n')
    done = guard("eval", "set.jsonl", "-m", "smol", "-t", "aegis-1", "-t", "llama-guard-3-1b", cwd=tmp_path)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("guard: smol is a small model, and often wrong")
    heading = next(line for line in done.stdout.splitlines() if "aegis-1" in line)
    assert heading.split() == ["smol", "aegis-1", "smol", "llama-guard-3-1b"]


NOISY = {"source": "set.jsonl", "taxonomy": TAXONOMY}


def write_overconfident(desk: Path, **fields: Any) -> None:
    """A run over the 40 records that is very sure, and wrong about every fifth one."""
    scores = [(0.999, 0.001)[(line % 2 == 0) is (line % 5 == 0)] for line in range(1, 41)]
    write(desk / "sure.jsonl", [row(line, score, **NOISY | fields) for line, score in enumerate(scores, start=1)])


def test_a_calibration_is_fitted_written_and_applied(desk: Path) -> None:
    write_overconfident(desk)
    done = guard(
        *("eval", "set.jsonl", "--verdicts", "sure.jsonl", "--fit-calibration", "c.json"),
        *("--choose-threshold", "precision=0.7", "--format", "json"),
        cwd=desk,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "guard: wrote c.json\n")
    fitted = json.loads((desk / "c.json").read_text())
    told = json.loads(done.stdout)
    assert told["calibration"] == fitted
    assert fitted["temperature"] == pytest.approx(np.log(999) / np.log(4), rel=1e-5)  # four of five are right
    assert (fitted["threshold"], fitted["objective"]) == (0.8, "precision=0.7")
    assert (fitted["model"], fitted["taxonomy"]["prompt"]) == ("tiny@0123456789ab", TAXONOMY["prompt"])
    assert fitted["fit"]["records"] == 40
    assert fitted["fit"]["calibration_error"]["before"] == told["systems"][0]["calibration_error"]
    text = guard("eval", "set.jsonl", "--verdicts", "sure.jsonl", "--fit-calibration", "c.json", cwd=desk).stdout
    assert "Calibration: tiny@0123456789ab\n" in text
    assert re.search(r"calibration error +0\.199 +0\.000\n", text)
    assert "Temperature 4.98" in text

    calibrated = guard(
        "decide", "sure.jsonl", "-t", "llama-guard-3", "--calibration", "c.json", "--exit-zero", cwd=desk
    ).stdout
    rows = [json.loads(line) for line in calibrated.splitlines()]
    assert [round(one["calibrated"], 6) for one in rows[:2]] == [0.2, 0.8]
    assert {(one["score"], one["temperature"]) for one in rows} == {
        (score, fitted["temperature"]) for score in (0.999, 0.001)
    }
    (desk / "calibrated.jsonl").write_text(calibrated)
    told = json.loads(guard("eval", "set.jsonl", "--verdicts", "calibrated.jsonl", "--format", "json", cwd=desk).stdout)
    assert told["systems"][0]["calibration_error"] == pytest.approx(0, abs=1e-6)
    assert told["calibration"] is None


def test_what_cannot_be_fitted_is_told_after_the_report(desk: Path) -> None:
    write(desk / "right.jsonl", [row(line, (0.1, 0.9)[line % 2 == 0], **NOISY) for line in range(1, 41)])
    done = guard("eval", "set.jsonl", "--verdicts", "right.jsonl", "--fit-calibration", "c.json", cwd=desk)
    assert "AUPRC" in done.stdout
    assert "no temperature can be fitted: the scores are right about all records" in done.stderr
    assert done.stderr.endswith("[calibration/not-fitted]\n")
    assert (done.returncode, (desk / "c.json").exists()) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verdicts", "run.jsonl", "--verdicts", "whole.jsonl"], "--fit-calibration is for one system"),
        (["--verdicts", "both.jsonl"], "there are tiny llama-guard-3, big llama-guard-3"),
        (["--score-field", "tool=tool"], "--fit-calibration is for one system"),
        (
            ["--verdicts", "run.jsonl", "--choose-threshold", "f1", "--choose-threshold", "fpr=0.1"],
            "stores one threshold",
        ),
        (["-m", "x.gguf", "--calibration", "run.jsonl"], "leave --calibration out"),
        (
            ["--verdicts", "run.jsonl", "--calibration", "c.json"],
            "calibrate stored rows with guard decide --calibration",
        ),
        (["-m", "x.gguf", "--lora", "set.jsonl", "--lora", "run.jsonl"], "at most one adapter"),
    ],
)
def test_one_system_is_calibrated(desk: Path, arguments: list[str], message: str) -> None:
    rows = [json.loads(line) for line in (desk / "whole.jsonl").read_text().splitlines()]
    write(desk / "both.jsonl", [*rows, *({**one, "model": "big@ffff"} for one in rows)])
    done = guard("eval", "set.jsonl", "--fit-calibration", "c.json", *arguments, cwd=desk)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode, (desk / "c.json").exists()) == (2, False)


def test_a_calibration_does_not_overwrite_an_input(desk: Path) -> None:
    done = guard("eval", "set.jsonl", "--verdicts", "run.jsonl", "--fit-calibration", "run.jsonl", cwd=desk)
    assert (done.returncode, "[output/would-overwrite]" in done.stderr) == (2, True)


def test_a_model_is_calibrated_and_judges_with_it(desk: Path, guard_path: Path) -> None:
    """The tiny model finds everything unsafe with 0.96, and four of five are."""
    records = [{"prompt": f"say {line}", "label": "safe" if line % 5 == 0 else "unsafe"} for line in range(1, 41)]
    (desk / "set.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    judged = ["-m", guard_path, "--template", "llama-guard-3-8b", "-t", "llama-guard-3", "--allow-unverified-model"]
    fitted = guard(
        "eval", "set.jsonl", *judged, "--fit-calibration", "c.json", "--save-verdicts", "raw.jsonl", cwd=desk
    )
    assert (fitted.returncode, fitted.stderr) == (0, "guard: wrote raw.jsonl\nguard: wrote c.json\n")
    done = guard("check", "set.jsonl", *judged, "--calibration", "c.json", "--format", "json", "--exit-zero", cwd=desk)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    calibration = json.loads((desk / "c.json").read_text())
    assert {one["temperature"] for one in rows} == {calibration["temperature"]}
    assert [one["calibrated"] for one in rows] == pytest.approx([0.8] * 40, abs=0.02)
    raw = [json.loads(line)["score"] for line in (desk / "raw.jsonl").read_text().splitlines()]
    assert [one["score"] for one in rows] == pytest.approx(raw, abs=1e-3)
    again = guard("eval", "set.jsonl", *judged, "--calibration", "c.json", "--format", "json", cwd=desk)
    error = json.loads(again.stdout)["systems"][0]["calibration_error"]
    assert error == pytest.approx(calibration["fit"]["calibration_error"]["after"], abs=1e-3)
    assert error < calibration["fit"]["calibration_error"]["before"]
    other = guard("check", "set.jsonl", *judged, "-t", "llama-guard-2", "--calibration", "c.json", cwd=desk)
    assert (other.returncode, "[calibration/other-prompt]" in other.stderr) == (2, True)
