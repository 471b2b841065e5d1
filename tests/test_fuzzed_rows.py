"""Damaged rows, and journals whose digests fit: every command that reads them ends with one of its own exit codes.

Rows go through report, diff, decide, eval --verdicts and merge in this process. `python -m tests.test_fuzzed_rows 5000
[SEED]` damages that many.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from guardcli.audit.journal import files_of
from guardcli.audit.journal.entries import _HEAD, Begin, Checkpoint, DigestChain, Entry, Finished, Manifest
from guardcli.cli import main as cli
from tests.judging.test_edited_rows import VALID, WRONG
from tests.rows import row

SECONDS = 5.0
CODES = (0, 1, 2, 3)

NAMES = ("S1", "S9", "S99", "ts", "", "schema", "verdict", "\x1b[2J", "\ud800", "a" * 300, "__proto__", "</script>")
BYTES = (b"\0", b"\n", b"\r", b'"', b"\\", b"{", b"}", b"[" * 300, b"\xff\xfe", b"\xed\xa0\x80", b"1e999", b"-", b"NaN")


def value(random_: random.Random, depth: int = 0) -> Any:
    """Any JSON value, and some that Python reads and JSON does not know."""
    kind = random_.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return copy.deepcopy(random_.choice(WRONG))
    if kind == 2:
        return random_.choice((random_.random(), random_.uniform(-1e3, 1e3), random_.randrange(-(2**70), 2**70)))
    if kind in (3, 4):
        limits = random_.choice(((0, 0x100), (0x2000, 0x2070), (0xD7FF, 0xD801), (0xFFFD, 0x10000), (0, 0x110000)))
        return "".join(chr(random_.randrange(*limits)) for _ in range(random_.randrange(20)))
    if kind in (5, 6):
        return {random_.choice(NAMES): value(random_, depth + 1) for _ in range(random_.randrange(4))}
    return [value(random_, depth + 1) for _ in range(random_.randrange(4))]


def damaged_object(valid: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """Some of its values, at any depth, are others; or are missing; or stand under other names."""
    found = copy.deepcopy(valid)
    for _ in range(random_.choice((1, 1, 2, 3))):
        holder: Any = found
        while holder and random_.random() < 0.4:
            inner = [one for one in (holder.values() if isinstance(holder, dict) else holder) if one and
                     isinstance(one, (dict, list))]  # fmt: skip
            if not inner:
                break
            holder = random_.choice(inner)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        how = random_.randrange(6)
        if not keys or how == 0:
            if isinstance(holder, dict):
                holder[random_.choice(NAMES)] = value(random_)
            else:
                holder.append(value(random_))
        elif how == 1:
            holder.pop(random_.choice(keys))
        else:
            holder[random_.choice(keys)] = value(random_)
    return found


def damaged_line(valid: dict[str, Any], random_: random.Random) -> bytes:
    """A row in bytes: of other values, or with other bytes."""
    line = json.dumps(damaged_object(valid, random_), ensure_ascii=random_.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )
    while random_.random() < 0.3:
        at = random_.randrange(len(line) + 1)
        line = line[:at] + random_.choice(BYTES) + line[at + random_.randrange(4) :]
    return line


def damaged_file(random_: random.Random) -> bytes:
    lines = [json.dumps(one).encode() for one in VALID]
    for _ in range(random_.choice((1, 1, 2))):
        lines.insert(random_.randrange(len(lines) + 1), damaged_line(random_.choice(VALID), random_))
    return b"\n".join(lines) + b"\n" * random_.randrange(2)


INPUTS = [{"path": "a", "size": 9, "sha256": "0" * 64}, {"path": "b", "size": 9, "sha256": "0" * 64}]


def journal_of(entries: list[dict[str, Any]]) -> bytes:
    """A journal with digests that fit, whatever its entries are: they have no key, and anybody can make them."""
    chain, lines = DigestChain(), []
    for entry in entries:
        body = json.dumps(entry, separators=(",", ":")).encode()
        lines.append(_HEAD + chain._advance(body) + b'",' + body[1:] + b"\n")
    return b"".join(lines)


def entry(one: Entry) -> dict[str, Any]:
    return {type(one).__name__.lower(): asdict(one)}


def write_shard(path: Path, number: int, random_: random.Random | None) -> None:
    """A whole shard; with `random_` damaged in its rows, its entries, or the bytes of its journal."""
    how = random_.choice(("rows", "entries", "bytes")) if random_ else ""
    rows = [row(line, 0.2, source=source) for source in "ab" for line in range(number, 9, 2)]
    lines = [json.dumps(one).encode() for one in rows]
    if random_ and how == "rows":
        lines[random_.randrange(len(lines))] = damaged_line(random_.choice(rows), random_).replace(b"\n", b" ")
    content = b"\n".join(lines) + b"\n"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    manifest = {"shard": [number, 2], "units": {"number": 4}, "inputs": INPUTS}
    checkpoint = Checkpoint(rows=len(lines), records=len(lines), size=len(content), unit=1, line=9, digest=digest)
    entries = [entry(one) for one in (Manifest(manifest), Begin(0), checkpoint, Finished(len(lines)))]
    if random_ and how == "entries":
        at = random_.choice((0, 0, random_.randrange(len(entries))))
        entries[at] = damaged_object(entries[at], random_)
    journal = journal_of(entries)
    if random_ and how == "bytes":
        at = random_.randrange(len(journal))
        journal = journal[:at] + random_.choice(BYTES) + journal[at + random_.randrange(4) :]
    files_of(path)[1].write_bytes(journal)


def run(*arguments: str | Path) -> tuple[int, str]:
    """A command in this process: its exit code, and what it said."""
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")), redirect_stderr(io.StringIO()) as stderr:
        code = cli._run([*map(str, arguments)])
    return code, stderr.getvalue()


RECORDS = "".join(f'{{"prompt": "say {at}", "label": {at % 2}}}\n' for at in range(1, 5))


def commands(folder: Path, random_: random.Random) -> dict[str, Callable[[], tuple[int, str]]]:
    """The commands that read stored rows, each of which reads a damaged file."""
    bad, good, page = folder / "bad.jsonl", folder / "good.jsonl", folder / "page.html"
    shards = folder / "part-1.jsonl", folder / "part-2.jsonl"

    def merge() -> tuple[int, str]:
        write_shard(shards[0], 1, random_)
        write_shard(shards[1], 2, None)
        (folder / "whole.jsonl").unlink(missing_ok=True)  # what is there is not written over
        return run("merge", *shards, "-o", folder / "whole.jsonl")

    def resumed() -> tuple[int, str]:
        """The check of a journal that a resumed audit makes, before any model is loaded."""
        write_shard(shards[0], 1, random_)
        return run("audit", folder / "chats.jsonl", "-o", shards[0], "--shard", "1/2", "-m", folder / "none.gguf")

    return {
        "report": lambda: run("report", bad, "-o", page, "--time", "ts", "--with-text"),
        "diff": lambda: run("diff", bad, good),
        "diff --format json": lambda: run("diff", good, bad, "--format", "json"),
        "diff --format html": lambda: run("diff", bad, good, "--format", "html", "--with-text"),
        "decide": lambda: run("decide", bad, "-t", "llama-guard-3"),
        "eval --verdicts": lambda: run("eval", folder / "chats.jsonl", "--verdicts", bad, "--resamples", "100"),
        "merge": merge,
        "audit": resumed,
    }


def failures(count: int, seed: int, folder: Path, told: Counter[str], most: float) -> Iterator[str]:
    """Damage that many files; each goes through one command, in turn, which may take `most` seconds.

    The failures are told, with their input.
    """
    random_ = random.Random(seed)
    (folder / "chats.jsonl").write_text(RECORDS)
    (folder / "good.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in VALID))
    known = commands(folder, random_)
    for number in range(count):
        name = list(known)[number % len(known)]
        content = damaged_file(random_)
        (folder / "bad.jsonl").write_bytes(content)
        begun = time.monotonic()
        try:
            code, said = known[name]()
        except BaseException:
            code, said = -1, traceback.format_exc()
        seconds = time.monotonic() - begun
        told[f"{name}: {code}"] += 1
        if code not in CODES or "Traceback" in said or seconds > most:
            kept = folder / f"failure-{number}"
            kept.mkdir()
            for path in folder.glob("*.jsonl*"):
                (kept / path.name).write_bytes(path.read_bytes())
            yield f"{name}: exit code {code} after {seconds:.1f} s, {kept}\n{said[-600:]}"


def test_damaged_rows_and_journals(tmp_path: Path, most_seconds: float) -> None:
    told: Counter[str] = Counter()
    assert list(failures(240, 1, tmp_path, told, most_seconds)) == []
    assert {name.partition(":")[0] for name in told} == set(commands(tmp_path, random.Random()))
    assert all(told[f"{name}: 2"] for name in ("report", "diff", "decide", "eval --verdicts", "merge", "audit"))
    assert told["report: 0"] > 0
    assert told["merge: 0"] > 0


def many(count: int, seed: int) -> None:
    """Damage that many, and print how each command ended; the files of failures stay."""
    folder, told, failed = Path(tempfile.mkdtemp(prefix="fuzzed-rows-")), Counter[str](), 0
    for failure in failures(count, seed, folder, told, SECONDS):
        failed += 1
        print(failure, flush=True)
    for ended, number in sorted(told.items()):
        print(f"{number:7,} {ended}")
    print(f"{count:,} damaged files, {failed} failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    many(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
