"""A run on disk: resumed where it was, whatever was torn, and refused where it is another's or was changed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guardcli.audit.journal import (
    FAULT_SUFFIX,
    SUFFIX,
    Journal,
    ManifestMismatchError,
    PoisonRecord,
    files_of,
    read_run,
)
from guardcli.audit.journal.entries import Checkpoint, CorruptJournal, DigestChain, Finished, Manifest, decode
from guardcli.errors import OutputError

MANIFEST = {"model": "a", "inputs": [{"path": "x", "size": 3}]}


def block(journal: Journal, *lines: str) -> None:
    journal.begin()
    for line in lines:
        journal.write(line)
    journal.commit(records=len(lines), unit=0, line=journal.checkpoint.line + len(lines))


def content_of(output: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in files_of(output) if path.exists()}


@contextmanager
def killed(journal: Journal) -> Iterator[Journal]:
    """A journal whose process dies at the end: nothing is noted."""
    yield journal
    journal.close()


def test_a_resumed_run_continues_after_its_last_block(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with killed(Journal(out, MANIFEST)) as journal:
        assert (journal.checkpoint, journal.resumed) == (Checkpoint(), False)
        block(journal, "one", "two")
        journal.begin()
        journal.write("three")
    with Journal(out, MANIFEST) as journal:
        digest = hashlib.sha256(b"one\ntwo\n").hexdigest()
        assert journal.checkpoint == Checkpoint(rows=2, records=2, size=8, line=3, digest=digest)
        assert (journal.resumed, journal.state.silent_deaths) == (True, 1)
        assert out.read_text() == "one\ntwo\n"
        block(journal, "three")
        journal.finish()
    with Journal(out, MANIFEST) as journal:
        assert (journal.checkpoint.rows, journal.state.finished) == (3, True)
    assert out.read_text() == "one\ntwo\nthree\n"
    assert (read_run(out).manifest, read_run(out).finished, read_run(out).rows) == (MANIFEST, True, 3)


def test_deaths_are_counted_until_the_block_is_committed(tmp_path: Path) -> None:
    for deaths in range(4):
        with killed(Journal(tmp_path / "out", MANIFEST)) as journal:
            assert journal.state.silent_deaths == deaths
            assert journal.state.needs_isolation is (deaths == 3)
            journal.begin()
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "x")
        assert journal.state.silent_deaths == 0


def test_an_exception_is_a_clean_end_and_no_death(tmp_path: Path) -> None:
    def interrupted_run() -> None:
        with Journal(tmp_path / "out", MANIFEST) as journal:
            assert journal.state.silent_deaths == 0
            journal.begin()
            journal.write("x")
            raise KeyboardInterrupt("SIGTERM")

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            interrupted_run()
        assert (tmp_path / "out").read_text() == ""
    (line, *_) = [line for line in (tmp_path / f"out{SUFFIX}").read_text().splitlines() if '"ended"' in line]
    assert json.loads(line)["ended"] == {"reason": "KeyboardInterrupt: SIGTERM"}


def test_a_trace_of_a_fault_is_noted_and_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with killed(Journal(out, MANIFEST)) as journal:
        journal.begin()
    (tmp_path / f"out{FAULT_SUFFIX}").write_text("Fatal Python error: Segmentation fault\n\nCurrent thread …\n")
    with killed(Journal(out, MANIFEST)) as journal:
        assert (journal.state.faults, journal.state.silent_deaths, journal.state.needs_isolation) == (1, 0, True)
        journal.add_poison_record(PoisonRecord(0, 7, "x", "SIGSEGV"))
        journal.end_isolation()
    assert not (tmp_path / f"out{FAULT_SUFFIX}").exists()
    with Journal(out, MANIFEST) as journal:
        assert (journal.state.poison_records, journal.state.needs_isolation) == (
            (PoisonRecord(0, 7, "x", "SIGSEGV"),),
            False,
        )


@pytest.mark.parametrize("suffix", ["", SUFFIX])
def test_a_file_that_is_cut_at_any_byte_is_mended(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "out"
    with killed(Journal(out, MANIFEST)) as journal:
        block(journal, "one")
        whole = (out.stat().st_size, out.with_name("out" + SUFFIX).stat().st_size)
        journal.begin()
        journal.write("two and more")
    content = content_of(out)
    torn = out.with_name("out" + suffix)
    for size in range(whole[0 if not suffix else 1], len(content[torn]) + 1):
        for path, data in content.items():
            path.write_bytes(data)
        os.truncate(torn, size)
        with Journal(out, MANIFEST) as journal:
            assert (journal.checkpoint.rows, journal.checkpoint.line) == (1, 2)
            assert out.read_bytes() == b"one\n"
            block(journal, "two and more")
        assert out.read_bytes() == b"one\ntwo and more\n"


def test_a_first_line_that_is_cut_at_any_byte_is_written_again(tmp_path: Path) -> None:
    out, journal_path, _ = files_of(tmp_path / "out")
    Journal(out, MANIFEST).close()
    whole = journal_path.read_bytes()
    for size in range(len(whole)):
        journal_path.write_bytes(whole[:size])
        Journal(out, MANIFEST).close()
        assert journal_path.read_bytes() == whole


def test_a_run_with_another_manifest_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "out", MANIFEST).close()
    with pytest.raises(ManifestMismatchError) as caught:
        Journal(tmp_path / "out", {"model": "b"})
    assert (caught.value.before, caught.value.after) == (MANIFEST, {"model": "b"})


def test_two_runs_on_one_output(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", MANIFEST), pytest.raises(OutputError, match="is being written by another run"):
        Journal(tmp_path / "out", MANIFEST)


NO_JOURNAL = "is not a journal of guard"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("out", b"precious", "already exists and has no journal"),
        (f"out{SUFFIX}", b"BINARYPRECIOUSWITHOUTNEWLINE", NO_JOURNAL),
        (f"out{SUFFIX}", b"line 1\nunfinished line", NO_JOURNAL),
        (f"out{SUFFIX}", b"\0" * 100, NO_JOURNAL),
        (f"out{SUFFIX}", b"null\n", NO_JOURNAL),
        (f"out{SUFFIX}", b"[" * 100_000 + b"\n", NO_JOURNAL),
        (f"out{SUFFIX}", b'{"digest":"', ""),  # the beginning of our own first line, which was cut off there
        (f"out{SUFFIX}", b'{"digest":"00', NO_JOURNAL),
        (
            f"out{SUFFIX}",
            b'{"manifest": {"model": "a"}}\n{"begin": 0}\n{"mar',
            "started by guard 0.1; finish it with that version",
        ),
        (f"out{FAULT_SUFFIX}", b"a diary\n", "is not a crash trace"),
    ],
)
def test_a_foreign_file_is_refused_and_stays_as_it_is(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    if not message:
        Journal(tmp_path / "out", MANIFEST).close()
        return
    with pytest.raises(OutputError, match=message):
        Journal(tmp_path / "out", MANIFEST)
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("suffix", [SUFFIX, FAULT_SUFFIX])
def test_a_link_in_the_place_of_our_file_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "precious").write_text("WITHOUTNEWLINE")
    (tmp_path / f"out{suffix}").symlink_to("precious")
    with pytest.raises(OutputError, match=f"out{suffix} is a link"):
        Journal(tmp_path / "out", MANIFEST)
    assert (tmp_path / "precious").read_text() == "WITHOUTNEWLINE"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["", SUFFIX, FAULT_SUFFIX])
def test_a_fifo_in_the_place_of_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"out{suffix}")
    with pytest.raises(OutputError, match="is not a regular file"):
        Journal(tmp_path / "out", MANIFEST)


def test_an_output_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "out").symlink_to("elsewhere")
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "one")
    assert (tmp_path / "elsewhere").read_text() == "one\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:2], "shorter than its journal says"),
        (lambda data: data.replace(b"one", b"two"), "does not match its journal"),
    ],
)
def test_an_output_that_was_changed_is_refused_and_stays_as_it_is(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    with killed(Journal(out, MANIFEST)) as journal:
        block(journal, "one")
        journal.begin()
        journal.write("half")
    changed = change(out.read_bytes())
    out.write_bytes(changed)
    before = content_of(out)
    with pytest.raises(OutputError, match=message):
        Journal(out, MANIFEST)
    assert content_of(out) == before


def test_a_finished_output_with_more_rows_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "out", MANIFEST) as journal:
        block(journal, "one")
        journal.finish()
    with (tmp_path / "out").open("a") as file:
        file.write("two\n")
    for opened in (lambda: Journal(tmp_path / "out", MANIFEST), lambda: read_run(tmp_path / "out")):
        with pytest.raises(OutputError, match="longer than its journal says"):
            opened()


def journal_of_100_lines(out: Path) -> bytes:
    with killed(Journal(out, MANIFEST)) as journal:
        for number in range(49):
            block(journal, f"row {number}")
        journal.begin()
    content = files_of(out)[1].read_bytes()
    assert content.count(b"\n") == 100
    return content


def test_any_flipped_bit_of_a_line_is_found(tmp_path: Path) -> None:
    chain = DigestChain()
    for line in journal_of_100_lines(tmp_path / "out").splitlines():
        for place in range(8 * len(line)):
            flipped = bytearray(line)
            flipped[place // 8] ^= 1 << place % 8
            with pytest.raises(CorruptJournal):  # a line break within it makes two lines, and the first is no line
                copy.copy(chain).decode(bytes(flipped).split(b"\n")[0])
        chain.decode(line)


@pytest.mark.slow
def test_a_flipped_bit_gives_the_same_bytes_or_a_refusal(tmp_path: Path) -> None:
    """Those of every line break, and some others: where the run goes on, it ends with the bytes of an unbroken run."""
    out, journal_path, _ = files_of(tmp_path / "out")
    content = bytearray(journal_of_100_lines(out))
    output, rows = out.read_bytes(), [f"row {number}" for number in range(50)]
    breaks = [8 * at + bit for at, byte in enumerate(content) if byte == ord("\n") for bit in range(8)]
    went_on = []
    for place in (*breaks, *range(0, 8 * len(content), 101)):
        content[place // 8] ^= 1 << place % 8
        journal_path.write_bytes(content)
        try:
            with Journal(out, MANIFEST) as journal:
                for row in rows[journal.checkpoint.rows :]:
                    block(journal, row)
                journal.finish()
        except OutputError:
            assert journal_path.read_bytes() == content
            assert out.read_bytes() == output
        else:
            went_on.append(place)
            assert out.read_text().splitlines() == rows
            out.write_bytes(output)
        content[place // 8] ^= 1 << place % 8
    assert went_on == breaks[-8:]  # the last line is a half one


CHECKPOINT = (
    '{"checkpoint":{"rows":1,"records":1,"unsafe":0,"errors":0,"size":4,"unit":0,"line":2,"position":0,"digest":"x"}}'
)


@pytest.mark.parametrize(
    "body",
    [
        "5",
        "{}",
        "[]",
        "null",
        '{"mark":5}',
        '{"begin":5}',
        '{"begin":{}}',
        '{"begin":{"rows":true}}',
        '{"begin":{"rows":-1}}',
        '{"begin":{"rows":"1"}}',
        '{"begin":{"rows":0.0}}',
        '{"begin":{"rows":0},"end":1}',
        '{"begin":{"rows":7}}',
        '{"finished":{"rows":3}}',
        '{"manifest":{"content":{},"version":2}}',
        CHECKPOINT,  # of a block that was not begun
        CHECKPOINT.replace('"unit":0', '"unit":null'),
        '{"died":{"fault":3}}',
        "[" * 100_000,
    ],
)
def test_a_forged_line_is_refused_although_its_digest_matches(tmp_path: Path, body: str) -> None:
    out, journal_path, _ = files_of(tmp_path / "out")
    Journal(out, MANIFEST).close()
    head = journal_path.read_bytes()
    last = json.loads(head)["digest"].encode()
    digest = hashlib.blake2b(last + body.encode(), digest_size=16).hexdigest()
    journal_path.write_bytes(head + f'{{"digest":"{digest}",{body[1:]}\n'.encode())
    before = content_of(out)
    for opened in (lambda: Journal(out, MANIFEST), lambda: read_run(out)):
        with pytest.raises(OutputError, match=r"was changed: line 2: "):
            opened()
    assert content_of(out) == before


def test_a_journal_of_another_version_is_refused() -> None:
    line = DigestChain().encode(Manifest({}, version=3))
    with pytest.raises(CorruptJournal, match="version 3; this guard reads version 2"):
        list(decode(line, DigestChain()))


def test_lines_that_change_places_are_refused() -> None:
    chain = DigestChain()
    first, *others = [chain.encode(entry) for entry in (Manifest({}), Finished(0), Finished(0))]
    assert len(list(decode(b"".join((first, *others)), DigestChain()))) == 3
    with pytest.raises(CorruptJournal, match="line 2"):
        list(decode(b"".join((first, *reversed(others))), DigestChain()))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*No such file or directory"):
        Journal(tmp_path / "missing" / "out", MANIFEST)


def test_a_line_that_does_not_fit_is_a_clean_end(tmp_path: Path) -> None:
    """A file size limit stands for a full disk: the first half of the line would still fit."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def run_that_fills_the_disk() -> None:
        with Journal(tmp_path / "out", MANIFEST) as journal:
            assert journal.state.silent_deaths == 0
            if not journal.checkpoint.rows:
                block(journal, "x" * 4000)
            journal.begin()
            resource.setrlimit(resource.RLIMIT_FSIZE, (4500, limits[1]))
            journal.write("y" * 4000)

    for _ in range(4):
        try:
            with pytest.raises(OutputError, match="File too large"):
                run_that_fills_the_disk()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, before)
    assert (tmp_path / "out").read_text() == "x" * 4000 + "\n"


def test_invalid_journals_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot read"):
        read_run(tmp_path / "out")
    (tmp_path / f"out{SUFFIX}").write_text(json.dumps({"x": 1}) + "\n")
    with pytest.raises(OutputError, match=NO_JOURNAL):
        read_run(tmp_path / "out")
