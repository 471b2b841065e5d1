"""A sequence of the KV cache: tokens under one llama_seq_id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from guardcli.engine.context import Rows
from guardcli.engine.kv_cells import CellIds
from guardcli.engine.request import LogitQuery, Logits, RequestStep
from guardcli.engine.request_queue import PendingRequest
from guardcli.models.vocab import TokenIds

EMPTY: Rows = np.empty(0, dtype=np.int32)


@dataclass(slots=True, eq=False)
class KvSequence:
    """Tokens that are in the KV cache under one `seq_id`, or on their way there.

        tokens   | computed                | in the batch         | pending        |
                 |<- num_computed_tokens ->|<- len(rows) -------->|<- num_pending ->|
        cells    |<- scheduled_len ------------------------------>|

    A cached prefix has no `request`. `queries` are those not answered yet, and `logits` the answers so far to the
    current step. `is_decoding` says that the request is past its first step. `last_used` is the time (the cache's
    count of sequences) at which a prefix was last matched.

    Its fields are written here and by the prefix cache, which owns it.
    """

    seq_id: int
    tokens: TokenIds
    request: PendingRequest[Any] | None
    queries: list[LogitQuery] = field(default_factory=list)
    num_computed_tokens: int = 0
    rows: Rows = field(default_factory=lambda: EMPTY)
    cells: CellIds = field(default_factory=lambda: EMPTY)
    logits: list[Logits] = field(default_factory=list)
    is_decoding: bool = False
    is_running: bool = True
    last_used: int = 0

    @property
    def scheduled_len(self) -> int:
        """How many tokens are computed or in the batch."""
        return self.num_computed_tokens + len(self.rows)

    @property
    def num_pending_tokens(self) -> int:
        """How many tokens have no row in the batch yet."""
        return len(self.tokens) - self.scheduled_len

    def start_step(self, step: RequestStep) -> None:
        """Append the tokens of the request's next step, and take over its queries."""
        self.tokens = np.concatenate((self.tokens, step.tokens))
        self.queries = list(step.queries)
        self.logits = []
        self.is_decoding = True

    def finish_batch(self, read: Callable[[int, tuple[int, ...]], Logits]) -> None:
        """Answer the queries about tokens in the batch by `read` (a row and token ids → logits); all are computed."""
        while self.queries and self.queries[0].position < self.scheduled_len:
            query = self.queries.pop(0)
            row = int(self.rows[query.position - self.num_computed_tokens])
            self.logits.append(read(row, query.token_ids))
        self.num_computed_tokens = self.scheduled_len
        self.rows = EMPTY
