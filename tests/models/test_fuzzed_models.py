"""Models and adapters with damaged headers: an answer or a GuardError, and the process lives.

The header is read in this process; what it lets through is loaded, and asked once, in child processes with limits of
memory and time. `python -m tests.models.test_fuzzed_models 10000 [SEED]` damages that many.
"""

from __future__ import annotations

import random
import resource
import selectors
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guardcli import Adapter, EngineConfig, Guard, GuardError, JudgeConfig, ModelConfig
from guardcli.errors import ModelError
from guardcli.models.gguf import _SCALARS, read_header
from tests import tiny, tiny_sentencepiece

SECONDS = 5.0
HANG = 60.0  # seconds after which a child is taken to hang
MEMORY = 4 << 30  # bytes of address space that a child may have

CHILD = "from tests.models.test_fuzzed_models import serve; serve()"


def serve() -> None:
    """Load and ask what stdin names, a model or a model and an adapter a line; say of each what became of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        print(asked(*line.rstrip("\n").split("\t")), flush=True)


def asked(model: str, adapter: str | None = None) -> str:
    """A verdict of a model, or "refused"."""
    template = "llama-guard-1" if "sentencepiece" in model else "llama-guard-3-8b"
    fuzzed = ModelConfig(model, template=template, adapters=(Adapter(Path(adapter)),) if adapter else ())
    engine = EngineConfig(threads=1, reproducible=True)
    try:
        with Guard(fuzzed, config=JudgeConfig(allow_unverified_model=True), engine=engine) as guard:
            (verdict,) = guard.check(["How do I bake bread? \u00e9\U0001f600"])
    except GuardError:
        return "refused"
    except MemoryError:
        return "out of memory"
    return verdict.verdict


EDGES_U32 = (0, 1, 2, 3, 5, 7, 8, 31, 33, 255, 256, 257, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
EDGES_U64 = (*EDGES_U32, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
WORDS = (b"gpt2", b"bert", b"llama", b"t5", b"rwkv", b"plamo2", b"none", b"mamba", b"gemma3", b"\xff")
EDGES_F32 = (0.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))


@dataclass(frozen=True)
class Entry:
    """A metadata key's bytes: from `start` to `end`, its value (after the type) from `value` on, of type `kind`."""

    key: str
    start: int
    value: int
    end: int
    kind: int


class Walker:
    """Where everything is in an undamaged header."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 24
        self.n_tensors, n_metadata = struct.unpack_from("<QQ", content, 8)
        self.entries = [self._entry() for _ in range(n_metadata)]
        self.directory = self.at
        self.tensors = [self._tensor() for _ in range(self.n_tensors)]  # where each begins and ends
        self.end = self.at

    def _number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.content, self.at)
        self.at += struct.calcsize("<" + code)
        return int(value)

    def _string(self) -> str:
        length = self._number("Q")
        self.at += length
        return self.content[self.at - length : self.at].decode()

    def _skip(self, kind: int) -> None:
        if kind in _SCALARS:
            self.at += struct.calcsize("<" + _SCALARS[kind])
        elif kind == 8:
            self._string()
        else:
            inner, count = self._number("I"), self._number("Q")
            for _ in range(count):
                self._skip(inner)

    def _entry(self) -> Entry:
        start, key, kind = self.at, self._string(), self._number("I")
        value = self.at
        self._skip(kind)
        return Entry(key, start, value, self.at, kind)

    def _tensor(self) -> tuple[int, int]:
        start = self.at
        self._string()
        for _ in range(self._number("I")):
            self._number("Q")
        self._number("I"), self._number("Q")
        return start, self.at


def edge(random_: random.Random, kind: int) -> bytes:
    """A value at the edge of what a type can hold, in its bytes."""
    if kind in (6, 12):
        return struct.pack("<f" if kind == 6 else "<d", random_.choice(EDGES_F32))
    size = struct.calcsize("<" + _SCALARS.get(kind, "Q"))
    return (random_.choice(EDGES_U64) % (1 << 8 * size)).to_bytes(size, "little")


def damaged(walker: Walker, random_: random.Random) -> bytes:
    """A copy with one to three kinds of damage; the data of the tensors stay where the header says that they are."""
    content = walker.content
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        content = random_.choice(DAMAGES)(walker, content, random_)
    return content


def _value(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """A number of the metadata at an edge: what the model is made of."""
    entry = random_.choice([entry for entry in walker.entries if entry.kind in _SCALARS])
    new = edge(random_, entry.kind)
    return content[: entry.value] + new + content[entry.value + len(new) :]


def _number(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """A number anywhere in the header: counts, lengths, types."""
    entry = random_.choice(walker.entries)
    at = random_.choice((entry.start, entry.value - 4, entry.value, entry.value + 4, 8, 16))
    new = edge(random_, random_.choice((4, 10)))
    return content[:at] + new + content[at + len(new) :]


def _element(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """Bytes inside an array: tokens, their types and scores, merges."""
    arrays = [entry for entry in walker.entries if entry.kind == 9]
    if not arrays:  # an adapter has none
        return content
    entry = random_.choice(arrays)
    at = random_.randrange(entry.value + 12, max(entry.end - 8, entry.value + 13))
    new = random_.choice((random_.randbytes(1), random_.randbytes(4), edge(random_, 4), edge(random_, 6)))
    return content[:at] + new + content[at + len(new) :]


def _string(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """Other text of the same length, in a key or a value."""
    entry = random_.choice(walker.entries)
    start, end = (entry.start + 8, entry.value - 4) if random_.random() < 0.5 else (entry.value + 8, entry.end)
    if (entry.kind != 8 and start > entry.value) or end <= start:
        return content
    word = random_.choice(
        (b"gpt2", b"bert", b"llama", b"t5", b"rwkv", b"plamo2", b"none", b"mamba", b"gemma3", b"\xff")
    )
    return content[:start] + (word * (end - start))[: end - start] + content[end:]


def _missing(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """A key that is called something else, so that it is missing."""
    entry = random_.choice(walker.entries)
    return content[: entry.start + 8] + b"x" + content[entry.start + 9 :]


def _directory(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """A byte or number of a tensor's entry: name, dimensions, type, offset."""
    start, end = random_.choice(walker.tensors)
    fields = (end - 8, end - 12, end - 20, random_.randrange(start, end))
    at, kind = random_.choice(fields), random_.choice((0, 4, 10))
    new = edge(random_, kind) if random_.random() < 0.7 else random_.randbytes(1)
    return content[:at] + new + content[at + len(new) :]


