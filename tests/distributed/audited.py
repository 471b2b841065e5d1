"""An audit with a fake engine on one machine or on a cluster: `python -m tests.distributed.audited INPUT OUT MODEL …`.

`--ray ADDRESS` runs it on a cluster. With `--word WORD --signal NAME` the process that judges a message with the word
sends itself that signal, wherever it is: it stands for a record that ends llama.cpp. SIGSTOP stands for one that hangs.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from guardcli import EngineConfig, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import AuditJob, AuditObserver, Interrupted, Interrupts, Shard
from guardcli.audit.auditing import run_job
from guardcli.distributed import ClusterConfig, audit_on_cluster
from guardcli.errors import GuardError
from guardcli.formats import ReadOptions
from tests.distributed.fake_opener import FakeOpener

UNIT_BYTES, BLOCK_TOKENS = 4_000, 2_000


class Lines(AuditObserver):
    """Prints to stderr what happens."""

    def on_worker(self, node: str, description: str) -> None:
        print(f"worker on {node}", file=sys.stderr, flush=True)

    def on_worker_lost(self, node: str, reason: str) -> None:
        print(f"lost {node}: {reason}", file=sys.stderr, flush=True)

    def on_poison_record(self, location: str, signal: str) -> None:
        print(f"poison {location} {signal}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("model")
    parser.add_argument("--ray")
    parser.add_argument("--seconds", type=float, default=0.002)
    parser.add_argument("--word")
    parser.add_argument("--signal", default="SIGKILL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--gpus", type=float)
    given = parser.parse_args()
    opener = FakeOpener(
        ModelConfig(given.model, template="llama-guard-3-8b"),
        Taxonomy.load("llama-guard-3"),
        JudgeConfig(),
        EngineConfig(threads=given.threads),
        None,
        given.seconds,
        given.word,
        getattr(signal, given.signal),
    )
    job = AuditJob(
        inputs=(given.input,),
        output=Path(given.output),
        open_guard=opener,
        read_options=ReadOptions(),
        unit_bytes=UNIT_BYTES,
        block_tokens=BLOCK_TOKENS,
    )
    try:
        if given.ray is None:
            run_job(job, shard=Shard(), observer=Lines(), interrupts=Interrupts())
        else:
            cluster = ClusterConfig(given.ray, worker_timeout=given.timeout, gpus_per_worker=given.gpus)
            audit_on_cluster(job, cluster, observer=Lines(), interrupts=Interrupts())
    except (Interrupted, GuardError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
