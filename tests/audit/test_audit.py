"""Bulk runs: blocks, inputs, and that a run killed at any moment ends with the same bytes."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace as replace_in
from pathlib import Path
from typing import BinaryIO

import pytest

from guardcli.audit import (
    POISON_MESSAGE,
    AuditPlan,
    Block,
    BlockLimits,
    Interrupted,
    Interrupts,
    Item,
    Shard,
    Source,
    Unit,
    choose_block_tokens,
    isolate_records,
    replace_poison_records,
    run_audit,
    split_into_blocks,
    split_into_units,
)
from guardcli.audit.journal import Checkpoint, Journal, PoisonRecord
from guardcli.audit.sources import UnitCutter
from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.formats import ReadOptions
from guardcli.judging.writers import jsonl
from tests.audit.audited import Deadly, plan_of
from tests.cli.running import environment

RECORDS = 400


def record(line: int, text: str = "hi", part: str | None = None) -> Record:
    return Record(Key("a", line, part), Conversation((Message("user", text),)))


def lengths(items: list[Item], records: int) -> list[tuple[int, int]]:
    return [(len(block.items), block.next_line) for block in split_into_blocks(0, items, BlockLimits(records=records))]


def test_blocks_and_where_the_next_one_begins() -> None:
    items: list[Item] = [record(line) for line in (1, 2, 4, 5, 9)]
    assert lengths(items, 2) == [(2, 4), (2, 9), (1, 10)]
    assert lengths(items, 5) == [(5, 10)]
    assert lengths([], 5) == []


def test_a_line_is_never_parted() -> None:
    assert lengths([*(record(1, part=str(part)) for part in range(5)), record(2)], 2) == [(5, 2), (1, 3)]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (BlockLimits(tokens=344), [2, 2, 1]),
        (BlockLimits(tokens=345), [3, 2]),
        (BlockLimits(tokens=172), [1, 1, 1, 1, 1]),
        (BlockLimits(tokens=1), [1, 1, 1, 1, 1]),
        (BlockLimits(tokens=4816, prompts=14), [2, 2, 1]),
        (BlockLimits(), [5]),
    ],
)
def test_a_block_ends_with_the_record_that_reaches_its_tokens(limits: BlockLimits, sizes: list[int]) -> None:
    items: list[Item] = [record(line, "x" * 400) for line in range(1, 6)]  # 172 tokens each
    assert [len(block.items) for block in split_into_blocks(0, items, limits)] == sizes


def test_the_limit_of_a_block_follows_from_the_size_of_the_model() -> None:
    sizes = (15_000_000, 1_300_000_000, 8_500_000_000)
    assert [choose_block_tokens(size) for size in sizes] == [1 << 17, 1923, 294]
    assert [choose_block_tokens(size, offloaded=True) for size in sizes] == [1 << 17, 61_538, 9_411]
    assert choose_block_tokens(10**12) == 256


def test_a_file_of_lines_is_cut_behind_the_line_that_reaches_the_size(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"aaa\nbb\n\nccccccccc\nd\ne")
    offsets = [Source.from_path(str(path), size).cuts for size in (1, 4, 5, 9, 100)]
    assert offsets == [
        ((4, 2), (7, 3), (8, 4), (18, 5), (20, 6)),
        ((4, 2), (8, 4), (18, 5)),
        ((7, 3), (18, 5)),
        ((18, 5),),
        (),
    ]


def test_cuts_do_not_depend_on_how_a_file_is_read(tmp_path: Path) -> None:
    content = bytes(random.Random(1).choices(b"ab\n", (10, 10, 3), k=5000))
    (tmp_path / "x").write_bytes(content)
    cuts = Source.from_path(str(tmp_path / "x"), 100).cuts
    assert len(cuts) > 30
    assert all(content[:offset].count(b"\n") == line - 1 and content[offset - 1] == 10 for offset, line in cuts)
    for piece in (1, 7, 100, 4999):
        cutter = UnitCutter(100)
        for at in range(0, len(content), piece):
            cutter.feed(content[at : at + piece])
        assert cutter.cuts() == cuts


def items_of(plan: AuditPlan) -> list[Item]:
    return [item for block in plan.blocks(Checkpoint()) for item in block.items]


def test_units_read_one_after_the_other_are_the_whole(data: Path) -> None:
    plan = plan_of(str(data))
    assert len(plan.units) > 2
    whole = items_of(AuditPlan(split_into_units([Source.from_path(str(data))], ReadOptions().find_record_lines)))
    assert items_of(plan) == whole
    shards = [replace_in(plan, shard=Shard(number, 2)) for number in (1, 2)]
    parts = [items_of(shard) for shard in shards]
    assert min(map(len, parts)) > 50
    assert sorted(item.key.line for part in parts for item in part) == [item.key.line for item in whole]
    assert [plan.count(), *(shard.count() for shard in shards)] == [len(whole), *map(len, parts)]


def test_a_file_without_lines_is_one_unit(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"prompt":"one"},\n{"prompt":"two"}]\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"prompt":"one"}\n' * 20))
    (tmp_path / "c.jsonl").write_text('{"prompt":"one"}\n' * 4)
    sources = [Source.from_path(str(path), 20) for path in sorted(tmp_path.iterdir())]
    units = split_into_units(sources, ReadOptions().find_record_lines)
    assert [(Path(unit.source.path).name, unit.begin, unit.end, unit.first_line) for unit in units] == [
        ("a.json", 0, sources[0].size, 1),
        ("b.jsonl.gz", 0, sources[1].size, 1),
        ("c.jsonl", 0, 34, 1),
        ("c.jsonl", 34, 68, 3),
    ]


def test_a_block_is_a_function_of_where_it_begins() -> None:
    """A run that is resumed at a block's end makes the blocks that it would have made."""
    rng = random.Random(3)
    lines = sorted(rng.sample(range(1, 400), 200))
    items: list[Item] = [record(line, part=str(part)) for line in lines for part in range(rng.randrange(1, 4))]
    whole = list(split_into_blocks(0, items, BlockLimits(records=16)))
    for at in range(1, len(whole)):
        rest = [item for item in items if item.key.line >= whole[at - 1].next_line]
        assert list(split_into_blocks(0, rest, BlockLimits(records=16))) == whole[at:]


