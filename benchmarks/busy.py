"""Measure what is left of guard's speed beside other busy processes, and how long a line waits in a stream.

    python -m benchmarks.busy --model smol --prompts prompts.jsonl

Each round judges the file once with every setting, beside none, one and two processes that keep a core busy. Figures
are medians. `left` is the share of the idle speed with guard's own setting. For the latency, one line after the other
goes through `guard check` in a pipe.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click

from guardcli.environment import SPIN_COUNT

GUARD = [sys.executable, "-m", "guardcli"]

# GCC's own number of rounds, none, and guard's.
SETTINGS = {"libgomp": "300000", "none": "0", "guard": str(SPIN_COUNT)}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but keep a core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def tokens_per_second(model: str, prompts: Path, threads: int, spin_count: str) -> float:
    """The speed of one run over a file."""
    command = [*GUARD, "check", "-m", model, "--threads", str(threads), "--exit-zero", "--stats", str(prompts)]
    done = subprocess.run(command, env=os.environ | {"GOMP_SPINCOUNT": spin_count}, capture_output=True, text=True)
    found = re.search(r"([\d,]+) tokens/s", done.stderr)
    if found is None:
        raise click.ClickException(done.stderr)
    return float(found[1].replace(",", ""))


def latencies(model: str, threads: int, count: int) -> list[float]:
    """Milliseconds from a line going in to its verdict coming out, after the first one."""
    command = [*GUARD, "check", "-m", model, "--threads", str(threads)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    taken = []
    for number in range(count + 1):
        start = time.perf_counter()
        process.stdin.write(f"This is line number {number} of a chat.\n".encode())
        process.stdin.flush()
        process.stdout.readline()
        taken.append(1000 * (time.perf_counter() - start))
        time.sleep(0.02)
    process.stdin.close()
    process.wait()
    return taken[1:]


@click.command(help=__doc__)
@click.option("--model", required=True)
@click.option("--prompts", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--threads", default=os.cpu_count() or 1, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--lines", default=50, show_default=True, help="Of the stream.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("busy.json"), show_default=True)
def main(model: str, prompts: Path, threads: int, rounds: int, lines: int, out: Path) -> None:
    result: dict[str, dict[str, object]] = {}
    idle = 0.0
    for beside in (0, 1, 2):
        with busy(beside):
            speeds: dict[str, list[float]] = {name: [] for name in SETTINGS}
            for _ in range(rounds):
                for name, spin_count in SETTINGS.items():
                    speeds[name].append(tokens_per_second(model, prompts, threads, spin_count))
            waits = sorted(latencies(model, threads, lines))
        found = {name: median(values) for name, values in speeds.items()}
        idle = idle or found["guard"]
        result[f"beside {beside}"] = {
            "tokens_per_second": {name: round(value) for name, value in found.items()},
            "left": round(found["guard"] / idle, 3),
            "latency_ms": {"median": round(median(waits), 1), "most": round(waits[-1], 1)},
        }
        click.echo(f"beside {beside}: {json.dumps(result[f'beside {beside}'])}")
    out.write_text(json.dumps({"model": model, "threads": threads, "cores": os.cpu_count()} | result, indent=2) + "\n")


if __name__ == "__main__":
    main()
