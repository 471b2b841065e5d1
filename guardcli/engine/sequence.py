"""A sequence: tokens that stand in the cache under one number, or are about to. It evaluates nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from guardcli.engine.context import Rows
from guardcli.engine.kv_cells import Ids
from guardcli.engine.plan import Tokens
from guardcli.engine.request import Logits
from guardcli.engine.request_queue import Primed

NONE: Rows = np.empty(0, dtype=np.int32)


@dataclass(slots=True, eq=False)
class RunningSequence:
    """`stored` of the tokens are evaluated, `rows` more stand in the batch; `cells` holds both.

    A head has no task (`primed`). `probes` are (position, token ids) not read yet, `readings` what was read.
    """

    number: int
    tokens: Tokens
    primed: Primed[Any] | None
    queries: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    stored: int = 0
    rows: Rows = field(default_factory=lambda: NONE)
    cells: Ids = field(default_factory=lambda: NONE)
    readings: list[Logits] = field(default_factory=list)
    answering: bool = False
    active: bool = True
    last_used: int = 0

    @property
    def begun(self) -> int:
        """Tokens evaluated or in the batch."""
        return self.stored + len(self.rows)

    @property
    def open(self) -> int:
        """Tokens that have no row yet."""
        return len(self.tokens) - self.begun
