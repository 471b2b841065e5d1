"""A process that audits with a fake engine, to be killed: `python -m tests.audited INPUT OUTPUT MODEL [DIES]`.

With DIES it ends by itself, at once, when a message with that word is judged.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from guardcli import Guard
from guardcli.audit import Item, Source, run
from guardcli.commands import inputs
from guardcli.journal import Journal
from guardcli.model import Model
from guardcli.writers import jsonl
from tests.fake import FakeEngine

BLOCK = 20
SLOWLY = 0.0005  # seconds a prompt, so that there is a moment to be killed in


def score(text: str) -> float:
    """A score of its own for each message; one that is deadly ends the process."""
    time.sleep(SLOWLY)
    if len(sys.argv) > 4 and sys.argv[4] in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return sum(text.encode()) % 997 / 997


def read(path: str, start: int) -> Iterable[Item]:
    return inputs.Reading().records([path], start=start)


def main() -> None:
    source, output, model = sys.argv[1:4]
    with Model.load(model, generation="llama-guard-3-8b") as loaded:
        guard = Guard(loaded, "llama-guard-3", engine=FakeEngine(score))
        sources = [Source.of(source)]
        with Journal(Path(output), {"inputs": source}) as journal:
            if not journal.finished:
                for _ in run(guard, journal, sources, read, jsonl.line, size=BLOCK):
                    pass


if __name__ == "__main__":
    main()
