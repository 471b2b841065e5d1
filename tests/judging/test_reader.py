"""Rows read back: what is one, and what is said of what is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from guardcli.errors import InputError
from guardcli.judging import reader
from guardcli.judging.writers import jsonl
from tests.judging.writers.verdicts import VERDICTS
from tests.rows import row, verdict, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    lines = "".join(f"{jsonl.line(verdict)}\n" for verdict in VERDICTS.values())
    (tmp_path / "v.jsonl").write_text(lines, "utf-8")
    assert list(reader.read_verdicts(str(tmp_path / "v.jsonl"))) == list(VERDICTS.values())


def test_gzip_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "v.gz").write_bytes(gzip.compress(f"\n{json.dumps(row(1, 0.5))}\n\n".encode()))
    assert list(reader.read_verdicts(str(tmp_path / "v.gz"))) == [verdict(1, 0.5)]


EXPECTED = "expected what guard check --format json or guard audit writes"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema":1', f"not JSON: Expecting ',' delimiter at column 12; {EXPECTED}"),
        ("[" * 100_000, f"not a verdict row; {EXPECTED}"),
        ("1" * 5000, f"not a verdict row; {EXPECTED}"),
        ("How do I bake bread?\r", f"not a verdict row; {EXPECTED}"),
        ("unsafe 0.8768 S9 chats.jsonl:2 - user#1 -", f"not a verdict row; {EXPECTED}"),
        ("[1]", f"not a verdict row; {EXPECTED}"),
        ('{"prompt":"hi"}', f"not a verdict row; {EXPECTED}"),
        (json.dumps(row(1, 0.5) | {"schema": 3}), "a row of schema the number 3; this guard reads schema 1 and 2"),
        (json.dumps(row(1, 0.5) | {"schema": True}), "a row of schema true"),
        (json.dumps({k: v for k, v in row(1, 0.5).items() if k != "role"}), "invalid verdict row: it has no role"),
        (json.dumps({k: v for k, v in row(1, 0.5).items() if k != "unread"}), "invalid verdict row: it has no unread"),
        *((json.dumps(row(1, 0.5) | {name: value}), f"invalid verdict row: its {message}") for name, value, message in [
            ("categories", 5, "categories is the number 5; expected a list of names, or null"),
            ("categories", ["S1", 2], "categories holds the number 2; expected a list of names"),
            ("flags", [{}], "flags holds an object; expected a list of names"),
            ("flags", None, "flags is null; expected a list of names"),
            ("unread", [1], "unread holds the number 1; expected a list of paths, or null"),
            ("skipped", {"system": -1}, "skipped holds the number -1; expected an object of counts"),
            ("meta", "x" * 100, "meta is text; expected an object or null"),
            ("verdict", "maybe", "verdict is the text 'maybe'; expected safe, unsafe or error"),
            ("mass", 1.5, "mass is the number 1.5; expected a number from 0 to 1, or null"),
            ("tolerance", float("inf"), "tolerance is the number inf; expected a number from 0 on, or null"),
            ("turns", [], "turns is a list; expected a list of turns with scores, or null"),
            ("turns", [{"turn": 1}], "turns holds an object; expected a list of turns with scores"),
            ("turns", [{"turn": 1, "role": None, "score": 2}], "turns holds an object; expected a list of turns"),
            ("turns", [{"turn": 1, "role": None, "x": 1}], "turns holds an object; expected a list of turns"),
            ("score", None, "score is null and its verdict unsafe; expected null with error only"),
            ("score", "0.5", "score is the text '0.5'; expected a number from 0 to 1, or null"),
            ("score", float("nan"), "score is the number nan; expected a number from 0 to 1"),
            ("line", True, "line is true; expected a whole number from 1 on"),
            ("line", 0, "line is the number 0; expected a whole number from 1 on"),
            ("turn", 1.0, "turn is the number 1.0; expected a whole number from 1 on, or null"),
            ("model", [], "model is a list; expected text"),
            ("taxonomy", {"name": 1}, "taxonomy holds the number 1; expected an object of names"),
            ("listed_scores", {"S1": float("inf")}, "listed_scores holds the number inf; expected an object of"),
            ("scoring", "per_category", "scoring is per_category; expected category_scores with a number for each"),
        ]),
        (json.dumps(row(1, 0.5) | {"id": ["\x1b[2J"]}), "invalid verdict row: its id is a list; expected text or null"),
        (json.dumps(row(1, 0.5) | {"scoring": "\x1b[2J"}), "its scoring is the text '\\x1b[2J'; expected verdict"),
        (json.dumps(row(1, 0.5))[:-1] + ', "x": ' + "[" * 300 + "]" * 300 + "}", "nested too deeply"),
    ],
)  # fmt: skip
def test_invalid_rows_are_rejected(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text(f"{json.dumps(row(1, 0.5))}\n{content}\n")
    with pytest.raises(InputError) as caught:
        list(reader.read_verdicts(str(path)))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"new": {"a": [1]}},
        {"text": "[{" * 1000},
        {"meta": {"a": [[[None]]], "\ud800": float("inf")}},
        {"score": 1, "threshold": 0},
        {"scoring": "per_category", "category_scores": {"S1": 0, "S2": 1.0}},
    ],
)
def test_unknown_fields_and_odd_values_are_read(tmp_path: Path, fields: dict[str, object]) -> None:
    read = reader.read_verdicts(str(write(tmp_path / "v.jsonl", [row(1, 0.5) | fields])))
    assert [one.to_dict() for one in read] == [row(1, 0.5) | fields]


def test_fields_that_decide_nothing_may_be_missing(tmp_path: Path) -> None:
    gone = ("skipped", "truncated", "model", "template", "text")
    kept = {name: value for name, value in row(1, 0.5).items() if name not in gone}
    (read,) = reader.read_verdicts(str(write(tmp_path / "v.jsonl", [kept])))
    assert read.to_dict() == row(1, 0.5) | {"model": "", "template": ""}


def test_rows_of_schema_1_do_not_tell_what_was_unread(tmp_path: Path) -> None:
    old = {name: value for name, value in row(1, 0.5).items() if name != "unread"} | {"schema": 1}
    (tmp_path / "v.jsonl").write_text(f"{json.dumps(old)}\n")
    assert list(reader.read_verdicts(str(tmp_path / "v.jsonl"))) == [verdict(1, 0.5, unread=None)]


def test_a_missing_file() -> None:
    with pytest.raises(InputError, match="no such file"):
        list(reader.read_verdicts("missing.jsonl"))


def test_rows_of_a_record_are_adjacent(tmp_path: Path) -> None:
    rows = [verdict(1, 0.1, turn=1), verdict(1, 0.2, turn=2), verdict(2, 0.3), verdict(2, 0.4, part="rejected")]
    found = [(key[1:], len(group)) for key, group in reader.group_by_record(rows)]
    assert found == [((1, None), 2), ((2, None), 1), ((2, "rejected"), 1)]
