"""Opens guards whose engine evaluates nothing, in any process: in a module of its own, since pickle names it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.host import NullContext, null_engine
from guardcli import Guard
from guardcli.audit.job import GuardOpener
from guardcli.models import Model


class SleepingContext(NullContext):
    """A context that takes a second for each batch."""

    def decode(self) -> None:
        time.sleep(1)


@dataclass(frozen=True, slots=True)
class NullOpener(GuardOpener):
    """Opens a guard whose engine evaluates nothing, at once or slowly."""

    sleeping: bool = False

    def __call__(self) -> Guard:
        model = Model.load(self.model.model, template="llama-guard-3-8b", cache=self.cache)
        engine = null_engine(context=SleepingContext if self.sleeping else NullContext)
        return Guard(model, self.taxonomy, config=self.config, engine=engine)
