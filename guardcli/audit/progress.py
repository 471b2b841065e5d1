"""How far a run is, in totals over all its attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from guardcli.verdict import Verdict


@dataclass(slots=True)
class Progress:
    """Rows, unsafe rows and errors of the whole run; `resumed` rows were there when this attempt began.

    `position` and `block_end` are bytes of the inputs, as they are on disk: where the open block begins and ends.
    """

    rows: int = 0
    unsafe: int = 0
    errors: int = 0
    resumed: int = 0
    position: int = 0
    block_end: int = 0
    block_records: int = 0
    block_done: int = 0
    tokens: Callable[[], int] = field(default=lambda: 0)

    def count(self, verdict: Verdict) -> None:
        """Count a row."""
        self.rows += 1
        self.unsafe += verdict.verdict == "unsafe"
        self.errors += verdict.verdict == "error"
