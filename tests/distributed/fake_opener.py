"""Opens guards with a fake engine, in any process: in a module of its own, since pickle names it."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from guardcli import Guard
from guardcli.audit.job import GuardOpener
from guardcli.models import Model
from tests.fake import FakeEngine


@dataclass(frozen=True, slots=True)
class FakeOpener(GuardOpener):
    """Opens a guard whose fake engine takes some time for each message, or sends the process a signal."""

    seconds: float = 0.002
    word: str | None = None
    signal: int = signal.SIGKILL

    def __call__(self) -> Guard:
        model = Model.load(self.model.model, template="llama-guard-3-8b", cache=self.cache)
        return Guard(model, self.taxonomy, config=self.config, engine=FakeEngine(self.score))

    def score(self, text: str) -> float:
        time.sleep(self.seconds)
        if self.word is not None and self.word in text:
            signal.raise_signal(self.signal)  # to this thread: it goes no further
        return sum(text.encode()) % 997 / 997
