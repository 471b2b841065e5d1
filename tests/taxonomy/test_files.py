"""Which file a name means, and files that cannot be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guardcli.errors import GuardError, TaxonomyError
from guardcli.taxonomy import Taxonomy, bundled_taxonomies
from tests.irregular import IRREGULAR
from tests.taxonomy.broken import WHOLE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["policy.yaml", "policy.yml", "./policy", "policy", "sub/policy"])
def test_a_path(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    (folder / name).write_text(WHOLE)
    assert Taxonomy.load(name) == Taxonomy.from_yaml(WHOLE)
    assert Taxonomy.load(folder / name).location.path == str(folder / name)


def test_a_stray_file_does_not_change_what_a_bundled_name_means(folder: Path) -> None:
    (folder / "llama-guard-3").write_text(WHOLE)
    assert Taxonomy.load("llama-guard-3").name == "llama-guard-3"
    assert Taxonomy.load("./llama-guard-3").name == "a"
    assert Taxonomy.load(Path("llama-guard-3")).name == "a"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("llama-guard3", "did you mean `llama-guard-3`?"),
        ("acme", "a file needs a path, such as ./policy.yaml;"),
        ("", "a file needs a path, such as ./policy.yaml;"),
    ],
)
def test_an_unknown_name(name: str, advice: str) -> None:
    with pytest.raises(GuardError) as caught:
        Taxonomy.load(name)
    shown = ", ".join(bundled_taxonomies())
    assert str(caught.value) == f"there is no taxonomy `{name}`: {advice} built-in ones are {shown}"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (WHOLE.encode("utf-16"), "1:1: is UTF-16: save it as UTF-8"),
        (WHOLE.encode("utf-16-be"), "1:1: there is a null character: is this a text file? save it as UTF-8"),
        (b"name: a\n# \xe9t\xe9\n", "2:3: is not UTF-8 in line 2: save it as UTF-8"),
        (b"#" * (1 << 20) + b"\n", "1:1: is larger than 1 MiB: share parts with `extends`"),
        (b"", "1:1: the file is empty: write `name`, and `categories` or `extends`"),
    ],
)
def test_unreadable(folder: Path, data: bytes, expected: str) -> None:
    (folder / "t.yaml").write_bytes(data)
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load("t.yaml")
    assert str(caught.value) == f"t.yaml:{expected}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing.yml", "no such file"),
        ("polcy.yaml", "no such file; did you mean policy.yaml?"),
        (f"{'x' * 300}.yaml", "cannot be read: File name too long"),
        ("a\0b.yaml", "cannot be read: embedded null byte"),
    ],
)
def test_no_file(folder: Path, path: str, reason: str) -> None:
    (folder / "policy.yaml").touch()
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load(path)
    assert str(caught.value) == f"{path}: {reason}"


@pytest.mark.parametrize("make", IRREGULAR.values(), ids=IRREGULAR)
def test_what_is_not_a_regular_file_is_refused_at_once(folder: Path, make: Callable[[Path], object]) -> None:
    """As a policy, and as what one extends, where it may extend what is elsewhere."""
    make(folder / "base.yaml")
    (folder / "t.yaml").write_text("name: a\nextends: base.yaml\n")
    reason = "Is a directory" if (folder / "base.yaml").is_dir() else "not a regular file"
    for path, expected in [
        ("base.yaml", f"base.yaml: cannot be read: {reason}"),
        ("t.yaml", f"t.yaml:2:10: `base.yaml` cannot be read: {reason}"),
    ]:
        with pytest.raises(TaxonomyError) as caught:
            Taxonomy.load(path, extends_root=Path("/"))
        assert str(caught.value) == expected


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/fd/{zero}", "/proc/self/fd/{fifo}"])
def test_what_never_ends_or_never_begins(folder: Path, path: str) -> None:
    os.mkfifo(folder / "fifo")
    zero, fifo = os.open("/dev/zero", os.O_RDONLY), os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(TaxonomyError, match=r"not a regular file|is empty"):
        Taxonomy.load(path.format(zero=zero, fifo=fifo))
    os.close(zero)
    os.close(fifo)


def test_a_pipe(folder: Path) -> None:
    read, write = os.pipe()
    os.write(write, WHOLE.encode())
    os.close(write)
    assert Taxonomy.load(f"/dev/fd/{read}") == Taxonomy.from_yaml(WHOLE)
    os.close(read)


def test_a_pipe_that_is_written_later(folder: Path) -> None:
    """As by `-t <(make-policy)`: the end of the pipe is the writer's."""
    read, write = os.pipe()
    writer = subprocess.Popen(["sh", "-c", "sleep 0.2; cat"], stdin=subprocess.PIPE, stdout=write)
    os.close(write)
    assert writer.stdin is not None
    writer.stdin.write(WHOLE.encode())
    writer.stdin.close()
    assert Taxonomy.load(f"/dev/fd/{read}") == Taxonomy.from_yaml(WHOLE)
    writer.wait()
    os.close(read)


def test_no_file_may_extend_a_pipe(folder: Path) -> None:
    read, write = os.pipe()
    with pytest.raises(TaxonomyError, match="not a regular file"):
        Taxonomy.from_yaml(f"name: a\nextends: /dev/fd/{read}\n", extends_root=Path("/"))
    os.close(read)
    os.close(write)


def test_a_byte_order_mark(folder: Path) -> None:
    (folder / "t.yaml").write_text(WHOLE, encoding="utf-8-sig")
    assert Taxonomy.load("t.yaml") == Taxonomy.from_yaml(WHOLE)


def test_a_wheel_has_the_bundled_files_inside(tmp_path: Path) -> None:
    """Only these packages are there: nothing else of guardcli is needed, nor llama_cpp."""
    package = tmp_path / "guardcli"
    for name in ("taxonomy", "text", "files", "errors"):
        shutil.copytree(ROOT / "guardcli" / name, package / name)
    shutil.copytree(ROOT / "taxonomies", package / "taxonomies")
    (package / "__init__.py").touch()
    code = "from guardcli.taxonomy import Taxonomy; print(Taxonomy.load('llama-guard-3').location.path)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{package / 'taxonomies/llama-guard-3.yaml'}\n"
