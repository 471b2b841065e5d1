"""What the driver and the workers say to each other: which unit to judge, and how far it is. Never a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardcli.audit import Unit
from guardcli.errors import GuardError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTask:
    """A unit to judge from a line on, into a part file with a journal of its own.

    `modified_ns` is when its source was last modified: with its size it says whether a worker sees the same file.
    """

    number: int
    unit: Unit
    start: int
    modified_ns: int
    part: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCounts:
    """How far a worker is with its unit.

    `activity` changes whenever anything is judged, and `rows`, `unsafe` and `errors` are those of the part so far. Of
    these rows, and of the bytes of the unit, so many were there when the attempt began.
    """

    rows: int = 0
    rows_before: int = 0
    bytes_before: int = 0
    unsafe: int = 0
    errors: int = 0
    bytes_done: float = 0.0
    activity: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitReport:
    """How a worker's attempt at a unit ended: finished unless it was interrupted, or there is an error.

    `poison` are records that crash the process, each as its location and the name of the signal.
    """

    number: int
    error: GuardError | None = None
    interrupted: bool = False
    counts: UnitCounts = UnitCounts()
    poison: tuple[tuple[str, str], ...] = ()
