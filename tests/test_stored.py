"""Rows read back: what is one, and what is said of what is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from guardcli import stored
from guardcli.errors import InputError
from guardcli.writers import jsonl
from tests.rows import row
from tests.writers.verdicts import VERDICTS


def test_what_was_written_is_read(tmp_path: Path) -> None:
    lines = "".join(f"{jsonl.line(verdict)}\n" for verdict in VERDICTS.values())
    (tmp_path / "v.jsonl").write_text(lines, "utf-8")
    assert list(stored.read(str(tmp_path / "v.jsonl"))) == [json.loads(line) for line in lines.splitlines()]


def test_gzip_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "v.gz").write_bytes(gzip.compress(f"\n{json.dumps(row(1, 0.5))}\n\n".encode()))
    assert list(stored.read(str(tmp_path / "v.gz"))) == [row(1, 0.5)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema":1', "2: not JSON: "),
        ("[1]", "2: no verdict row: guard check --format json writes them"),
        ('{"prompt":"hi"}', "2: no verdict row"),
        (json.dumps(row(1, 0.5) | {"schema": 3}), "2: a row of schema 3; this guard reads schema 1 and 2"),
        (json.dumps(row(1, 0.5) | {"unread": [1]}), "2: no verdict row: its unread is no list of paths"),
        (json.dumps(row(1, 0.5) | {"verdict": "maybe"}), "2: no verdict row: its verdict and its score do not go"),
        (json.dumps(row(1, 0.5) | {"score": "0.5"}), "2: no verdict row: its score is none"),
        (json.dumps(row(1, 0.5) | {"verdict": "error"}), "2: no verdict row: its verdict and its score do not go"),
        (json.dumps(row(1, 0.5) | {"score": float("nan")}), "2: no verdict row: its verdict and its score do not go"),
        (json.dumps({k: v for k, v in row(1, 0.5).items() if k != "role"}), "2: no verdict row: guard check"),
        ("[" * 100_000, "2: not JSON"),
    ],
)
def test_what_is_no_row(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text(f"{json.dumps(row(1, 0.5))}\n{content}\n")
    with pytest.raises(InputError) as caught:
        list(stored.read(str(path)))
    assert f"{path}:{message}" in str(caught.value)


def test_rows_of_schema_1_do_not_tell_what_was_unread(tmp_path: Path) -> None:
    old = {name: value for name, value in row(1, 0.5).items() if name != "unread"} | {"schema": 1}
    (tmp_path / "v.jsonl").write_text(f"{json.dumps(old)}\n")
    assert list(stored.read(str(tmp_path / "v.jsonl"))) == [row(1, 0.5) | {"unread": None}]


def test_a_missing_file() -> None:
    with pytest.raises(InputError, match="no such file"):
        list(stored.read("missing.jsonl"))


def test_rows_of_a_record_stand_together(tmp_path: Path) -> None:
    rows = [row(1, 0.1, turn=1), row(1, 0.2, turn=2), row(2, 0.3), row(2, 0.4, part="rejected")]
    found = [(key[1:], len(group)) for key, group in stored.by_record(rows)]
    assert found == [((1, None), 2), ((2, None), 1), ((2, "rejected"), 1)]
