"""A file is written whole or not at all, and stays what it was: its permissions, its links, a device."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guardcli.errors import OutputError
from guardcli.files.atomic import atomic_write, remove_stale
from tests.unprivileged import PREFIX, needs_permissions

HERE = Path(__file__).parents[2]


def put(path: Path, text: str, *, new: bool = False) -> None:
    with atomic_write(path, exclusive=new) as place:
        place.write_text(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with atomic_write(path) as place:
        place.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("new", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: BaseException | type[BaseException], new: bool) -> None:
    path = tmp_path / "x"
    if not new:
        path.write_text("old")

    def fail() -> None:
        with atomic_write(path, exclusive=new) as place:
            place.write_text("half")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else error):
        fail()
    assert os.listdir(tmp_path) == ([] if new else ["x"])
    assert new or path.read_text() == "old"


def test_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o604)
    put(tmp_path / "x", "new")
    assert mode(tmp_path / "x") == 0o604


@pytest.mark.parametrize("new", [False, True])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path, new: bool) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "x", "new", new=new)
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_leads_to_is_replaced(tmp_path: Path, there: bool) -> None:
    (tmp_path / "folder").mkdir()
    if there:
        (tmp_path / "folder" / "x").write_text("old")
    (tmp_path / "link").symlink_to("folder/x")
    put(tmp_path / "link", "new")
    assert os.readlink(tmp_path / "link") == "folder/x"
    assert (tmp_path / "folder" / "x").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link"]


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    put(path, "new")
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff"]


def test_a_name_of_the_greatest_length(tmp_path: Path) -> None:
    put(tmp_path / ("x" * 255), "new")
    assert os.listdir(tmp_path) == ["x" * 255]


def test_a_fifo_is_written_directly(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    put(path, "new")
    reader.join()
    assert read == ["new"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_what_a_descriptor_leads_to_is_written_directly(tmp_path: Path) -> None:
    """/dev/fd/N of a file that has no name any more."""
    with (tmp_path / "x").open("w+") as file:
        (tmp_path / "x").unlink()
        put(Path(f"/dev/fd/{file.fileno()}"), "new")
        assert file.read() == "new"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("there", ["file", "link", "dangling", "folder"])
def test_a_new_file_replaces_nothing(tmp_path: Path, there: str) -> None:
    path = tmp_path / "x"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("old")
    else:
        path.symlink_to("y")
        if there == "link":
            (tmp_path / "y").write_text("old")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OutputError, match="x already exists: choose another name"):
        put(path, "new", new=True)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("links", [True, False])
def test_nor_what_came_while_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refused(errno.EPERM))
    path = tmp_path / "x"

    def race() -> None:
        with atomic_write(path, exclusive=True) as place:
            place.write_text("new")
            path.write_text("theirs")

    with pytest.raises(OutputError, match="x already exists"):
        race()
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["x"]


def refused(code: int) -> object:
    def call(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return call


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refused(errno.EPERM))
    put(tmp_path / "x", "new", new=True)
    assert (tmp_path / "x").read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_that_is_mounted_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `docker run -v ./report.html:/report.html`."""
    monkeypatch.setattr(os, "replace", refused(errno.EBUSY))
    (tmp_path / "x").write_text("an old text")
    put(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize(("name", "reason"), [("no/where", "No such file or directory"), ("folder", "Is a directory")])
def test_what_cannot_be_written(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"^cannot write {tmp_path / name}: {reason}$"):
        put(tmp_path / name, "new")
    assert os.listdir(tmp_path) == ["folder"]


PUT = "import sys, tests.files.test_atomic as t; t.put(t.Path(sys.argv[1]), 'new')"


def put_unprivileged(path: Path) -> str:
    done = subprocess.run([*PREFIX, sys.executable, "-c", PUT, path], cwd=HERE, capture_output=True, text=True)
    return done.stderr


@needs_permissions
def test_a_file_that_is_read_only_stays(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o444)
    assert "x: Permission denied\n" in put_unprivileged(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


@needs_permissions
def test_a_file_in_a_folder_that_is_read_only_is_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    tmp_path.chmod(0o555)
    try:
        assert put_unprivileged(tmp_path / "x") == ""
        assert "Permission denied" in put_unprivileged(tmp_path / "y")
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "x").read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


def leave_temporary(folder: Path, name: str, *, age: float) -> Path:
    path = folder / name
    path.write_text("half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_only_old_temporary_files_of_our_own_are_stale(tmp_path: Path) -> None:
    leave_temporary(tmp_path, ".guard-0.tmp", age=3700)
    leave_temporary(tmp_path, ".guard-1.tmp", age=3500)
    leave_temporary(tmp_path, "x.tmp", age=3700)
    leave_temporary(tmp_path, ".guard-0", age=3700)
    (tmp_path / ".guard-folder.tmp").mkdir()
    os.utime(tmp_path / ".guard-folder.tmp", (0, 0))
    with atomic_write(tmp_path / "y") as place:
        place.write_text("new")
        remove_stale(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".guard-0", ".guard-1.tmp", ".guard-folder.tmp", "x.tmp", "y"]
    remove_stale(tmp_path / "nowhere")


def test_what_a_killed_process_left_is_stale_an_hour_later(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from guardcli.files.atomic import atomic_write\n"
        "with atomic_write(Path('x')) as place: place.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HERE)}, check=False)
    (left,) = tmp_path.iterdir()
    remove_stale(tmp_path)
    assert [*tmp_path.iterdir()] == [left]
    os.utime(left, (time.time() - 3700,) * 2)
    remove_stale(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_several_may_remove_stale_files_at_a_time(tmp_path: Path) -> None:
    for number in range(500):
        leave_temporary(tmp_path, f".guard-{number}.tmp", age=3700)
    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(remove_stale, tmp_path) for _ in range(4)]:
            one.result()
    assert os.listdir(tmp_path) == []
