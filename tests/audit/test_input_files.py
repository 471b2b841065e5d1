"""Which files a folder stands for, and that nothing in it is passed over in silence."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardcli.audit.input_files import Duplicate, SkippedFile, describe_skipped, expand_paths
from guardcli.errors import InputError


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_files_as_named_and_those_of_a_folder_sorted_by_path() -> None:
    write("logs/b/2.jsonl", "logs/b/1.jsonl", "logs/b-c.jsonl", "logs/b.jsonl", "z.jsonl", "a.jsonl")
    found = expand_paths(["z.jsonl", "logs/", "a.jsonl", "z.jsonl"])
    assert found.paths == [
        "z.jsonl", "logs/b-c.jsonl", "logs/b.jsonl", "logs/b/1.jsonl", "logs/b/2.jsonl", "a.jsonl"
    ]  # fmt: skip
    assert (found.left_out, found.duplicates) == ([], [])


def test_the_current_folder() -> None:
    write("a.jsonl", "b/c.jsonl")
    assert expand_paths(["."]).paths == ["a.jsonl", "b/c.jsonl"]


def bind(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


@pytest.mark.parametrize(
    ("name", "make", "kind"),
    [
        (".b.jsonl", write, "hidden file"),
        (".b/c.jsonl", write, "hidden folder"),
        ("link", lambda path: os.symlink("../other", path), "link to a folder"),
        ("nowhere", lambda path: os.symlink("missing", path), "dangling link"),
        ("itself", lambda path: os.symlink("itself", path), "dangling link"),
        ("under", lambda path: os.symlink("a.jsonl/x", path), "dangling link"),
        ("fifo.jsonl", os.mkfifo, "FIFO"),
        ("socket", bind, "socket"),
        ("null", lambda path: os.symlink("/dev/null", path), "device"),
        (".fifo", os.mkfifo, "hidden file"),
    ],
)
def test_skipped_files_are_reported(name: str, make: Callable[[str], None], kind: str) -> None:
    write("logs/a.jsonl", "other/x.jsonl")
    make(f"logs/{name}")
    found = expand_paths(["logs"])
    assert found.paths == ["logs/a.jsonl"]
    assert found.left_out == [SkippedFile(f"logs/{name.partition('/')[0]}", kind)]


def test_counts_by_kind() -> None:
    left_out = [SkippedFile("", kind) for kind in ("FIFO", *["link to a folder"] * 2, *["hidden file"] * 1000)]
    assert describe_skipped(left_out) == "1 FIFO, 1,000 hidden files, 2 links to folders"


@pytest.mark.parametrize("name", ["logs/.b.jsonl", ".hidden", "link", "link.jsonl", ".hidden/c.jsonl"])
def test_what_is_named_itself_is_read(name: str) -> None:
    write("logs/.b.jsonl", ".hidden/c.jsonl", "other/x.jsonl", "y.jsonl")
    os.symlink("other", "link")
    os.symlink("y.jsonl", "link.jsonl")
    expected = {".hidden": ".hidden/c.jsonl", "link": "link/x.jsonl"}.get(name, name)
    assert expand_paths([name]).paths == [expected]


def test_what_is_left_out_of_a_folder_and_named_besides_is_not_left_out() -> None:
    write("logs/a.jsonl", "logs/.b.jsonl", "logs/.c/d.jsonl", "logs/.e.jsonl")
    found = expand_paths(["logs", "./logs/.b.jsonl", "logs/.c"])
    assert found.paths == ["logs/a.jsonl", "./logs/.b.jsonl", "logs/.c/d.jsonl"]
    assert found.left_out == [SkippedFile("logs/.e.jsonl", "hidden file")]
    assert found.duplicates == []


def test_a_file_with_two_names_is_read_once() -> None:
    write("logs/b.jsonl", "other/.x.jsonl", "other/y.jsonl")
    os.link("logs/b.jsonl", "logs/hard.jsonl")
    os.symlink("b.jsonl", "logs/soft.jsonl")
    os.symlink("b.jsonl", "logs/.hidden")  # what it leads to is read
    found = expand_paths(["./logs/b.jsonl", "logs", "logs/b.jsonl"])
    assert found.paths == ["./logs/b.jsonl"]
    assert found.duplicates == [
        Duplicate(f"logs/{name}", "./logs/b.jsonl") for name in ("hard.jsonl", "soft.jsonl", ".hidden")
    ]
    assert found.left_out == []


def test_a_link_to_a_file_elsewhere_is_read() -> None:
    write("logs/a.jsonl", "other/b.jsonl")
    os.symlink("../other/b.jsonl", "logs/link.jsonl")
    assert expand_paths(["logs"]).paths == ["logs/a.jsonl", "logs/link.jsonl"]


def test_files_that_only_look_alike_are_both_read() -> None:
    write("a/x.jsonl", "b/x.jsonl")
    for folder in "ab":
        Path(folder, "x.jsonl").write_text("same")
    assert expand_paths(["a", "b"]).paths == ["a/x.jsonl", "b/x.jsonl"]


def test_links_to_folders_that_are_read_anyway_and_loops() -> None:
    write("logs/2024/a.jsonl", "other/b.jsonl")
    os.symlink("2024", "logs/latest")
    os.symlink("..", "logs/2024/up")
    os.symlink("../other", "logs/other")
    found = expand_paths(["logs", "other"])
    assert found.paths == ["logs/2024/a.jsonl", "other/b.jsonl"]
    assert found.left_out == []
    assert found.duplicates == [
        Duplicate("logs/2024/up", "logs"),
        Duplicate("logs/latest", "logs/2024"),
        Duplicate("logs/other", "other"),
    ]


def test_outputs_are_passed_over_by_their_own_names_only() -> None:
    write("logs/a.jsonl", "logs/out.jsonl", "logs/out.jsonl.journal", "logs/sub/out.jsonl", "logs/.out")
    os.link("logs/out.jsonl", "logs/hard.jsonl")
    os.symlink("logs", "link")
    outputs = [Path("link/out.jsonl"), Path("logs/out.jsonl.journal"), Path("logs/.out")]
    found = expand_paths(["logs", "logs/out.jsonl"], outputs=outputs)
    assert found.paths == ["logs/a.jsonl", "logs/hard.jsonl", "logs/sub/out.jsonl"]
    assert found.left_out == []


def test_names_that_are_not_utf_8() -> None:
    os.mkdir("logs")
    Path(os.fsdecode(b"logs/\xff.jsonl")).write_text("x")
    Path(os.fsdecode(b"logs/.\xfe")).write_text("x")
    found = expand_paths(["logs"])
    assert [os.fsencode(path) for path in found.paths] == [b"logs/\xff.jsonl"]
    assert [os.fsencode(one.path) for one in found.left_out] == [b"logs/.\xfe"]


@pytest.mark.slow
def test_folders_within_folders_beyond_the_depth_of_calls(desk: Path) -> None:
    depth = 1200
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("a.jsonl").write_text("x")
    try:
        os.chdir(desk)
        assert expand_paths(["."]).paths == ["d/" * depth + "a.jsonl"]
    finally:  # Python's own cleaning up fails at that depth
        subprocess.run(["rm", "-r", desk / "d"], check=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "^missing: no such file$"),
        ("nowhere", "^nowhere: no such file$"),
        ("itself", "^itself: cannot be read: Too many levels of symbolic links$"),
        ("empty", "^empty: the folder holds no files$"),
        ("hidden", "^hidden: the folder holds no files; left out: 1 hidden file, 1 link to a folder$"),
        ("/dev/null", "^/dev/null is not a regular file: an audit must"),
        ("fifo", "^fifo is not a regular file"),
    ],
)
def test_what_cannot_be_read(name: str, message: str) -> None:
    os.mkdir("empty")
    write("hidden/.a.jsonl")
    os.symlink("..", "hidden/up")
    os.symlink("missing", "nowhere")
    os.symlink("itself", "itself")
    os.mkfifo("fifo")
    with pytest.raises(InputError, match=message):
        expand_paths([name])


@pytest.mark.parametrize("locked", ["logs", "logs/locked", "logs/locked/deeper"])
def test_a_folder_that_cannot_be_listed_is_an_error(monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    write("logs/a.jsonl", "logs/locked/deeper/b.jsonl")
    scan = os.scandir

    def scandir(folder: Path) -> Iterator[os.DirEntry[str]]:
        if str(folder) == locked:
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=f"^{locked}: cannot be read: Permission denied$"):
        expand_paths(["logs"])
