"""Bulk runs: blocks, and that a run killed at any moment ends with the same bytes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardcli import audit
from guardcli.audit import POISONED, Source, blocks
from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from tests.commands.running import environment

RECORDS = 400


def record(line: int, text: str = "hi", part: str | None = None) -> Record:
    return Record(Key("a", line, part), Conversation((Message("user", text),)))


def lengths(records: list[tuple[int, audit.Item]], size: int, alone: int = 0) -> list[tuple[int, tuple[int, int]]]:
    return [(len(block), after) for block, after in blocks(iter(records), size, alone)]


def test_blocks_and_where_the_next_one_begins() -> None:
    records: list[tuple[int, audit.Item]] = [(0, record(line)) for line in (1, 2, 4, 5, 9)] + [(1, record(1))]
    assert lengths(records, 2) == [(2, (0, 4)), (2, (0, 9)), (2, (2, 1))]
    assert lengths(records, 5) == [(5, (1, 1)), (1, (2, 1))]
    assert lengths([], 5) == []


def test_a_line_is_never_parted() -> None:
    records: list[tuple[int, audit.Item]] = [(0, record(1, part=str(part))) for part in range(5)] + [(0, record(2))]
    assert lengths(records, 2) == [(5, (0, 2)), (1, (1, 1))]


def test_long_records_make_short_blocks() -> None:
    records: list[tuple[int, audit.Item]] = [(0, record(line, "x" * 300_000)) for line in range(1, 6)]
    assert lengths(records, 512) == [(2, (0, 3)), (2, (0, 5)), (1, (1, 1))]


def test_blocks_of_records_that_are_taken_alone() -> None:
    records: list[tuple[int, audit.Item]] = [(0, record(line)) for line in range(1, 8)]
    assert [size for size, _ in lengths(records, 3, alone=2)] == [1, 1, 3, 2]


def test_a_block_is_a_function_of_where_it_begins() -> None:
    """A run that is taken up at a block's end makes the blocks that it would have made."""
    rng = random.Random(3)
    lines = sorted(rng.sample(range(1, 400), 200))
    records: list[tuple[int, audit.Item]] = [
        (0, record(line, part=str(part))) for line in lines for part in range(rng.randrange(1, 4))
    ]
    whole = list(blocks(iter(records), 16))
    for at in range(1, len(whole)):
        source, line = whole[at - 1][1]
        rest = [item for item in records if (item[0], item[1].key.line) >= (source, line)]
        assert list(blocks(iter(rest), 16)) == whole[at:]


def test_a_source_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert Source.of(str(tmp_path / "x")) == Source(
        str(tmp_path / "x"), 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(5)
    lines = []
    for number in range(RECORDS):
        if number % 31 == 30:
            lines.append("{broken")
        elif number % 17 == 16:
            lines.append("")
        else:
            text = "x" * rng.randrange(1, 60) + str(number)
            lines.append(json.dumps({"id": f"r{number}", "prompt": text}))
    path = tmp_path_factory.mktemp("audit") / "data.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def command(data: Path, output: Path, model: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tests.audited", str(data), str(output), str(model), *more]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, env=environment(), cwd=Path(__file__).parent.parent, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def uninterrupted(data: Path, guard_path: Path) -> bytes:
    output = data.with_name("whole.jsonl")
    process = start(*command(data, output, guard_path))
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    return output.read_bytes()


def test_killed_at_50_random_moments_it_ends_with_the_same_bytes(
    data: Path, guard_path: Path, uninterrupted: bytes, tmp_path: Path
) -> None:
    rng = random.Random(7)
    output = tmp_path / "out.jsonl"
    kills = 0
    while kills < 50:
        process = start(*command(data, output, guard_path))
        while process.poll() is None and not output.exists():
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.12))
        process.kill()
        process.communicate()
        kills += 1
        if process.returncode == 0:  # it came to its end: begin anew
            assert output.read_bytes() == uninterrupted
            output.unlink()
            output.with_name("out.jsonl.journal").unlink()
        else:
            assert uninterrupted.startswith(output.read_bytes())
    process = start(*command(data, output, guard_path))
    assert process.communicate(timeout=60)[1] == b""
    assert output.read_bytes() == uninterrupted


def test_a_record_that_ends_the_run_becomes_an_error_row(data: Path, guard_path: Path, tmp_path: Path) -> None:
    """It is found although it stands in the middle of a block, and all other records are judged."""
    output = tmp_path / "out.jsonl"
    deadly = json.loads(data.read_text().splitlines()[130])["prompt"]
    for _ in range(40):
        process = start(*command(data, output, guard_path, deadly))
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
    assert process.returncode == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    (poisoned,) = (row for row in rows if row["error"] == POISONED)
    assert (poisoned["line"], poisoned["verdict"], poisoned["id"]) == (131, "error", "r130")
    assert len(rows) == len({row["line"] for row in rows}) == sum(bool(line) for line in data.read_text().splitlines())


def test_keys_of_malformed_records_are_kept() -> None:
    (item,) = audit._poisoned([(0, record(3, part="x"))])
    assert item == Malformed(Key("a", 3, "x"), POISONED)
