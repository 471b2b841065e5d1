"""How far an audit on a cluster is, on one line of 80 columns."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from guardcli.audit.progress import fitting_line, short_number
from guardcli.distributed.task import UnitCounts
from guardcli.text.durations import clock


@dataclass(slots=True)
class ClusterProgress:
    """Counts of the whole audit: what is complete, and what each worker says of its unit.

    `rows_before` and `bytes_before` were there when this run began.
    """

    total_bytes: int = 0
    num_units: int = 0
    units_done: int = 0
    workers: int = 0
    workers_ready: int = 0
    restarts: int = 0
    rows: int = 0
    unsafe: int = 0
    errors: int = 0
    bytes_done: int = 0
    rows_before: int = 0
    bytes_before: int = 0
    began: float = field(default_factory=time.monotonic)
    running: dict[int, UnitCounts] = field(default_factory=dict)

    def begin(self, *, rows: int, unsafe: int, errors: int, position: int) -> None:
        """Judging begins behind so many rows and bytes of earlier runs."""
        self.rows = self.rows_before = rows
        self.unsafe, self.errors = unsafe, errors
        self.bytes_done = self.bytes_before = position
        self.began = time.monotonic()

    def count(self, worker: int, counts: UnitCounts) -> None:
        """A worker says how far its unit is."""
        self.running[worker] = counts

    def drop(self, worker: int) -> None:
        """A worker's attempt is over and did not finish its unit."""
        self.running.pop(worker, None)

    def finish(self, worker: int, counts: UnitCounts, size: int) -> None:
        """A worker has finished a unit of so many bytes."""
        self.drop(worker)
        self.units_done += 1
        self.rows += counts.rows
        self.unsafe += counts.unsafe
        self.errors += counts.errors
        self.bytes_done += size
        self.rows_before += counts.rows_before
        self.bytes_before += counts.bytes_before

    def line(self, now: float | None = None) -> str:
        """One line for a person; what does not fit 80 columns is left out at its end."""
        if not self.workers_ready:
            return f"waiting for workers: 0 of {self.workers} have loaded the model"
        seconds = max((time.monotonic() if now is None else now) - self.began, 1e-9)
        running = list(self.running.values())
        rows = self.rows + sum(one.rows for one in running)
        done = min(self.total_bytes, self.bytes_done + sum(one.bytes_done for one in running))
        read = done - self.bytes_before - sum(one.bytes_before for one in running)
        judged = rows - self.rows_before - sum(one.rows_before for one in running)
        share = done / self.total_bytes if self.total_bytes else 1.0
        left = [f"{clock((self.total_bytes - done) * seconds / read)} left"] if read > 0 and share < 1 else []
        restarts = [f"{self.restarts} restarts"] if self.restarts else []
        unsafe = self.unsafe + sum(one.unsafe for one in running)
        errors = self.errors + sum(one.errors for one in running)
        return fitting_line(
            [
                f"{int(100 * share)}%",
                *left,
                f"{short_number(rows)} rows",
                f"{judged / seconds:,.1f}/s",
                f"{self.workers_ready}/{self.workers} workers",
                f"{self.units_done:,}/{self.num_units:,} units",
                *restarts,
                f"{short_number(unsafe)} unsafe",
                f"{short_number(errors)} errors",
            ]
        )
