"""`guard merge`: a file or stdout, and no file where a shard is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.test_merge import row, shard
from tests.cli.running import guard


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for number in (1, 2):
        shard(tmp_path, number, [row(number), row(number + 2)])
    return tmp_path


@pytest.mark.parametrize("to_file", [True, False])
def test_rows_are_written_in_the_order_of_the_input(desk: Path, *, to_file: bool) -> None:
    done = guard("merge", "part-2.jsonl", "part-1.jsonl", "-o", "out.jsonl" if to_file else "-", cwd=desk)
    wrote = "wrote out.jsonl: " if to_file else ""
    assert (done.returncode, done.stderr) == (0, f"guard: {wrote}4 rows of 2 units in 2 shards\n")
    rows = "".join(f"{row(line)}\n" for line in (1, 2, 3, 4))
    assert ((desk / "out.jsonl").read_text() if to_file else done.stdout) == rows


def test_a_row_that_is_refused_leaves_no_file(desk: Path) -> None:
    """It is found when rows before it are written already."""
    (desk / "new").mkdir()
    shard(desk / "new", 1, [row(1), "null"])
    done = guard("merge", "new/part-1.jsonl", "part-2.jsonl", "-o", "out.jsonl", cwd=desk)
    assert (done.returncode, done.stderr) == (
        2,
        "guard: new/part-1.jsonl:2: not a row of this run [run/output-changed]\n",
    )
    assert not (desk / "out.jsonl").exists()


def test_an_output_is_no_shard(desk: Path) -> None:
    done = guard("merge", "part-1.jsonl", "part-2.jsonl", "-o", "part-1.jsonl", cwd=desk)
    assert done.stderr == "guard: part-1.jsonl is an input: -o would write over it [output/would-overwrite]\n"
    assert done.returncode == 2
