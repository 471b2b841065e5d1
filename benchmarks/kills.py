"""Kill an audit at random moments, resume it until it ends, and compare its bytes with those of an unbroken run.

    python -m benchmarks.kills --kills 100

Half of the rounds kill at any moment, the other half as soon as a block is begun, so that one block is killed again and
again. What is counted is written as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV)
TEXT = "how do i bake bread in an old oven and which knife is the best one for it when nobody is at home"


@dataclass(slots=True)
class Figures:
    """What happened: `same` of `runs` ended with the bytes of the unbroken run. `deaths` stand in the journals, and in
    `trials` the records of a block were tried one by one."""

    kills: int = 0
    runs: int = 0
    same: int = 0
    trials: int = 0
    guilty: int = 0
    bugs: int = 0
    deaths: int = 0
    seconds: float = 0.0
    signals: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit of `records` random prompts in a folder."""

    folder: Path
    model: str
    records: int

    def write_input(self, rng: random.Random) -> None:
        prompts = (" ".join(rng.choices(TEXT.split(), k=rng.randrange(3, 60))) for _ in range(self.records))
        lines = (json.dumps({"id": str(at), "prompt": prompt}) + "\n" for at, prompt in enumerate(prompts))
        (self.folder / "input.jsonl").write_text("".join(lines))

    def start(self, output: str) -> subprocess.Popen[bytes]:
        words = ["audit", "input.jsonl", "-o", output, "-m", self.model, "--threads", "1", "-q"]
        return subprocess.Popen(
            [sys.executable, "-m", "guardcli", *words], cwd=self.folder, stderr=subprocess.PIPE, start_new_session=True
        )

    def entries(self, output: str, kind: str) -> int:
        """How many entries of a kind a journal has."""
        path = self.folder / f"{output}.journal"
        return path.read_text("utf-8", "replace").count(f'"{kind}":{{') if path.exists() else 0


@click.command(help=__doc__)
@click.option("--kills", default=100, show_default=True)
@click.option("--model", default="starter", show_default=True)
@click.option("--records", default=700, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("kills.json"), show_default=True)
def main(kills: int, model: str, records: int, seed: int, out: Path) -> None:
    rng = random.Random(seed)
    figures = Figures()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        audit = Audit(Path(folder), model, records)
        audit.write_input(rng)
        process = audit.start("whole.jsonl")
        _, stderr = process.communicate()
        if process.returncode:
            raise click.ClickException(stderr.decode())
        whole = (audit.folder / "whole.jsonl").read_bytes()
        while figures.kills < kills:
            _run(audit, f"out-{figures.runs}.jsonl", min(rng.randrange(5, 20), kills - figures.kills), rng, figures)
            figures.same += (audit.folder / f"out-{figures.runs - 1}.jsonl").read_bytes() == whole
    figures.seconds = round(time.monotonic() - began, 1)
    out.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    click.echo(out.read_text(), nl=False)
    sys.exit(0 if figures.same == figures.runs and not figures.bugs else 1)


def _run(audit: Audit, output: str, kills: int, rng: random.Random, figures: Figures) -> None:
    """One run, killed so many times and resumed to its end."""
    in_one_block = rng.random() < 0.5
    for _ in range(kills):
        begun = audit.entries(output, "begin")
        process = audit.start(output)
        if in_one_block:
            while process.poll() is None and audit.entries(output, "begin") == begun:
                time.sleep(0.003)
            time.sleep(rng.uniform(0.0, 0.1))
        else:
            time.sleep(rng.uniform(0.2, 3.0))
        chosen = rng.choice(SIGNALS)
        if process.poll() is not None:  # the run is finished
            _finish(process, figures)
            break
        os.kill(process.pid, chosen)
        figures.kills += 1
        figures.signals[chosen.name] = figures.signals.get(chosen.name, 0) + 1
        _finish(process, figures)
    process = audit.start(output)
    _finish(process, figures)
    figures.runs += 1
    figures.trials += audit.entries(output, "cleared")
    figures.guilty += audit.entries(output, "guilty")
    figures.deaths += audit.entries(output, "died")


def _finish(process: subprocess.Popen[bytes], figures: Figures) -> None:
    """Wait for the end. faulthandler's trace of a fault that was sent goes to a file, so that none is on stderr."""
    _, stderr = process.communicate()
    figures.bugs += b"this is a bug in guard" in stderr


if __name__ == "__main__":
    main()
