"""Damaged inputs of every format, under hostile names: read, judged by a fake engine, and written in every format.

Every input has a row or more; a row is one line of printable characters, and JSON where it should be. `python -m
tests.formats.test_fuzzed_inputs 50000 [SEED]` damages that many.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import random
import sys
import tempfile
import time
import traceback
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from guardcli import Guard, JudgeConfig, Taxonomy
from guardcli.formats import INPUT_FORMATS, ReadReport
from guardcli.judging import Verdict
from guardcli.judging.writers import WRITERS, text
from guardcli.models import Model
from tests import tiny
from tests.fake import FakeEngine, words
from tests.formats.bases import BASES
from tests.formats.in_memory import Pipe, read

SECONDS = 5.0

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J", "a\nsafe 0.0000 - -:9", "a\r\nb", "\u202eevil\u202c", "\u2066x\u2069", "\ufffe", "]]>",
    "<script>alert(1)</script>", "| a | b |", "%0A", "\x00", "\x85", "\u2028", "\ud800", "\udcff", "</s>", "\x9b31m",
    "[truncated,system:1] hello", "'; --", "\\u001b[2J", "\ufeff", "\U000e0041", "\u200b", "' \"",
)  # fmt: skip
TOKENS = (b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\n", b"\r", b"\0", b"\x1e", b"\xff", b"\xef\xbb\xbf",
          b"User: ", b"---\n", b"null", b"1e999", b"\\ud800", b"\xc3", b"\xe2\x80\xae", b";", b"\t", b"prompt,",
          b"[[[[[[[[", b'{"a":' * 40, b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1")  # fmt: skip


OTHERS = (None, True, 0, -1, 10**30, float("inf"), "", [], {}, [[]], {"": None})


def mutated(value: Any, random_: random.Random) -> Any:
    """A record with hostile text in some of its values and names, or values of other kinds."""
    if isinstance(value, dict):
        changed = {name: mutated(inner, random_) for name, inner in value.items()}
        if random_.random() < 0.08:
            changed[random_.choice((*HOSTILE, "id", "content", "text"))] = random_.choice(HOSTILE)
        return changed
    if isinstance(value, list):
        changed_list = [mutated(inner, random_) for inner in value for _ in range(1 + (random_.random() < 0.05))]
        return changed_list[1:] if random_.random() < 0.03 else changed_list
    chance = random_.random()
    if chance < 0.12:
        return random_.choice(HOSTILE)
    if chance < 0.18 and isinstance(value, str):
        return value + random_.choice(HOSTILE)
    if chance < 0.24:
        return random_.choice((*OTHERS, [value], {"text": value}))
    return value


def packed_as_parquet(records: Sequence[Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": [json.dumps(one) for one in records]}), out)
    return out.getvalue()


def content(random_: random.Random) -> bytes:
    """A file of any format, not damaged yet."""
    records = [mutated(BASES[random_.choice(list(BASES))], random_) for _ in range(random_.randrange(1, 5))]
    lines = [json.dumps(one, ensure_ascii=random_.random() < 0.5) for one in records]
    said = [random_.choice((*HOSTILE, "hi there, you", "a bomb")) for _ in range(4)]
    how = random_.choice(("lines",) * 4 + ("array", "pretty", "concatenated", "csv", "tsv", "transcript", "text", "log",
                                           "gzip", "zstd", "parquet"))  # fmt: skip
    if how in ("csv", "tsv"):
        out = io.StringIO()
        table = csv.writer(out, delimiter="," if how == "csv" else "\t")
        table.writerow(["id", "prompt", *(random_.choice((*HOSTILE, "response", "note")) for _ in range(2))])
        table.writerows([said, said[::-1]])
        return out.getvalue().encode("utf-8", "surrogatepass")
    if how == "parquet":
        return packed_as_parquet(records)
    found = {
        "lines": "\n".join(lines), "array": f"[{', '.join(lines)}]", "concatenated": " ".join(lines),
        "pretty": "\n".join(json.dumps(one, indent=1) for one in records),
        "transcript": "\n".join(f"{'User' if n % 2 else 'Assistant'}: {one}" for n, one in enumerate(said, start=1)),
        "text": "\n".join(said), "log": "\n".join(f"2026-01-01T00:00:00Z INFO {line}" for line in lines),
    }.get(how, "\n".join(lines)).encode("utf-8", "surrogatepass")  # fmt: skip
    return {"gzip": gzip.compress, "zstd": zstandard.compress}.get(how, bytes)(found)


def damaged(random_: random.Random) -> bytes:
    found = content(random_)
    while random_.random() < 0.5:
        at = random_.randrange(len(found) + 1)
        found = random_.choice((
            found[:at] + random_.choice(TOKENS) + found[at:],
            found[:at] + found[at + random_.randrange(9) :],
            found[:at] + random_.randbytes(2) + found[at + 2 :],
            found[:at],
            found[:at] + random_.choice(HOSTILE).encode("utf-8", "surrogatepass") + found[at:],
        ))  # fmt: skip
    if random_.random() < 0.02:
        found = random_.choice((lambda b: b[::-1], zlib.compress, lambda b: b.decode("latin-1").encode("utf-16")))(
            found
        )
    return found


FORBIDDEN = {"Cc", "Zl", "Zp", "Cs"}
OTHER_HARM = {*"\u061c\u200e\u200f\ufffe\uffff", *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))}


def raw(line: str) -> str | None:
    """A character that commands a terminal, ends a line, or reorders it; None if there is none."""
    return next((one for one in line if unicodedata.category(one) in FORBIDDEN or one in OTHER_HARM), None)


def fault_of(verdict: Verdict) -> str | None:
    """What is wrong with the lines that are written for a verdict."""
    lines = {name: write(verdict) for name, write in WRITERS.items()}
    for name, line in lines.items():
        line.encode()
        if (found := raw(line)) is not None:
            return f"{name}: {found!r} in {line!r}"
        if name != "text":
            json.loads(line, parse_constant=_refuse)
    if not lines["text"].isprintable():
        return f"text: {lines['text']!r}"
    if text.colored(verdict).count("\x1b") != 2:
        return f"colored: {text.colored(verdict)!r}"
    if verdict.verdict == "error" and not verdict.error:
        return "an error without a reason"
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def options(random_: random.Random) -> dict[str, Any]:
    """How the input is read: mostly as it is without options."""
    chosen: dict[str, Any] = {}
    if random_.random() < 0.3:
        chosen["format"] = random_.choice(INPUT_FORMATS)
    if random_.random() < 0.1:
        chosen["messages_path"] = random_.choice(("messages", "body.messages", "a.b"))
    if random_.random() < 0.1:
        chosen["ignore"] = random_.choice(("note", "messages[].content", "x,y.z"))
    if random_.random() < 0.1:
        chosen["text_fields"] = [random_.choice(("note", "title", "prompt"))]
    if random_.random() < 0.1:
        chosen["max_record_bytes"] = random_.choice((1, 50, 300))
    return chosen


def check(
    model: Model, data: bytes, name: str, chosen: dict[str, Any], random_: random.Random, told: Counter[str]
) -> None:
    """Read, judge and write an input. Raises AssertionError: a row is wrong."""
    report = ReadReport()
    keep = tuple(random_.sample(("id", "note", "metadata", "messages"), 2))
    settings = JudgeConfig(keep=keep, text=True, scores=random_.random() < 0.3, target=random_.choice(("any", "each")))
    with Guard(model, TAXONOMY, engine=FakeEngine(words(bomb=0.9)), config=settings) as guard:
        stream = Pipe(data) if random_.random() < 0.3 else io.BytesIO(data)
        verdicts = list(guard.judge(read(stream, name, report, **chosen)))
    for verdict in verdicts:
        told[verdict.verdict] += 1
        fault = fault_of(verdict)
        assert fault is None, fault
    told["without a row"] += not verdicts
    is_table = chosen.get("format") == "csv" or (name, "csv") in report.formats  # which may be a header alone
    assert verdicts or not data.strip(b" \t\r\n\v\f\x1e") or is_table


TAXONOMY = Taxonomy.load("llama-guard-3")


def failures(count: int, seed: int, model: Model, told: Counter[str], most: float) -> Iterator[tuple[str, bytes]]:
    """Damage that many inputs; the failures, with their input. Each may take `most` seconds."""
    random_ = random.Random(seed)
    for _ in range(count):
        data, name, chosen = damaged(random_), random_.choice(HOSTILE), options(random_)
        begun = time.monotonic()
        try:
            check(model, data, name, chosen, random_, told)
        except Exception:
            yield f"{chosen} {traceback.format_exc()[-900:]}", data
        if (seconds := time.monotonic() - begun) > most:
            yield f"{chosen} took {seconds:.1f} s", data


def test_damaged_inputs(model: Model, most_seconds: float) -> None:
    told: Counter[str] = Counter()
    assert [failure for failure, _ in failures(400, 1, model, told, most_seconds)] == []
    assert min(told["safe"], told["unsafe"], told["error"]) > 5


def many(count: int, seed: int) -> None:
    """Damage that many, and print how many rows there were; the inputs of failures stay."""
    logging.getLogger("guardcli").setLevel(logging.ERROR)  # no note on how each input is read
    folder, told, failed = Path(tempfile.mkdtemp(prefix="fuzzed-inputs-")), Counter[str](), 0
    with Model.load(tiny.write(folder / "guard.gguf", answers=True), template="llama-guard-3-8b") as model:
        for failure, data in failures(count, seed, model, told, SECONDS):
            failed += 1
            (folder / f"{failed}").write_bytes(data)
            print(folder / f"{failed}", failure, flush=True)
    for verdict, number in sorted(told.items()):
        print(f"{number:7,} {verdict}")
    print(f"{count:,} damaged inputs, {failed} failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    many(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
