"""Names of files, policies, categories, models, data sets and records that would command a terminal, or forge a line.

Each command runs with them, once to its end and once into an error. What it writes to stdout, to stderr and to files
must hold none of their control characters, and begin no line with what stands behind their line breaks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import click
import pytest

from guardcli.cli import main
from guardcli.cli.main import cli
from guardcli.taxonomy import Taxonomy
from tests import tiny
from tests.cli.running import guard
from tests.rows import row, write

# A command to the terminal, one to conceal what follows, line breaks, marks of direction, what is no character, and
# what ends or begins something in XML, HTML, Markdown and URIs.
EVIL = "a\x1b]0;owned\x07\x1b[8m\nFORGED\r\u202e\u2066\ufffe\x85\x9b2J\x7f\u2028FORGED]]><script>FORGED|%0A"
TEXT = EVIL.replace("\n", "")  # of a message: `render` shows it with its line breaks
LISTED = "x\ufffe]]><script>FORGED|%0A"  # as far as a policy may hold it
_HARM = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_COLOR = re.compile("\x1b\\[(?:0|1|2|[0-9;]*3[0-9])m")  # what guard writes; none that conceals
_BINARY = (".gguf", ".safetensors", ".pt")


@dataclass(frozen=True)
class Call:
    """How a command must end, its arguments, in which `EVIL` stands for that name, and the form of its stdout."""

    code: int
    arguments: str
    form: str = "text"


JUDGE = "-m EVIL.gguf --threads 1"
LABELS = "--label-field label --category-field categories"
CALLS: dict[str, tuple[Call, ...]] = {
    "check": (
        Call(3, f"EVIL.jsonl {JUDGE} -t EVIL.yaml -v --with-text --keep EVIL --lora EVIL.lora"),
        Call(3, f"EVIL.jsonl {JUDGE} -t EVIL.yaml --format json --scores --keep EVIL", "lines"),
        Call(3, f"EVIL.jsonl {JUDGE} -t EVIL.yaml --format openai --stats", "lines"),
        Call(3, "EVIL.jsonl --paths"),
        Call(2, f"EVIL.jsonl {JUDGE} -t EVIL.yaml --keep EVIL2 --text-field 'EVIL2'"),
        Call(2, f"EVIL.jsonl {JUDGE} -t EVIL.bad.yaml"),
        Call(2, f"EVIL.jsonl {JUDGE} -t EVIL"),
        Call(2, "EVIL.jsonl -m EVIL"),
        Call(2, "EVIL.jsonl -m EVIL.jsonl"),
        Call(2, f"EVIL.jsonl {JUDGE} --lora EVIL.jsonl"),
        Call(2, "EVIL.missing -m EVIL.gguf"),
        Call(2, "EVIL.jsonl --messages-path EVIL[ -m EVIL.gguf"),
        Call(2, "--EVIL EVIL"),
    ),
    "audit": (
        Call(3, f"EVIL.dir EVIL.jsonl EVIL.jsonl -o EVIL.out.jsonl {JUDGE} -t EVIL.yaml --keep EVIL --with-text"),
        Call(3, f"EVIL.dir -o EVIL.gated.jsonl {JUDGE} --max-errors 0 --max-unsafe 0"),
        Call(2, f"EVIL.dir -o EVIL.out.jsonl {JUDGE}"),
        Call(2, f"EVIL.jsonl -o verdicts.jsonl {JUDGE}"),
        Call(2, f"EVIL.jsonl -o EVIL.jsonl {JUDGE}"),
        Call(2, f"EVIL.missing -o EVIL.out.jsonl {JUDGE}"),
        Call(2, f"EVIL.jsonl -o EVIL.out.jsonl --requests EVIL.jsonl {JUDGE}"),
    ),
    "decide": (
        Call(3, "verdicts.jsonl -t EVIL.yaml", "lines"),
        Call(2, "verdicts.jsonl -t llama-guard-3"),
        Call(2, "EVIL.jsonl -t EVIL.yaml"),
    ),
    "diff": (
        Call(3, "verdicts.jsonl EVIL.verdicts"),
        Call(3, "verdicts.jsonl EVIL.verdicts --format json", "json"),
        Call(3, "verdicts.jsonl EVIL.verdicts --format html --with-text", "html"),
        Call(0, f"-t EVIL.yaml -t llama-guard-3 EVIL.jsonl {JUDGE}"),
        Call(2, "verdicts.jsonl EVIL.jsonl"),
    ),
    "doctor": (
        Call(0, f"{JUDGE} -t EVIL.yaml -v"),
        Call(2, "-m EVIL.missing"),
    ),
    "eval": (
        Call(0, f"EVIL.jsonl {JUDGE} -t EVIL.yaml {LABELS} --map EVIL.json --slice-by 'EVIL' "
                "--format html -o EVIL.html --with-text "
                "--save-verdicts EVIL.rows.jsonl --resamples 100 --steerability --choose-threshold f1"),
        Call(3, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --score-field EVIL=score --slice-by 'EVIL' "
                "--format markdown --resamples 100"),
        Call(3, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --slice-by 'EVIL' --format json --min-f1 1", "json"),
        Call(2, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --slice-by 'EVIL.none'"),
        Call(2, "EVIL.jsonl --verdicts EVIL.verdicts --label-field EVIL=EVIL"),
        Call(2, f"EVIL.jsonl --verdicts EVIL.jsonl {LABELS}"),
        Call(2, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --map EVIL=EVIL.json"),
        Call(2, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --map EVIL.yaml"),
        Call(2, f"EVIL.jsonl --verdicts EVIL.verdicts {LABELS} --choose-threshold EVIL"),
    ),
    "filter": (
        Call(3, f"bad.jsonl --annotate --save-verdicts EVIL.rows.jsonl {JUDGE} -t EVIL.yaml", "lines"),
        Call(2, f"bad.jsonl --save-verdicts bad.jsonl {JUDGE}"),
        Call(2, f"EVIL.missing {JUDGE}"),
    ),
    "merge": (
        Call(0, "EVIL.done.jsonl -o EVIL.joined.jsonl"),
        Call(2, "EVIL.jsonl -o EVIL.out.jsonl"),
    ),
    "models list": (
        Call(0, ""),
        Call(2, "EVIL"),
    ),
    "models pull": (
        Call(2, "EVIL"),
        Call(2, "hf:EVIL/EVIL"),
    ),
    "models info": (
        Call(0, "EVIL.gguf"),
        Call(2, "EVIL.missing"),
    ),
    "report": (
        Call(0, "EVIL.verdicts verdicts.jsonl -o EVIL.html --title EVIL --with-text"),
        Call(0, "EVIL.verdicts --with-text", "html"),
        Call(2, "EVIL.verdicts --time EVIL.missing"),
        Call(2, "EVIL.jsonl"),
    ),
    "taxonomy list": (Call(0, ""), Call(2, "EVIL")),
    "taxonomy show": (Call(0, "EVIL.yaml"), Call(2, "EVIL.bad.yaml"), Call(2, "EVIL")),
    "taxonomy new": (
        Call(0, "EVIL.dir/fresh"),
        Call(2, "EVIL.dir/other --extends ./EVIL.yaml --extends-root ."),
        Call(2, "EVIL.new"),
        Call(2, "fresh --extends EVIL"),
        Call(2, "EVIL.missing/fresh"),
    ),
    "taxonomy validate": (
        Call(0, "EVIL.yaml"),
        Call(1, "EVIL.yaml EVIL.bad.yaml EVIL.worse.yaml"),
        Call(1, "EVIL.bad.yaml --format json", "json"),
        Call(1, "EVIL.bad.yaml EVIL.worse.yaml --format sarif", "sarif"),
        Call(2, "EVIL"),
    ),
    "taxonomy render": (
        Call(3, "EVIL.yaml bad.jsonl --template llama-guard-3-8b --target any"),
        Call(0, "EVIL.yaml EVIL.jsonl -m EVIL.gguf"),
        Call(2, "EVIL.yaml EVIL.jsonl --template EVIL"),
        Call(2, "EVIL.bad.yaml EVIL.jsonl --template llama-guard-3-8b"),
    ),
    "taxonomy test": (
        Call(1, f"EVIL.yaml {JUDGE} --junit EVIL.xml --suggest"),
        Call(1, f"EVIL.yaml EVIL.jsonl {LABELS} {JUDGE}"),
        Call(2, f"EVIL.yaml EVIL.jsonl --label-field EVIL=EVIL {JUDGE}"),
        Call(2, f"EVIL.bad.yaml {JUDGE}"),
    ),
    "schema": (Call(0, "verdict", "json"), Call(2, "EVIL")),
    "taxonomy schema": (Call(0, ""), Call(2, "EVIL")),
    "tune prepare": (
        Call(0, f"EVIL.jsonl -o EVIL.train.jsonl --template llama-guard-3-8b -t EVIL.yaml {LABELS} --map EVIL.json"),
        Call(0, f"EVIL.jsonl -o - --template llama-guard-3-8b -t EVIL.yaml {LABELS} --exclude EVIL.other.jsonl"),
        Call(2, f"EVIL.jsonl -o - --template llama-guard-3-8b -t EVIL.yaml {LABELS} --exclude EVIL.jsonl"),
        Call(2, "EVIL.missing -o - --template llama-guard-3-8b"),
    ),
    "tune train": (
        Call(0, "--base EVIL-base --data EVIL.train.jsonl -o EVIL.run --epochs 1 --threads 1 --rank 2"),
        Call(2, "--base EVIL-base --data EVIL.jsonl -o EVIL.run"),
        Call(2, "--base EVIL.missing --data EVIL.jsonl -o EVIL.run"),
    ),
    "tune export": (
        Call(0, "EVIL.run -o EVIL.adapter.gguf"),
        Call(2, "EVIL.missing -o EVIL.adapter.gguf"),
        Call(2, "EVIL.run -o EVIL.adapter.gguf --base EVIL.missing"),
    ),
}  # fmt: skip

PREPARED = f"tune prepare EVIL.jsonl -o EVIL.train.jsonl --template llama-guard-3-8b -t EVIL.yaml {LABELS}"
TRAINED = "tune train --base EVIL-base --data EVIL.train.jsonl -o EVIL.run --epochs 1 --threads 1 --rank 2"
BEFORE = {
    "merge": (f"audit EVIL.jsonl -o EVIL.done.jsonl --max-errors 100% {JUDGE}",),
    "tune train": (PREPARED,),
    "tune export": (PREPARED, TRAINED),
}  # what is run before a command


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    """The paths of all commands below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def test_every_command_is_called_once_to_its_end_and_once_into_an_error() -> None:
    assert set(commands(cli)) == set(CALLS)
    for command, calls in CALLS.items():
        codes = {call.code for call in calls}
        assert 2 in codes
        assert codes & {0, 1, 3} or command == "models pull"  # which ends only with a download


