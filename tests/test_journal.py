"""A run on disk: taken up where it was, whatever was torn, and refused where it is another's."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path

import pytest

from guardcli.errors import OutputError
from guardcli.journal import SUFFIX, Journal, Mark, read_manifest

MANIFEST = {"model": "a", "inputs": [{"path": "x", "size": 3}]}


def block(journal: Journal, *lines: str) -> None:
    journal.begin()
    for line in lines:
        journal.write(line)
    journal.end(Mark(journal.mark.rows + len(lines), journal.size, 0, journal.mark.line + len(lines)))


def test_a_run_that_is_taken_up_goes_on_behind_its_last_block(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with Journal(out, MANIFEST) as journal:
        assert (journal.mark, journal.begun, journal.finished) == (Mark(), 0, False)
        block(journal, "one", "two")
        journal.begin()
        journal.write("three")
    with Journal(out, MANIFEST) as journal:
        assert (journal.mark, journal.begun) == (Mark(2, 8, 0, 3), 1)
        assert out.read_text() == "one\ntwo\n"
        block(journal, "three")
        journal.finish()
    with Journal(out, MANIFEST) as journal:
        assert (journal.mark.rows, journal.finished) == (3, True)
    assert out.read_text() == "one\ntwo\nthree\n"
    assert read_manifest(out) == (MANIFEST, True)


def test_attempts_at_a_block_are_counted_until_it_ends(tmp_path: Path) -> None:
    for attempts in range(4):
        with Journal(tmp_path / "out", MANIFEST) as journal:
            assert journal.begun == attempts
            journal.begin()
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "x")
    with Journal(tmp_path / "out", MANIFEST) as journal:
        assert journal.begun == 0


@pytest.mark.parametrize("suffix", ["", SUFFIX])
def test_a_file_that_is_cut_at_any_byte_is_mended(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "out"
    with Journal(out, MANIFEST) as journal:
        block(journal, "one")
        whole = (out.stat().st_size, out.with_name("out" + SUFFIX).stat().st_size)
        journal.begin()
        journal.write("two and more")
    content = {path: path.read_bytes() for path in (out, out.with_name("out" + SUFFIX))}
    torn = out.with_name("out" + suffix)
    for size in range(whole[0 if not suffix else 1], len(content[torn]) + 1):
        for path, data in content.items():
            path.write_bytes(data)
        os.truncate(torn, size)
        with Journal(out, MANIFEST) as journal:
            assert journal.mark == Mark(1, 4, 0, 2)
            assert out.read_bytes() == b"one\n"
            block(journal, "two and more")
        assert out.read_bytes() == b"one\ntwo and more\n"


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"model": "b", "inputs": MANIFEST["inputs"]}, 'model was "a" and is "b"'),
        ({"model": "a", "inputs": [{"path": "x", "size": 4}]}, "inputs[0].size was 3 and is 4"),
        ({"model": "a", "inputs": []}, 'inputs was [{"path": "x", "size": 3}] and is []'),
        ({"model": "a"}, 'inputs was [{"path": "x", "size": 3}] and is null'),
    ],
)
def test_a_run_of_something_else_is_refused_with_the_difference(tmp_path: Path, other: dict, difference: str) -> None:  # type: ignore[type-arg]
    Journal(tmp_path / "out", MANIFEST).close()
    with pytest.raises(OutputError) as caught:
        Journal(tmp_path / "out", other)
    assert str(caught.value) == f"{tmp_path / 'out'} is of another run: {difference}; choose another name"


def test_two_runs_on_one_output(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", MANIFEST), pytest.raises(OutputError, match="is being written by another run"):
        Journal(tmp_path / "out", MANIFEST)


def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(OutputError, match="is there already, and no journal says of which run"):
        Journal(tmp_path / "out", MANIFEST)
    assert (tmp_path / "out").read_text() == "precious"


def test_an_output_that_was_shortened(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "one")
    os.truncate(tmp_path / "out", 2)
    with pytest.raises(OutputError, match="shorter than its journal says"):
        Journal(tmp_path / "out", MANIFEST)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*No such file or directory"):
        Journal(tmp_path / "missing" / "out", MANIFEST)


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    """A file size limit stands for a full disk: the first half of the line would still fit."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "x" * 4000)
        journal.begin()
        resource.setrlimit(resource.RLIMIT_FSIZE, (4500, limits[1]))
        try:
            with pytest.raises(OutputError, match="what was written stands"):
                journal.write("y" * 4000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
    assert (tmp_path / "out").read_text() == "x" * 4000 + "\n"


def test_what_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot read"):
        read_manifest(tmp_path / "out")
    (tmp_path / f"out{SUFFIX}").write_text(json.dumps({"x": 1}) + "\n")
    with pytest.raises(OutputError, match="is no journal"):
        read_manifest(tmp_path / "out")
