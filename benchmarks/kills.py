"""Break an audit off at random moments, resume it until it ends, and compare its bytes with those of an unbroken run.

    python -m benchmarks.kills --kills 100 --limits 5 --full-disks 5

Half of the rounds of kills strike at any moment, the other half as soon as a block is begun, so that one block is
killed again and again. A round of `--limits` restarts a run eight times under a limit on the size of files (ulimit -f).
One of `--full-disks` does so on a tmpfs of 300 kB, as an ordinary user, and needs root to mount it. What is counted is
written as JSON.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV)
RESTARTS = 8
ORDINARY = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")  # root without what an ordinary user may not do
BALLAST = 150_000  # bytes on the small disk
TEXT = "how do i bake bread in an old oven and which knife is the best one for it when nobody is at home"


@dataclass(slots=True)
class Figures:
    """What happened: `same` of `runs` ended with the bytes of the unbroken run. `deaths` stand in the journals, and in
    `trials` the records of a block were tried one by one."""

    kills: int = 0
    limits: int = 0
    full_disks: int = 0
    runs: int = 0
    same: int = 0
    trials: int = 0
    poison_records: int = 0
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

    def start(
        self, output: str, *, bytes_at_most: int | None = None, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """`bytes_at_most` limits the size of files; `prefix` is a command that runs another one."""
        words = ["audit", "input.jsonl", "-o", output, "-m", self.model, "--threads", "1", "-q"]

        def limit() -> None:
            if bytes_at_most is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, bytes_at_most))

        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "guardcli", *words],
            cwd=self.folder,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=limit,
        )

    def entries(self, output: str, kind: str) -> int:
        """How many entries of a kind a journal has."""
        path = self.folder / f"{output}.journal"
        return path.read_text("utf-8", "replace").count(f'"{kind}":{{') if path.exists() else 0


@click.command(help=__doc__)
@click.option("--kills", default=100, show_default=True)
@click.option("--limits", default=0, show_default=True, help="Rounds of restarts under a limit on the size of files.")
@click.option("--full-disks", default=0, show_default=True, help="Rounds of restarts on a full disk.")
@click.option("--model", default="smol", show_default=True)
@click.option("--records", default=700, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("kills.json"), show_default=True)
def main(kills: int, limits: int, full_disks: int, model: str, records: int, seed: int, out: Path) -> None:
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
            output = f"out-{figures.runs}.jsonl"
            _run(audit, output, min(rng.randrange(5, 20), kills - figures.kills), rng, figures)
            figures.same += (audit.folder / output).read_bytes() == whole
        for _ in range(limits):
            output = f"out-{figures.runs}.jsonl"
            for _ in range(RESTARTS):
                _fail(audit.start(output, bytes_at_most=rng.randrange(1, len(whole))), figures)
                figures.limits += 1
            _end(audit, audit.start(output), output, figures)
            figures.same += (audit.folder / output).read_bytes() == whole
        for _ in range(full_disks):
            figures.same += _on_full_disk(audit, figures) == whole
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
    _end(audit, audit.start(output), output, figures)


def _on_full_disk(audit: Audit, figures: Figures) -> bytes:
    """A run restarted on a disk of 300 kB, as an ordinary user, and ended when there is room; its output."""
    disk = audit.folder / f"disk-{figures.runs}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=777", "tmpfs", disk], check=True)
    output = f"{disk.name}/out.jsonl"
    try:
        (disk / "ballast").write_bytes(bytes(BALLAST))
        for _ in range(RESTARTS):
            _fail(audit.start(output, prefix=ORDINARY), figures)
            figures.full_disks += 1
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        _end(audit, audit.start(output, prefix=ORDINARY), output, figures)
        return (disk / "out.jsonl").read_bytes()
    finally:
        subprocess.run(["umount", disk], check=True)


def _fail(process: subprocess.Popen[bytes], figures: Figures) -> None:
    """Wait for the end of a run that has no room."""
    _finish(process, figures)
    if process.returncode != 2:
        raise click.ClickException(f"a run without room ended with {process.returncode}")


def _end(audit: Audit, process: subprocess.Popen[bytes], output: str, figures: Figures) -> None:
    """Wait for the end of a run that nothing breaks off, and count what its journal says."""
    _finish(process, figures)
    figures.runs += 1
    figures.trials += audit.entries(output, "cleared")
    figures.poison_records += audit.entries(output, "guilty")
    figures.deaths += audit.entries(output, "died")


def _finish(process: subprocess.Popen[bytes], figures: Figures) -> None:
    """Wait for the end. faulthandler's trace of a fault that was sent goes to a file, so that none is on stderr."""
    _, stderr = process.communicate()
    figures.bugs += b"this is a bug in guard" in stderr


if __name__ == "__main__":
    main()