def policy(**fields: object) -> str:
    return json.dumps({"name": LISTED, "extends": "llama-guard-3", **fields})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that each command gets a copy of."""
    folder = tmp_path_factory.mktemp("hostile")
    tiny.write(named(folder, "EVIL.gguf"), reads={"bomb": ("S9", 1.0)}, name=f"Llama Guard 3 {EVIL}")
    tiny.write_adapter(named(folder, "EVIL.lora"), general__name=EVIL)
    test = {"name": LISTED, "prompt": "a bomb", "expect": "safe"}
    named(folder, "EVIL.yaml").write_text(
        policy(categories=[{"id": "S9", "key": "x]]>script>FORGED|%0A", "name": LISTED}], tests=[test])
    )
    named(folder, "EVIL.bad.yaml").write_text(policy(**{EVIL: EVIL}, categories=[{"id": EVIL, "key": EVIL, EVIL: 1}]))
    named(folder, "EVIL.worse.yaml").write_text(
        policy(extends=EVIL, drop=[EVIL], tests=[{"name": EVIL, "expect": EVIL}])
    )
    named(folder, "EVIL.json").write_text(json.dumps({EVIL: "S9"}))
    label = {"label": "unsafe", "categories": [EVIL], EVIL: EVIL, "score": 0.7}
    good = [
        {"id": EVIL, "prompt": "a bomb"} | label,
        {"id": f"{EVIL}2", "prompt": f"{TEXT} bread"} | label | {"label": "safe", "categories": []},
    ]
    lines(named(folder, "EVIL.jsonl"), good)
    lines(named(folder, "EVIL.other.jsonl"), [{"id": "x", "prompt": "something else"}])
    bad = [{"id": EVIL, "prompt": 7}, {"id": EVIL, "prompt": "hi", EVIL: f"{TEXT} is a text"}, {EVIL: TEXT}, [TEXT]]
    lines(folder / "bad.jsonl", [*good, *bad])
    named(folder, "EVIL.dir").mkdir()
    (named(folder, "EVIL.dir") / f".{EVIL}").write_text("hi")
    (named(folder, "EVIL.dir") / f"{EVIL}.jsonl").write_text((folder / "bad.jsonl").read_text())
    rows = [
        row(1, 0.9, id=EVIL, source=f"{EVIL}.jsonl", categories=[EVIL], model=EVIL, meta={EVIL: EVIL}, text=EVIL),
        row(2, 0.1, id=f"{EVIL}2", source=f"{EVIL}.jsonl", text=EVIL, unread=[EVIL], flags=[EVIL]),
        row(3, None, source=EVIL, error=EVIL, skipped={EVIL: 1}),
    ]
    write(named(folder, "EVIL.verdicts"), rows)
    taxonomy = Taxonomy.load(named(folder, "EVIL.yaml"))
    by = {"name": EVIL, "prompt": taxonomy.prompt_digest, "decision": "0"}
    key = taxonomy.categories[8].key
    write(
        folder / "verdicts.jsonl",
        [one | {"taxonomy": by, "categories": [key] * len(one["categories"]), "listed": None} for one in rows],
    )
    return folder


def named(folder: Path, name: str) -> Path:
    return folder / name.replace("EVIL", EVIL)


def lines(path: Path, records: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


@pytest.mark.parametrize("color", [False, True], ids=["plain", "color"])
@pytest.mark.parametrize("command", CALLS)
def test_no_name_commands_a_terminal_or_forges_a_line(
    command: str,
    color: bool,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "desk"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("FORCE_COLOR" if color else "NO_COLOR", "1")
    if command in ("tune train", "tune export"):
        from tests import tiny_base

        tiny_base.write(named(folder, "EVIL-base"))
    for words in BEFORE.get(command, ()):
        assert run(words) == 0
    capfd.readouterr()
    for call in CALLS[command]:
        before = stamps(folder)
        code = run(f"{command} {call.arguments}")
        out, err = capfd.readouterr()
        assert code == call.code, (out[-300:], err[-300:])
        check(out, call.form, color=color)
        check(err, "text", color=color)
        for path, stamp in stamps(folder).items():
            if before.get(path) != stamp and path.suffix not in _BINARY:
                check(path.read_text("utf-8"), path.suffix)


def run(words: str) -> int:
    return main._run([word.replace("EVIL", EVIL) for word in words.split()])


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (status.st_mtime_ns, status.st_size) for path, status in found.items()}


def check(text: str, form: str, *, color: bool = False) -> None:
    """Assert that a text is in its form, and that no name commands, conceals or forges anything in it."""
    harm = _HARM.search(_COLOR.sub("", text) if color else text)
    assert harm is None, ascii(text[max(0, harm.start() - 200) : harm.end() + 20])
    if form not in ("html", ".html"):
        forged = [line for line in text.splitlines() if line.lstrip().startswith("FORGED")]
        assert forged == []
    if reads := FORMS.get(form):
        reads(text)


def read_json_lines(text: str) -> None:
    for line in text.splitlines():
        json.loads(line)


def read_sarif(text: str) -> None:
    for result in json.loads(text)["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[\w.~/!$&'()*+,;=:@-]|%[0-9A-F]{2})+", uri, re.ASCII)
        assert os.path.exists(unquote(uri))


def read_page(text: str) -> None:
    assert "<script>FORGED" not in text


FORMS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    ".json": json.loads,
    "lines": read_json_lines,
    ".jsonl": read_json_lines,
    ".journal": read_json_lines,
    "sarif": read_sarif,
    "html": read_page,
    ".html": read_page,
    ".xml": ElementTree.fromstring,
}


def test_a_place_in_sarif_is_a_uri(tmp_path: Path) -> None:
    (tmp_path / "a b%.yaml").write_text("name: 5\n")
    done = guard("taxonomy", "validate", "a b%.yaml", "--format", "sarif", cwd=tmp_path)
    (run,) = json.loads(done.stdout)["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b%25.yaml"


def test_junit_is_xml_whatever_a_policy_and_its_file_are_called(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "toy.gguf", reads={"bomb": ("S9", 1.0)}, name="Llama Guard 3 (toy)")
    policy = tmp_path / "a\x1bb.yaml"
    tests = 'tests:\n  - {name: "a \\U0001F600", prompt: hi, expect: safe}\n'
    policy.write_text(f'name: "x\\uFFFEy"\nextends: llama-guard-3\n{tests}')
    guard("taxonomy", "test", policy.name, "-m", model, "--threads", "1", "--junit", "out.xml", cwd=tmp_path)
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert suite.get("name") == "x\\ufffey"
    assert suite[0].get("name") == "a \U0001f600"
    assert suite[0].get("file") == "a\\x1bb.yaml"
