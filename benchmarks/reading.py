"""Measure how fast records are read, beside another version of guard, interleaved.

    git worktree add /tmp/before v0.1
    python -m benchmarks.reading --against /tmp/before --prompts openai_mod.jsonl.gz

Each version reads in a process of its own; one reads while the other waits. Times are medians in microseconds a record.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import click

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"

# Run with the folder of a version first on the path: it reads the file that each line of its input names.
WORKER = """
import io, logging, sys, time
logging.disable(logging.WARNING)
sys.path.insert(0, sys.argv[1])
from guardcli import formats
assert formats.__file__.startswith(sys.argv[1]), formats.__file__
if hasattr(formats, "StreamPart"):
    def read(stream):
        return formats.ReadOptions().read_stream(stream, formats.StreamPart("x"))
else:  # a version before `ReadOptions`
    def read(stream):
        return formats.read(stream, "x")
for line in sys.stdin:
    content = open(line.strip(), "rb").read()
    start = time.perf_counter()
    count = sum(1 for _ in read(io.BytesIO(content)))
    print((time.perf_counter() - start) / count * 1e6, flush=True)
"""


def contents(texts: list[str]) -> dict[str, bytes]:
    """The same texts in several shapes: messages alone, as a log with metadata, as pairs, lines and a table."""
    system, answer = "You are the assistant of a shop.", "Sorry to hear that; may I have the number?"

    def log(number: int, text: str) -> dict[str, object]:
        said = (("system", system), ("user", text), ("assistant", answer), ("user", "Yes, it is 1234."))
        return {
            "id": f"chatcmpl-{number}",
            "created": 1714557600 + number,
            "model": "gpt-4o-mini-2024-07-18",
            "user_agent": AGENT,
            "metadata": {"team": "support", "url": "https://shop.example/orders/1234"},
            "messages": [{"role": role, "content": content} for role, content in said],
        }

    messages = [{"id": str(n), "messages": [{"role": "user", "content": text}]} for n, text in enumerate(texts)]
    pairs = [{"id": n, "prompt": text, "response": "Sure."} for n, text in enumerate(texts)]
    shapes: dict[str, Sequence[Mapping[str, object]]] = {
        "messages": messages,
        "log": [log(n, text) for n, text in enumerate(texts)],
        "pairs": pairs,
    }
    rows = (f'{n},"{text.replace(chr(34), chr(34) * 2)}",0\n' for n, text in enumerate(texts))
    return {
        **{name: "".join(f"{json.dumps(record)}\n" for record in records).encode() for name, records in shapes.items()},
        "lines": "".join(f"{' '.join(text.split())}\n" for text in texts).encode(),
        "csv": ("id,prompt,label\n" + "".join(rows)).encode(),
    }


def reader(folder: Path) -> subprocess.Popen[str]:
    """A process that reads with the version in a folder."""
    command = [sys.executable, "-c", WORKER, str(folder.resolve())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def timed(process: subprocess.Popen[str], path: Path) -> float:
    """Microseconds a record that a version takes for a file."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{path}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


@click.command(help=__doc__)
@click.option("--against", type=click.Path(exists=True, path_type=Path), required=True, help="The other version.")
@click.option("--prompts", "source", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("reading.json"), show_default=True)
def main(against: Path, source: Path, rounds: int, out: Path) -> None:
    with gzip.open(source, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["messages"][-1]["content"] for line in file]
    readers = {"before": reader(against), "now": reader(Path(__file__).parent.parent)}
    found: dict[str, dict[str, float]] = {}
    start = time.monotonic()
    for name, content in contents(texts).items():
        path = out.with_suffix(f".{name}")
        path.write_bytes(content)
        taken: dict[str, list[float]] = {version: [] for version in readers}
        for _ in range(rounds):
            for version, process in readers.items():
                taken[version].append(timed(process, path))
        path.unlink()
        before, now = median(taken["before"]), median(taken["now"])
        found[name] = {"before": round(before, 1), "now": round(now, 1), "ratio": round(now / before, 3)}
        click.echo(f"{name:10} {before:7.1f} {now:7.1f}  ratio {now / before:.3f}")
    for process in readers.values():
        process.terminate()
    out.write_text(json.dumps({"records": len(texts), "microseconds_a_record": found}, indent=2) + "\n")
    click.echo(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
