"""A pool of workers as the driver sees it: what it asks of them, and what happens to them.

`ray_pool` has the one that runs on Ray; the driver's tests have one that runs in the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, Union

from guardcli.distributed.pool_size import PoolSize
from guardcli.distributed.proof import Proof
from guardcli.distributed.task import UnitCounts, UnitReport, UnitTask
from guardcli.errors import GuardError


@dataclass(frozen=True, slots=True)
class WorkerProved:
    """A worker has loaded the model, and shows what it would judge with."""

    worker: int
    proof: Proof


@dataclass(frozen=True, slots=True)
class WorkerRefused:
    """A worker cannot be used: its node lacks the model, for one."""

    worker: int
    node: str
    error: GuardError


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker's process or its node is gone."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnitCounted:
    """A worker says how far it is with its unit."""

    worker: int
    counts: UnitCounts


@dataclass(frozen=True, slots=True)
class UnitEnded:
    """A worker's attempt at a unit came to an end."""

    worker: int
    report: UnitReport


Event: TypeAlias = Union[WorkerProved, WorkerRefused, WorkerDied, UnitCounted, UnitEnded]  # noqa: UP007


class WorkerPool(Protocol):
    """Starts workers, gives them units, and says what happens."""

    def size(self) -> PoolSize:
        """How many workers there is room for now. Raises ClusterError: for none."""
        ...

    def start(self) -> int:
        """Start a worker, and return its number, which is never used again."""
        ...

    def judge(self, worker: int, task: UnitTask) -> None:
        """Give a worker a unit."""
        ...

    def kill(self, worker: int) -> None:
        """End a worker's process; nothing more is heard of it."""
        ...

    def stop(self) -> None:
        """Ask all workers to end their units soon."""
        ...

    def wait(self, seconds: float) -> Sequence[Event]:
        """Return what has happened, after that time at the latest."""
        ...