def _swap(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    """Two entries of the directory or of the metadata change places."""
    spans = walker.tensors if random_.random() < 0.5 else [(entry.start, entry.end) for entry in walker.entries]
    (a, b), (c, d) = sorted(random_.sample(spans, 2))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _byte(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    at = random_.randrange(walker.end)
    return content[:at] + random_.randbytes(1) + content[at + 1 :]


def _cut(walker: Walker, content: bytes, random_: random.Random) -> bytes:
    return content[: random_.choice((random_.randrange(len(content)), random_.randrange(walker.end)))]


DAMAGES = (
    _value, _value, _value, _number, _element, _element, _string, _missing, _directory, _directory, _directory, _swap,
    _byte, _cut,
)  # fmt: skip


class Loader:
    """A child process that loads one after another; a new one after each that dies."""

    def __init__(self) -> None:
        self._process = self._start()

    def load(self, line: str) -> str:
        """What became of it: a verdict, "refused", "no end after 60 s", or "exit code N"."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        said = self._heard()
        if said is None:
            self._process.kill()
            self._process.communicate()
            self._process = self._start()
            return f"no end after {HANG:.0f} s"
        if not said:
            self._process.communicate()
            code = self._process.returncode
            self._process = self._start()
            return f"exit code {code}"
        return said.decode().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.communicate()

    def _heard(self) -> bytes | None:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(HANG) else None

    def _start(self) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        return started


def bases(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """Models by name, or an adapter with the model that it belongs to."""
    guard = tiny.write(folder / "guard.gguf", answers=True, context=1024)
    tiny_sentencepiece.write(folder / "sentencepiece")
    adapter = tiny.write_adapter(folder / "adapter.gguf")
    return {"model": (guard, None), "sentencepiece": (folder / "sentencepiece.gguf", None), "adapter": (guard, adapter)}


def failures(count: int, seed: int, folder: Path, told: Counter[str], most: float) -> Iterator[str]:
    """Damage that many; what became of each is counted in `told`, and each failure is told, its file kept.

    Each may take `most` seconds.
    """
    random_, loader, known = random.Random(seed), Loader(), bases(folder)
    walkers = {name: Walker((adapter or model).read_bytes()) for name, (model, adapter) in known.items()}
    for number in range(count):
        name = random_.choice(("model", "model", "sentencepiece", "adapter"))
        content = damaged(walkers[name], random_)
        path = folder / f"{name}-{number}.gguf"
        path.write_bytes(content)
        begun = time.monotonic()
        try:
            read_header(path)
        except ModelError:
            became = "refused by its header"
        except Exception as error:
            became = f"{type(error).__name__} by its header"
        else:
            became = loader.load(f"{known[name][0]}\t{path}" if name == "adapter" else str(path))
        if time.monotonic() - begun > most and not became.startswith(("no end", "exit code")):
            became = f"too slow: {became}"
        told[f"{name}: {became}"] += 1
        if became in ("refused by its header", "refused", "safe", "unsafe", "error"):
            path.unlink()
        else:
            yield f"{path.name}: {became}"
    loader.close()


@pytest.mark.slow
def test_damaged_models_and_adapters(tmp_path: Path, most_seconds: float) -> None:
    told: Counter[str] = Counter()
    assert list(failures(100, 1, tmp_path, told, most_seconds)) == []
    assert {"model: refused by its header", "model: refused", "adapter: refused"} <= set(told)
    assert told["model: safe"] + told["model: unsafe"] > 5


def many(count: int, seed: int) -> None:
    """Damage that many, and print what became of them; the files of failures stay."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = Path(tempfile.mkdtemp(prefix="fuzzed-models-"))
    told: Counter[str] = Counter()
    failed = 0
    for failed, failure in enumerate(failures(count, seed, folder, told, SECONDS), start=1):  # noqa: B007
        print(folder / failure, flush=True)
    for became, number in sorted(told.items()):
        print(f"{number:7,} {became}")
    print(f"{count:,} damaged files, {failed} failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    many(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
