"""Audits on imitated nodes: killed at random moments, and what the cluster costs beside one machine.

    python -m benchmarks.cluster --kills 10 --rounds 5

Nodes and drivers are processes on loopback. A worker, a node and the driver are killed `--kills` times each, at a
random moment of a run of its own, which is then run to its end; its bytes are compared with those of `guard audit`. The
CPU of judging is that of the workers with one thread each, as it grows from --records to three times as many, so that
starts are not in it: with one machine and with the cluster in turns, medians over rounds. The driver's is told for
itself. Hashing the inputs and joining the parts are measured without Ray.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread

import click

from benchmarks.kills import TEXT
from guardcli.audit.journal import Journal
from guardcli.audit.merge import append_part
from guardcli.audit.sources import Source
from tests.distributed.nodes import LOOPBACK, Nodes, running_nodes

NODES = 3
KINDS = ("worker", "node", "driver")
_TICKS = os.sysconf("SC_CLK_TCK")
_SIZE = 200_000_000  # bytes that are hashed, and joined


@dataclass(slots=True)
class Figures:
    """What was measured: `same` of the killed runs of each kind had the bytes of one machine.

    CPU is in microseconds a row; `cpu_ratio` is that of the workers to that of one machine, the median of the rounds.
    """

    kills: dict[str, int] = field(default_factory=dict)
    same: dict[str, int] = field(default_factory=dict)
    seconds_of_a_killed_run: float = 0.0
    cpu_one_machine: float = 0.0
    cpu_workers: float = 0.0
    cpu_ratio: float = 0.0
    cpu_driver: float = 0.0
    hash_mb_per_cpu_second: float = 0.0
    join_mb_per_cpu_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Audit:
    """Audits of random prompts in a folder, with one thread a process."""

    folder: Path
    model: str

    def write_input(self, name: str, records: int, rng: random.Random) -> None:
        prompts = (" ".join(rng.choices(TEXT.split(), k=rng.randrange(3, 60))) for _ in range(records))
        lines = (json.dumps({"id": str(at), "prompt": prompt}) + "\n" for at, prompt in enumerate(prompts))
        (self.folder / name).write_text("".join(lines))

    def start(self, source: str, output: str, *more: str) -> subprocess.Popen[bytes]:
        words = ["audit", source, "-o", output, "-m", self.model, "--threads", "1", "--unit-bytes", "20000", "-q"]
        return subprocess.Popen(
            [sys.executable, "-m", "guardcli", *words, *more],
            cwd=self.folder, env=os.environ | LOOPBACK, stderr=subprocess.PIPE,
        )  # fmt: skip


@click.command(help=__doc__)
@click.option("--kills", default=10, show_default=True, help="Of each kind.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--records", default=600, show_default=True)
@click.option("--model", default="smol", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("cluster.json"), show_default=True)
def main(kills: int, rounds: int, records: int, model: str, seed: int, out: Path) -> None:
    rng = random.Random(seed)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder, running_nodes([1] * NODES, Path(folder) / "nodes.log") as nodes:
        audit = Audit(Path(folder), model)
        audit.write_input("short.jsonl", records, rng)
        audit.write_input("long.jsonl", 3 * records, rng)
        _finish(audit.start("short.jsonl", "whole.jsonl"))
        whole = (audit.folder / "whole.jsonl").read_bytes()
        began = time.monotonic()
        for kind in KINDS * kills:
            output = audit.folder / f"{kind}-{figures.kills.get(kind, 0)}.jsonl"
            _run_and_kill(kind, audit, nodes, output, rng)
            figures.kills[kind] = figures.kills.get(kind, 0) + 1
            figures.same[kind] = figures.same.get(kind, 0) + (output.read_bytes() == whole)
            click.echo(f"{kind}: {figures.same[kind]} of {figures.kills[kind]} the same", err=True)
        if kills:
            figures.seconds_of_a_killed_run = round((time.monotonic() - began) / kills / len(KINDS), 1)
        if rounds:
            _measure_cpu(audit, nodes, rounds, records, figures)
        _measure_files(audit.folder, figures)
    out.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    click.echo(out.read_text(), nl=False)
    sys.exit(0 if figures.same == figures.kills else 1)


def _run_and_kill(kind: str, audit: Audit, nodes: Nodes, output: Path, rng: random.Random) -> None:
    """Run an audit, kill something once workers are there, and run it to its end."""
    words = ("short.jsonl", output.name, "--ray", nodes.address)
    process = audit.start(*words)
    while process.poll() is None and not nodes.workers():
        time.sleep(0.05)
    time.sleep(rng.uniform(0.0, 12.0))
    if kind == "driver":
        process.kill()
        process.communicate()
        process = audit.start(*words)
    elif kind == "node":
        nodes.kill(-1)
        nodes.add(1)
    elif workers := nodes.workers():
        os.kill(rng.choice(workers), signal.SIGKILL)
    _finish(process)


def _measure_cpu(audit: Audit, nodes: Nodes, rounds: int, records: int, figures: Figures) -> None:
    """CPU as it grows with the records: of one machine, of the workers, and of the driver."""
    ways: dict[str, Callable[[str, str], tuple[float, float]]] = {
        "one": lambda source, output: (_cpu_of(audit.start(source, output)), 0.0),
        "many": lambda source, output: _cpu_of_cluster(audit, nodes, source, output),
    }
    grown: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            short = way("short.jsonl", f"cpu-{name}-{number}-short.jsonl")
            long = way("long.jsonl", f"cpu-{name}-{number}-long.jsonl")
            grown[name].append(tuple(1e6 * (b - a) / (2 * records) for a, b in zip(short, long, strict=True)))  # type: ignore[arg-type]
            click.echo(f"round {number}, {name}: {grown[name][-1]}", err=True)
    figures.cpu_one_machine = round(median(one for one, _ in grown["one"]), 1)
    figures.cpu_workers = round(median(workers for workers, _ in grown["many"]), 1)
    figures.cpu_driver = round(median(driver for _, driver in grown["many"]), 1)
    pairs = zip(grown["one"], grown["many"], strict=True)
    figures.cpu_ratio = round(median(many[0] / one[0] for one, many in pairs), 3)


def _cpu_of(process: subprocess.Popen[bytes]) -> float:
    """The CPU seconds of a process that comes to its end."""
    assert process.stderr is not None
    stderr = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(stderr.decode())
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def _cpu_of_cluster(audit: Audit, nodes: Nodes, source: str, output: str) -> tuple[float, float]:
    """The CPU seconds of the workers, as seen last before they ended, and of the driver."""
    process = audit.start(source, output, "--ray", nodes.address)
    with _watched_workers(nodes) as seconds:
        driver = _cpu_of(process)
    return sum(seconds.values()), driver


@contextmanager
def _watched_workers(nodes: Nodes) -> Iterator[dict[int, float]]:
    """The CPU seconds of all workers by their processes, read on in a thread."""
    seconds: dict[int, float] = {}
    stopped = Event()

    def watch() -> None:
        while not stopped.wait(0.05):
            for pid in nodes.workers():
                try:
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:  # it has ended
                    continue
                seconds[pid] = (int(fields[11]) + int(fields[12])) / _TICKS

    thread = Thread(target=watch)
    thread.start()
    try:
        yield seconds
    finally:
        stopped.set()
        thread.join()


def _measure_files(folder: Path, figures: Figures) -> None:
    """The speed of what the driver does with whole files."""
    path = folder / "rows.jsonl"
    line = json.dumps({"source": "a.jsonl", "line": 1, "verdict": "safe", "text": "x" * 400}) + "\n"
    with Journal(path, {"unit": 0}) as part:
        part.begin()
        for _ in range(100):
            part.write_bytes((line * (_SIZE // 100 // len(line))).encode())
        part.commit(records=1, unit=0, line=2)
        part.finish()
    size = path.stat().st_size
    began = time.process_time()
    Source.from_path(str(path))
    figures.hash_mb_per_cpu_second = round(size / 1e6 / (time.process_time() - began), 1)
    with Journal(folder / "joined.jsonl", {}) as journal:
        began = time.process_time()
        append_part(journal, path, expected={"unit": 0}, unit=0, position=size)
        figures.join_mb_per_cpu_second = round(size / 1e6 / (time.process_time() - began), 1)


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, stderr = process.communicate()
    if process.returncode:
        raise click.ClickException(stderr.decode())


if __name__ == "__main__":
    main()
