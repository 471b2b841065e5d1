"""`guard audit` with a fake engine, to be killed: `python -m tests.audit.audited INPUT OUTPUT MODEL [WORD SIGNAL]`.

With WORD and SIGNAL the process sends itself that signal where a message with the word is judged, in whatever process
that is: it stands for a record that ends llama.cpp.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from guardcli import Guard
from guardcli.audit import (
    AuditPlan,
    BlockLimits,
    Interrupted,
    Interrupts,
    Source,
    isolate_poison_records,
    run_audit,
    split_into_units,
)
from guardcli.audit.journal import Journal
from guardcli.errors import GuardError
from guardcli.formats import ReadOptions
from guardcli.judging.writers import jsonl
from guardcli.models import Model
from tests.fake import FakeEngine

BLOCK, UNIT = 20, 6_000  # records, bytes
SLOWLY = 0.0005  # seconds a prompt, so that there is a moment to be killed in


@dataclass(frozen=True)
class Deadly:
    """Opens a guard whose fake engine gives each message a score of its own, or sends the process a signal."""

    model: str
    word: str | None = None
    signal: int = signal.SIGKILL

    def __call__(self) -> Guard:
        model = Model.load(self.model, template="llama-guard-3-8b")
        return Guard(model, "llama-guard-3", engine=FakeEngine(self.score))

    def score(self, text: str) -> float:
        time.sleep(SLOWLY)
        if self.word is not None and self.word in text:
            os.kill(os.getpid(), self.signal)
        return sum(text.encode()) % 997 / 997


def plan_of(source: str) -> AuditPlan:
    cut = split_into_units([Source.from_path(source, UNIT)], ReadOptions().find_record_lines)
    return AuditPlan(cut, limits=BlockLimits(records=BLOCK))


def audit(source: str, output: str, open_guard: Deadly) -> None:
    plan = plan_of(source)
    manifest = {"inputs": [one.as_json() for one in plan.sources]}
    with Interrupts() as interrupts, Journal(Path(output), manifest) as journal:
        if journal.state.finished:
            return
        if journal.state.needs_isolation:
            isolate_poison_records(journal, plan, open_guard, interrupts=interrupts)
        journal.watch_faults()
        run_audit(open_guard(), journal, plan, jsonl.line, interrupts=interrupts)


def main() -> None:
    source, output, model, *deadly = sys.argv[1:]
    word, number = (deadly[0], getattr(signal, deadly[1])) if deadly else (None, signal.SIGKILL)
    try:
        audit(source, output, Deadly(model, word, number))
    except (Interrupted, GuardError) as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