def test_a_guilty_record_becomes_an_error_with_its_key() -> None:
    block = Block(1, [record(3, part="x"), record(3, part="y"), record(4)], 5)
    guilty = [PoisonRecord(1, 3, "y", "SIGSEGV"), PoisonRecord(0, 4, None, "SIGSEGV")]
    assert replace_poison_records(block, guilty) == [
        record(3, part="x"),
        Malformed(Key("a", 3, "y"), POISON_MESSAGE, "record/crashed"),
        record(4),
    ]


def test_a_source_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    source = Source.from_path(str(tmp_path / "x"))
    assert source.as_json() == {
        "path": str(tmp_path / "x"),
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


def rewrite(path: Path) -> None:
    path.write_bytes(b"xyz")


def replace(path: Path) -> None:
    path.with_name("y").write_bytes(b"abc")
    os.replace(path.with_name("y"), path)


def rewrite_and_hide_it(path: Path) -> None:
    status = path.stat()
    path.write_bytes(b"xyz")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [rewrite, replace, rewrite_and_hide_it])
def test_a_source_that_changes_is_noticed_although_its_size_stays(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    source = Source.from_path(str(path))
    source.check_unchanged()
    time.sleep(0.02)  # more than the file system's clock takes for a tick
    change(path)
    with pytest.raises(InputError, match="changed during the run"):
        source.check_unchanged()


def test_a_source_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    source = Source.from_path(str(tmp_path / "x"))
    (tmp_path / "x").unlink()
    with pytest.raises(InputError, match="became unreadable during the run: No such file or directory"):
        source.check_unchanged()


def test_a_signal_never_comes_in_the_middle_of_a_write() -> None:
    written = []

    def run(interrupts: Interrupts) -> None:
        with interrupts.deferred():
            signal.raise_signal(signal.SIGTERM)
            written.append("all of it")
        written.append("more")

    with Interrupts() as interrupts, pytest.raises(Interrupted, match="SIGTERM"):
        run(interrupts)
    assert written == ["all of it"]


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Interrupts(), pytest.raises(Interrupted, match="SIGHUP"):
        signal.raise_signal(signal.SIGHUP)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "ended_by"),
    [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGABRT, "SIGABRT"), (signal.SIGKILL, "SIGKILL")],
)
def test_the_records_that_end_a_process_are_found(guard_path: Path, number: signal.Signals, ended_by: str) -> None:
    items = [record(line, text) for line, text in enumerate(("a", "boom", "b", "boom", "c"), start=1)]
    tried = list(isolate_records(Deadly(str(guard_path), "boom", number), items))
    assert tried == [(0, None), (1, ended_by), (2, None), (3, ended_by), (4, None)]


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
    return [sys.executable, "-m", "tests.audit.audited", str(data), str(output), str(model), *more]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, env=environment(), cwd=Path(__file__).parent.parent.parent, stderr=subprocess.PIPE)


def run_to_its_end(*words: str) -> bytes:
    process = start(*words)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 0, stderr
    return stderr


