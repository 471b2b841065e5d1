"""How far a run is: totals over all its attempts, and rates of this one, on one line of 80 columns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guardcli.audit.blocks import Block
from guardcli.audit.journal import Checkpoint
from guardcli.text.durations import clock

if TYPE_CHECKING:
    from guardcli.judging import Guard, Verdict

_COLUMNS = 79


@dataclass(slots=True)
class AuditProgress:
    """Rows, unsafe rows and errors of the whole run, and bytes of its inputs as they are on disk.

    The open block reaches from byte `position` to `block_end`; so many of its records are judged. A reader in another
    thread may see a row counted and the next figure not yet.
    """

    total: int = 0
    rows: int = 0
    unsafe: int = 0
    errors: int = 0
    position: int = 0
    block_end: int = 0
    block_records: int = 0
    block_judged: int = 0
    tokens: int = 0
    guard: Guard | None = None
    began: float = field(default_factory=time.monotonic)
    rows_before: int = 0
    position_before: int = 0

    def resume(self, checkpoint: Checkpoint, total: int) -> None:
        """Begin an attempt behind a checkpoint; the inputs have so many bytes."""
        self.rows, self.unsafe, self.errors = checkpoint.rows, checkpoint.unsafe, checkpoint.errors
        self.rows_before, self.total = checkpoint.rows, total
        self.position = self.block_end = self.position_before = checkpoint.position
        self.began = time.monotonic()

    def begin(self, guard: Guard, block: Block) -> None:
        """A block begins: reset the guard for it, whose statistics are counted until then."""
        self.tokens = self.tokens_evaluated
        self.guard = None
        self.block_records, self.block_judged = len(block.items), 0
        self.block_end = max(block.position, self.position)
        guard.reset(block.items)
        self.guard = guard

    def count(self, verdict: Verdict) -> None:
        """Count a row."""
        self.rows += 1
        self.unsafe += verdict.verdict == "unsafe"
        self.errors += verdict.verdict == "error"

    def commit(self) -> None:
        """The block is judged."""
        self.position, self.block_records = self.block_end, 0

    def end(self) -> None:
        """The attempt is over: its guard may be closed."""
        self.tokens, self.guard = self.tokens_evaluated, None

    @property
    def tokens_evaluated(self) -> int:
        """Tokens that the engine evaluated in this attempt."""
        guard = self.guard
        return self.tokens + (guard.stats.prefill_tokens if guard is not None else 0)

    @property
    def bytes_done(self) -> float:
        """Bytes of the inputs that are judged; inside a block estimated by its records."""
        done = self.block_judged / self.block_records if self.block_records else 0.0
        return min(self.total, self.position + done * (self.block_end - self.position))

    def trial_line(self) -> str:
        """The same where the records of a block are tried one by one."""
        return f"{self.block_judged:,} of {self.block_records:,} records tried"

    def line(self, now: float | None = None) -> str:
        """One line for a person; what does not fit 80 columns is left out at its end."""
        seconds = max((time.monotonic() if now is None else now) - self.began, 1e-9)
        done = self.bytes_done
        share = done / self.total if self.total else 1.0
        read = done - self.position_before
        left = [f"{clock((self.total - done) * seconds / read)} left"] if read > 0 and share < 1 else []
        parts = [
            f"{int(100 * share)}%",
            *left,
            f"{short_number(self.rows)} rows",
            f"{(self.rows - self.rows_before) / seconds:,.1f}/s",
            f"{short_number(self.unsafe)} unsafe",
            f"{short_number(self.errors)} errors",
            f"{self.tokens_evaluated / seconds:,.0f} tokens/s",
        ]
        return fitting_line(parts)


@dataclass(slots=True)
class AuditPreparation:
    """What happens before the first record is judged: the inputs are hashed, then the model is loaded."""

    total: int = 0
    done: int = 0
    loading: bool = False

    def read(self, count: int) -> None:
        """So many more bytes are hashed."""
        self.done += count

    def line(self) -> str:
        """One line for a person."""
        if self.loading:
            return "loading the model"
        share = min(1.0, self.done / self.total) if self.total else 1.0
        return f"hashing the inputs: {int(100 * share)}% of {_size(self.total)}"


def fitting_line(parts: Sequence[str]) -> str:
    """The parts on one line; what does not fit 80 columns is left out at its end."""
    kept = list(parts)
    while len(line := ", ".join(kept)) > _COLUMNS:
        kept.pop()
    return line


def _size(count: int) -> str:
    """
    >>> _size(999), _size(1_500_000), _size(3 * 10**13)
    ('999 B', '1.5 MB', '30000.0 GB')
    """
    units = [("GB", 10**9), ("MB", 10**6), ("kB", 10**3)]
    return next((f"{count / size:.1f} {name}" for name, size in units if count >= size), f"{count} B")


def short_number(number: int) -> str:
    """
    >>> short_number(1_234_567), short_number(123_456_789)
    ('1,234,567', '123.5M')
    """
    return f"{number:,}" if number < 10**7 else f"{number / 10**6:,.1f}M"
