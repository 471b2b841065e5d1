"""Rows that were edited by hand or damaged: whatever reads them succeeds or says which field of which line is wrong."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest

from guardcli.cli.decide import decide
from guardcli.cli.diff import diff
from guardcli.cli.eval import eval_
from guardcli.cli.report import report
from guardcli.errors import InputError
from guardcli.judging import reader
from tests.rows import row, write

pytestmark = pytest.mark.slow

DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]

WRONG: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**400, 0.5, -0.0, 1.5, 1e-320, float("nan"), float("inf"), -float("inf"),
    "", "S1", "safe", "per_category", "\ud800", "\x1b[2J", "x" * 5000, "2026-01-30", "9" * 4000,
    [], [1], [None], ["S1"], ["S1", "S1"], [[]], [{}], ["\udcff"], [float("nan")],
    {}, {"S1": 0.5}, {"S1": None}, {"S1": True}, {"S1": float("nan")}, {"S1": 10**400}, {"S1": []}, {"": {}},
    {"S1": "0.5"}, {"S99": 0.5}, {"name": 1, "prompt": None}, {"ts": 10**400}, {"ts": float("inf")}, {"ts": [1]},
    {"ts": "x"}, DEEP,
)  # fmt: skip

EACH = {f"S{number}": 0.03 * number for number in range(1, 15)}
VALID = (
    row(1, 0.7, meta={"ts": "2026-01-30"}, listed_scores={"S9": 0.75, "S1": 0.25}, text="hi"),
    row(1, 0.2, turn=2, flags=["windowed"]),
    row(2, None),
    row(2, 0.7, turn=3, calibrated=0.6, temperature=2.0, categories=None),
    row(3, 0.42, scoring="per_category", category_scores=EACH, categories=None),
    row(
        4,
        0.3,
        turns=[
            {"turn": 1, "role": "user", "score": 0.3, "mass": 0.9, "listed_scores": {"S9": 1.0}},
            {"turn": 2, "role": "assistant", "error": "not judged", "error_code": "model/not-finite"},
        ],
        verdict="error",
        error="not judged",
        error_code="model/not-finite",
    ),
)


def mutations() -> Iterator[dict[str, Any]]:
    """A valid row with one field of another value, or missing; and with a wrong value in an object of its own."""
    for valid in VALID:
        for name in valid:
            yield {other: value for other, value in valid.items() if other != name}
            yield from (valid | {name: wrong} for wrong in WRONG)
            if isinstance(inside := valid[name], dict):
                yield from (valid | {name: inside | {key: wrong}} for key in [*inside, "new"] for wrong in WRONG)
        for number, turn in enumerate(turns := valid["turns"] or []):
            for name in ("turn", "role", "score", "mass", "listed", "category_scores", "error", "new"):
                edited = ({**turn, name: wrong} for wrong in WRONG)
                yield from (valid | {"turns": [*turns[:number], one, *turns[number + 1 :]]} for one in edited)


def several(count: int) -> Iterator[dict[str, Any]]:
    """Valid rows with two or three fields of other values: a wrong one may hide behind another."""
    draw = random.Random(0)
    for _ in range(count):
        valid = draw.choice(VALID)
        yield valid | {draw.choice(list(valid)): draw.choice(WRONG) for _ in range(draw.choice((2, 3)))}


def run(command: click.Command, *arguments: str | Path) -> tuple[int | None, str]:
    """A command in this process: its exit code and what it wrote; None: it ended with an InputError, which is right."""
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as stdout, redirect_stderr(io.StringIO()):
        try:
            code: int | None = command.main([str(argument) for argument in arguments], standalone_mode=False)
        except InputError:
            code = None
    return code, stdout.buffer.getvalue().decode()


def readable(rows: Iterable[dict[str, Any]], path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those that are read, and those that are refused."""
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for edited in rows:
        try:
            assert len(list(reader.read_verdicts(str(write(path, [VALID[0], edited]))))) == 2
        except InputError:
            found[1].append(edited)
        else:
            found[0].append(edited)
    return found


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Some thousand mutations, read and refused."""
    return readable([*mutations(), *several(500)], tmp_path_factory.mktemp("rows") / "v.jsonl")


@pytest.mark.slow
def test_most_edits_are_refused_when_they_are_read(edited: tuple[list[Any], list[Any]]) -> None:
    read, refused = edited
    assert len(refused) > 5000
    assert len(read) > 500


READERS: dict[str, Callable[[Path, Path], tuple[int | None, str]]] = {
    "report": lambda edited, _: run(report, edited, "--time", "ts", "--with-text"),
    "diff": lambda edited, valid: run(diff, edited, valid),
    "diff --format json": lambda edited, valid: run(diff, valid, edited, "--format", "json"),
    "diff --format html": lambda edited, valid: run(diff, valid, edited, "--format", "html", "--with-text"),
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_is_reported_and_compared(
    reader: str, edited: tuple[list[Any], list[Any]], tmp_path: Path
) -> None:
    """Some at a time, so that all of them are among those that are shown; every score has moved."""
    moved = [one | {"score": one["score"] and one["score"] + 0.01} for one in VALID]
    valid = write(tmp_path / "valid.jsonl", moved)
    read = edited[0]
    for start in range(0, len(read), 10):
        rows = write(tmp_path / "edited.jsonl", [VALID[0] | {"line": 9}, *read[start : start + 10]])
        code, written = READERS[reader](rows, valid)
        assert code in (0, 1, 3)
        if reader == "diff --format json":
            json.loads(written, parse_constant=pytest.fail)


@pytest.mark.slow
def test_what_is_read_is_decided_again_or_refused(edited: tuple[list[Any], list[Any]], tmp_path: Path) -> None:
    codes = []
    for one in edited[0]:
        code, written = run(decide, write(tmp_path / "v.jsonl", [one]), "-t", "llama-guard-3")
        codes.append(code)
        assert code is None or len(list(reader.read_verdicts(str(_text(tmp_path / "again.jsonl", written))))) == 1
    assert 0 < codes.count(None) < len(codes)


def test_every_command_says_what_is_wrong(edited: tuple[list[Any], list[Any]], tmp_path: Path) -> None:
    valid = write(tmp_path / "valid.jsonl", list(VALID))
    for one in random.Random(1).sample(edited[1], 40):
        bad = write(tmp_path / "edited.jsonl", [*VALID, one])
        assert [READERS[reader](bad, valid)[0] for reader in READERS] == [None] * len(READERS)
        assert run(decide, bad, "-t", "llama-guard-3")[0] is None


def test_an_evaluation_reads_or_refuses_them(edited: tuple[list[Any], list[Any]], tmp_path: Path) -> None:
    records = [{"prompt": f"say {at}", "label": at % 2} for at in range(1, 5)]
    (tmp_path / "chats.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    codes = []
    for one in [*random.Random(1).sample(edited[0], 30), *random.Random(1).sample(edited[1], 10)]:
        rows = write(tmp_path / "edited.jsonl", [*VALID, one | {"line": 4}])
        codes.append(run(eval_, tmp_path / "chats.jsonl", "--verdicts", rows, "--resamples", "100")[0])
    assert 0 < codes.count(None) < len(codes)


def _text(path: Path, content: str) -> Path:
    path.write_text(content, "utf-8")
    return path
