"""Whole shards are joined in the order of the input; others, and what was changed, are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardcli.audit import merge_shards
from guardcli.audit.journal import Journal, files_of
from guardcli.audit.merge import append_part
from guardcli.errors import GuardError

INPUTS = [{"path": "a", "size": 9, "sha256": "x"}]


def row(line: int) -> str:
    return json.dumps({"source": "a", "line": line, "verdict": "unsafe"})


def shard(folder: Path, number: int, rows: list[str], **manifest: Any) -> Path:
    path = folder / f"part-{number}.jsonl"
    with Journal(path, {"shard": [number, 2], "units": {"number": 2}, "inputs": INPUTS} | manifest) as journal:
        if rows:
            journal.begin()
            for line in rows:
                journal.write(line)
            journal.commit(records=len(rows), unit=0, line=9)
        journal.finish()
    return path


def joined(*paths: Path) -> str:
    return b"".join(merge_shards(paths).rows()).decode()


def test_rows_come_in_the_order_of_the_input(tmp_path: Path) -> None:
    parts = [shard(tmp_path, 1, [row(1), row(2), row(5)]), shard(tmp_path, 2, [row(3), row(4)])]
    assert [json.loads(line)["line"] for line in joined(*parts).splitlines()] == [1, 2, 3, 4, 5]


def test_an_empty_shard_is_whole(tmp_path: Path) -> None:
    assert joined(shard(tmp_path, 1, [row(1)]), shard(tmp_path, 2, [])) == row(1) + "\n"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["part-1"], r"shards are missing: shard 2/2"),
        (["part-1", "part-1"], r"part-1\.jsonl and .*part-1\.jsonl are both shard 1/2"),
        (["part-1", "other"], r"other\.jsonl belongs to another run than .*part-1\.jsonl"),
        (["part-1", "missing"], r"cannot read .*missing\.jsonl\.journal: No such file"),
        (["part-1", "torn"], r"torn\.jsonl is not finished: run the same audit again"),
        ([], "no shards are given"),
    ],
)
def test_shards_that_are_no_whole(tmp_path: Path, names: list[str], message: str) -> None:
    for name, manifest in (("other", {"version": 7}), ("torn", {}), ("part-2", {})):
        shard(tmp_path, 2, [row(2)], **manifest)
        for file in files_of(tmp_path / "part-2.jsonl")[:2]:
            file.rename(str(file).replace("part-2", name))
    journal_cut(tmp_path / "torn.jsonl")
    shard(tmp_path, 1, [row(1)])
    with pytest.raises(GuardError, match=message):
        merge_shards([tmp_path / f"{name}.jsonl" for name in names])


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace('"unsafe"', '"safe"  '))


def cut(path: Path) -> None:
    path.write_text(row(1)[:-2])


def lengthened(path: Path) -> None:
    path.write_text(path.read_text() + row(9) + "\n")


def removed(path: Path) -> None:
    path.unlink()


def journal_edited(path: Path) -> None:
    journal = files_of(path)[1]
    journal.write_text(journal.read_text().replace('"line":9', '"line":8'))


def journal_cut(path: Path) -> None:
    journal = files_of(path)[1]
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))


def old_journal(path: Path) -> None:
    files_of(path)[1].write_text('{"manifest": {"shard": [1, 2]}}\n{"begin": 0}\n')


def journal_linked(path: Path) -> None:
    journal = files_of(path)[1]
    journal.rename(path.with_name("elsewhere"))
    journal.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited, "part-1.jsonl does not match its journal"),
        (cut, "part-1.jsonl is shorter than its journal says"),
        (lengthened, "part-1.jsonl is longer than its journal says"),
        (removed, "cannot read .*part-1.jsonl: No such file"),
        (journal_edited, "part-1.jsonl.journal was changed: line 3"),
        (journal_cut, "part-1.jsonl is not finished"),
        (old_journal, "started by guard 0.1"),
        (journal_linked, "cannot read .*part-1.jsonl.journal"),
    ],
)
def test_a_shard_that_was_changed_is_refused(tmp_path: Path, change: Callable[[Path], None], message: str) -> None:
    parts = [shard(tmp_path, 1, [row(1), row(2)]), shard(tmp_path, 2, [row(3)])]
    change(parts[0])
    with pytest.raises(GuardError, match=message):
        joined(*parts)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"shard": None}, "expected a shard"),
        ({"shard": "2/2"}, "expected a shard"),
        ({"shard": []}, "expected a shard"),
        ({"shard": [3, 2]}, "expected a shard"),
        ({"shard": ["1", "2"]}, "expected a shard"),
        ({"shard": {}}, "expected a shard"),
        ({"units": None}, "expected a number of units"),
        ({"units": {"number": "2"}}, "expected a number of units"),
        ({"inputs": None}, "expected inputs with a path each"),
        ({"inputs": {}}, "expected inputs with a path each"),
        ({"inputs": ["a"]}, "expected inputs with a path each"),
        ({"inputs": [{}]}, "expected inputs with a path each"),
    ],
)
def test_a_manifest_that_tells_no_shard_is_refused(tmp_path: Path, manifest: dict[str, Any], message: str) -> None:
    parts = [shard(tmp_path, number, [row(number)], **manifest) for number in (1, 2)]
    with pytest.raises(GuardError, match=message):
        joined(*parts)


@pytest.mark.parametrize("manifest", ["null", "[]", "{}", "5"])
def test_invalid_manifests_are_rejected(tmp_path: Path, manifest: str) -> None:
    part = shard(tmp_path, 1, [row(1)])
    files_of(part)[1].write_text(f'{{"manifest":{manifest}}}\n{{"mark":{{}}}}\n')
    with pytest.raises(GuardError, match=r"started by guard 0\.1"):
        joined(part)


@pytest.mark.parametrize(
    "rows",
    [
        ["null"],
        ["[]"],
        ["{"],
        ['{"source":"a"}'],
        ['{"source":[],"line":1}'],
        ['{"source":"b","line":1}'],
        ['{"source":"a","line":"x"}'],
        ["[" * 100_000],
    ],
)
def test_rows_of_no_run_are_refused(tmp_path: Path, rows: list[str]) -> None:
    parts = [shard(tmp_path, 1, rows), shard(tmp_path, 2, [row(2)])]
    with pytest.raises(GuardError, match=r"part-1\.jsonl:1: not a row of this run"):
        joined(*parts)


def test_rows_out_of_order_are_refused(tmp_path: Path) -> None:
    parts = [shard(tmp_path, 1, [row(2), row(1)]), shard(tmp_path, 2, [row(3)])]
    with pytest.raises(GuardError, match="out of order"):
        joined(*parts)


def test_a_part_that_is_unfinished_or_of_another_run_is_not_appended(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    with Journal(part, {"audit": "x", "unit": 3}) as journal:
        journal.begin()
        journal.write(row(1))
        journal.commit(records=1, unit=0, line=2)
    with Journal(tmp_path / "out.jsonl", {}) as output:
        with pytest.raises(GuardError, match=r"part\.jsonl is not finished"):
            append_part(output, part, expected={"audit": "x", "unit": 3}, unit=3, position=9)
        with pytest.raises(GuardError, match=r"part\.jsonl belongs to another run"):
            append_part(output, part, expected={"audit": "x", "unit": 4}, unit=4, position=9)
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_part_is_appended_as_one_block(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    with Journal(part, {"unit": 3}) as journal:
        for line in (1, 2):
            journal.begin()
            journal.write(row(line))
            journal.commit(records=1, unit=0, line=line + 1, unsafe=1)
        journal.finish()
    with Journal(tmp_path / "out.jsonl", {}) as output:
        append_part(output, part, expected={"unit": 3}, unit=3, position=9)
        end = output.checkpoint
    assert (tmp_path / "out.jsonl").read_bytes() == part.read_bytes()
    assert (end.rows, end.records, end.unsafe, end.unit, end.line, end.position) == (2, 2, 2, 3, 3, 9)
