"""The rows of a run → what a reader wants: counts, by category, source and day, and the cases to look at. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from guardcli.largest import Largest
from guardcli.stored import Row

BINS = 20  # of the histogram of scores
CASES = 15  # of each kind that are kept to be looked at
KINDS = ("safe", "unsafe", "error")


@dataclass(slots=True)
class Summary:
    """`histogram` counts scores in BINS equal parts of [0, 1]. `certain` are the unsafe rows with the highest scores,
    `borderline` those, safe or unsafe, nearest to their threshold. `by_day` is empty where rows tell no time."""

    verdicts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    by_day: dict[str, Counter[str]] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)
    made_by: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    thresholds: Counter[float] = field(default_factory=Counter)
    certain: list[Row] = field(default_factory=list)
    borderline: list[Row] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.verdicts.total()

    def share(self, kind: str) -> float:
        """The share of rows with a verdict; 0 where there are none."""
        return self.verdicts[kind] / self.total if self.total else 0.0


def summarize(rows: Iterable[Row], *, time: str | None = None) -> Summary:
    """Read rows once. `time` names a kept field (in `meta`) that begins with a date, such as 2026-01-31T12:00."""
    found = Summary()
    certain: Largest[Row] = Largest(CASES)
    borderline: Largest[Row] = Largest(CASES)
    for row in rows:
        _count(found, row, time)
        score = row["score"]
        if score is None:
            continue
        found.histogram[min(BINS - 1, int(score * BINS))] += 1
        if row["verdict"] == "unsafe":
            certain.add(score, row)
        borderline.add(-abs(score - row["threshold"]), row)
    found.certain, found.borderline = certain.items(), borderline.items()
    return found


def _count(found: Summary, row: Row, time: str | None) -> None:
    kind = row["verdict"]
    found.verdicts[kind] += 1
    found.flags.update(row["flags"])
    found.by_source.setdefault(row["source"] or "", Counter())[kind] += 1
    taxonomy = row["taxonomy"]
    found.made_by[row.get("model") or "", row.get("template") or "", taxonomy.get("name") or "", row["scoring"]] += 1
    found.thresholds[row["threshold"]] += 1
    if kind == "unsafe":
        found.categories.update(row["categories"] or ())
    if kind == "error":
        found.reasons[_kind(row["error"])] += 1
    if time is not None and (day := _day((row["meta"] or {}).get(time))):
        found.by_day.setdefault(day, Counter())[kind] += 1


def _kind(reason: str | None) -> str:
    """Reasons that differ only in their details are one kind."""
    return (reason or "").split(":")[0][:80]


def _day(value: Any) -> str:
    """The date that a value begins with; "" if it begins with none."""
    text = str(value or "")[:10]
    numbers = text.split("-")
    whole = len(numbers) == 3 and all(number.isdecimal() for number in numbers)
    return text if whole and [len(number) for number in numbers] == [4, 2, 2] else ""
