"""Audit with a model, and measure how long its blocks take.

    python -m benchmarks.blocks --model random-1b-q8_0.gguf --prompts openai_mod.jsonl.gz

Whatever an audit is killed at, it loses no more than one block. The first block also evaluates the policy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import click


def checkpoints(journal: Path) -> int:
    """How many blocks a journal has committed."""
    return journal.read_bytes().count(b'"checkpoint":{') if journal.exists() else 0


@click.command(help=__doc__)
@click.option("--model", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--prompts", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--blocks", default=5, show_default=True, help="How many to wait for.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("blocks.json"), show_default=True)
def main(model: Path, prompts: Path, blocks: int, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.jsonl"
        words = [
            "audit",
            str(prompts),
            "-o",
            str(output),
            "-m",
            str(model),
            "--allow-unverified-model",
            "--threshold",
            "1",
            "-q",
        ]
        process = subprocess.Popen([sys.executable, "-m", "guardcli", *words])
        times: list[float] = []
        try:
            while len(times) <= blocks and process.poll() is None:
                time.sleep(0.05)
                journal = output.with_name(f"{output.name}.journal")
                begun = journal.exists() and b'"begin":{' in journal.read_bytes()
                times += [time.monotonic()] * (int(begun) + checkpoints(journal) - len(times))
        finally:
            process.terminate()
            process.wait()
    seconds = [round(after - before, 1) for before, after in pairwise(times)]
    if not seconds:
        raise click.ClickException("no block was committed")
    found = {"cores": len(os.sched_getaffinity(0)), "block_seconds": seconds, "median": median(seconds)}
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(out.read_text(), nl=False)


if __name__ == "__main__":
    main()