@pytest.fixture(scope="module")
def uninterrupted(data: Path, guard_path: Path) -> bytes:
    output = data.with_name("whole.jsonl")
    assert run_to_its_end(*command(data, output, guard_path)) == b""
    return output.read_bytes()


def entries(output: Path, kind: str) -> Iterator[dict[str, object]]:
    for line in output.with_name(f"{output.name}.journal").read_text().splitlines(keepends=True):
        if line.endswith("\n") and kind in (entry := json.loads(line)):
            yield entry[kind]


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV)


@pytest.mark.slow
def test_killed_at_50_random_moments_it_ends_with_the_same_bytes(
    data: Path, guard_path: Path, uninterrupted: bytes, tmp_path: Path
) -> None:
    rng = random.Random(7)
    output = tmp_path / "out.jsonl"
    for _ in range(50):
        process = start(*command(data, output, guard_path))
        while process.poll() is None and not output.exists():
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.12))
        process.send_signal(rng.choice(SIGNALS))
        process.communicate(timeout=60)
        if process.returncode == 0:  # it came to its end: begin anew
            assert output.read_bytes() == uninterrupted
            for path in tmp_path.iterdir():
                path.unlink()
        else:
            assert uninterrupted.startswith(output.read_bytes())
    assert run_to_its_end(*command(data, output, guard_path)) == b""
    assert output.read_bytes() == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=lambda number: number.name)
def test_killed_again_and_again_in_one_block_it_ends_with_the_same_bytes(
    data: Path, guard_path: Path, uninterrupted: bytes, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.jsonl"
    journal = tmp_path / "out.jsonl.journal"
    for _ in range(8):
        begun = journal.read_text().count('"begin"') if journal.exists() else 0
        process = start(*command(data, output, guard_path))
        while process.poll() is None and (not journal.exists() or journal.read_text().count('"begin"') == begun):
            time.sleep(0.002)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert run_to_its_end(*command(data, output, guard_path)) == b""
    assert output.read_bytes() == uninterrupted
    assert not list(entries(output, "guilty"))
    if number == signal.SIGTERM:
        assert [entry["reason"] for entry in entries(output, "ended")] == ["Interrupted: SIGTERM"] * 8
        assert not list(entries(output, "died"))


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_record_that_ends_the_process_becomes_the_one_error_row(
    data: Path, guard_path: Path, uninterrupted: bytes, tmp_path: Path, number: str
) -> None:
    output = tmp_path / "out.jsonl"
    deadly = json.loads(data.read_text().splitlines()[130])["prompt"]
    runs = 0
    while True:
        process = start(*command(data, output, guard_path, deadly, number))
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -getattr(signal, number)
        runs += 1
    assert runs == (3 if number == "SIGKILL" else 1)
    assert list(entries(output, "guilty")) == [{"unit": 1, "line": 131, "part": None, "signal": number}]
    changed = [
        (json.loads(row), json.loads(before))
        for row, before in zip(output.read_bytes().splitlines(), uninterrupted.splitlines(), strict=True)
        if row != before
    ]
    ((row, before),) = changed
    assert (row["id"], row["verdict"], row["error"], before["verdict"]) == (
        "r130",
        "error",
        POISON_MESSAGE,
        before["verdict"],
    )


def test_an_input_that_is_replaced_during_the_run_ends_it(guard_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"prompt":"question {n:03}"}}\n' for n in range(60)))
    plan = plan_of(str(path))

    def read_and_replace(stream: BinaryIO, unit: Unit, start: int) -> Iterator[Item]:
        for item in plan.read(stream, unit, start):
            if item.key.line == 30:
                path.write_text(path.read_text().replace("question", "sentence"))
            yield item

    with (
        Deadly(str(guard_path))() as guard,
        pytest.raises(InputError, match=r"data\.jsonl changed during the run; the rows of finished blocks are valid"),
        Journal(tmp_path / "out.jsonl", {}) as journal,
    ):
        run_audit(guard, journal, replace_in(plan, read=read_and_replace), jsonl.line)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 20


def test_rows_are_counted_against_the_input_at_the_end(guard_path: Path, tmp_path: Path) -> None:
    """A journal whose digests are right, but which passes over lines."""
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"prompt":"question {n:03}"}}\n' for n in range(60)))
    plan = plan_of(str(path))
    with Journal(tmp_path / "out.jsonl", {}) as journal:
        journal.begin()
        journal.write("{}")
        journal.commit(records=1, unit=0, line=41)
    with (
        Deadly(str(guard_path))() as guard,
        pytest.raises(InputError, match="has rows for 21 records, and the input has 60"),
        Journal(tmp_path / "out.jsonl", {}) as journal,
    ):
        run_audit(guard, journal, plan, jsonl.line)
    assert not journal.state.finished
