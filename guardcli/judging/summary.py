"""The rows of a run → what a reader wants: counts, by category, source and day, and the cases to look at. Pure."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from guardcli.errors import as_options
from guardcli.judging.histogram import NUM_FINE_BINS, ScoreHistogram
from guardcli.judging.topk import TopK
from guardcli.judging.verdict import Provenance, Verdict

CASES = 15  # of each kind that are kept to be looked at
CATEGORY_CASES = 3  # of each category
NEAR = 0.1  # as far from its threshold a score is still near it
MAX_CATEGORIES = 50  # of which cases are kept
REASONS = 100  # distinct reasons for errors that are counted
OTHER_REASONS = "other reasons"
KINDS = ("safe", "unsafe", "error")

_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*")""")  # an apostrophe follows a letter

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november"),
    "december",
)
_YEARS = (1990, 2100)  # in which a number is an epoch
_EPOCH = tuple(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp() for year in _YEARS)
_UNITS = (1, 1e3, 1e6, 1e9)  # of a second; their ranges do not overlap

# Dates with the year first, or with the month by name, are read alike everywhere; 01.05.2024 and 05/01/2024 are not.
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for pattern in (
        r"(?P<year>\d{4}) ([-/.]) (?P<month>\d{2}) \2 (?P<day>\d{2}) (?!\d)",  # 2024-05-01T10:00:00Z
        r"(?P<year>199\d|20\d{2}) (?P<month>\d{2}) (?P<day>\d{2}) (\d{4}|\d{6})? (?!\d)",  # 20240501T100000Z
        r"([a-z]+,?\s+)? (?P<day>\d{1,2}) [\s/-] (?P<name>[a-z]{3,9}) [\s/-] (?P<year>\d{4}) (?!\d)",  # 1 May 2024
        r"([a-z]+,?\s+)? (?P<name>[a-z]{3,9}) \s+ (?P<day>\d{1,2}) ,?\s+ (\d\d:\d\d:\d\d\s+ ([a-z]+\s+)?)?"
        r"(?P<year>\d{4}) (?!\d)",  # May 1, 2024; Wed May  1 10:00:00 UTC 2024
    )
)


@dataclass(slots=True)
class Summary:
    """What a run says, in memory that does not grow with its rows.

    >>> summary = Summary()
    >>> for row in reader.read_verdicts("verdicts.jsonl"):
    ...     summary.add(row)

    `histogram` counts the scores in NUM_FINE_BINS bins. `most_confident` are the unsafe rows with the highest scores,
    `by_category` those of each category, and `borderline` the rows, safe or unsafe, nearest to their threshold, of
    those within NEAR or with the flag "near_threshold".
    `off_threshold` counts rows whose verdict is not that of their score at their threshold: categories had thresholds
    of their own. `temperatures` counts calibrated rows; scores are the calibrated ones where a row has one.

    `by_day` is empty where rows tell no time; `timed` rows have the field that was asked for, and in `undated` ones no
    date could be read, of which one is kept. `num_texts` rows have their message.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    by_day: dict[str, Counter[str]] = field(default_factory=dict)
    timed: int = 0
    undated: int = 0
    unread_date: Any = None
    histogram: ScoreHistogram = field(default_factory=lambda: ScoreHistogram(num_bins=NUM_FINE_BINS))
    made_by: Counter[Provenance] = field(default_factory=Counter)
    thresholds: Counter[float] = field(default_factory=Counter)
    temperatures: Counter[float] = field(default_factory=Counter)
    off_threshold: int = 0
    num_texts: int = 0
    confident_cases: TopK[Verdict] = field(default_factory=lambda: TopK(CASES))
    borderline_cases: TopK[Verdict] = field(default_factory=lambda: TopK(CASES))
    category_cases: dict[str, TopK[Verdict]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.verdicts.total()

    @property
    def most_confident(self) -> list[Verdict]:
        return self.confident_cases.items()

    @property
    def borderline(self) -> list[Verdict]:
        return self.borderline_cases.items()

    @property
    def by_category(self) -> dict[str, list[Verdict]]:
        return {category: cases.items() for category, cases in self.category_cases.items()}

    def add(self, row: Verdict, *, time: str | None = None) -> None:
        """Count a row, and keep it if it is one of the cases. `time` is that of `summarize`."""
        _count(self, row, time)
        score = row.judged_score
        if score is None:
            return
        self.histogram.add(score)
        self.off_threshold += (row.verdict == "unsafe") != (score >= row.threshold)
        if row.verdict == "unsafe":
            self.confident_cases.add(score, row)
            for category in row.categories or ():
                if (cases := self.cases_of(category)) is not None:
                    cases.add(score, row)
        distance = abs(score - row.threshold)
        if distance <= NEAR or "near_threshold" in row.flags:
            self.borderline_cases.add(-distance, row)

    def count_reason(self, reason: str, number: int = 1) -> None:
        """Count errors with a reason; the first REASONS different ones are counted by themselves."""
        known = reason in self.reasons or len(self.reasons) < REASONS
        self.reasons[reason if known else OTHER_REASONS] += number

    def cases_of(self, category: str) -> TopK[Verdict] | None:
        """The cases that are kept of a category; None if those of MAX_CATEGORIES others are."""
        if category in self.category_cases or len(self.category_cases) < MAX_CATEGORIES:
            return self.category_cases.setdefault(category, TopK(CATEGORY_CASES))
        return None

    def main_reasons(self, most: int) -> list[tuple[str, int]]:
        """The `most` most frequent reasons for errors, and all others as one, so that the counts sum to all errors.

        Of the first REASONS different ones each is counted by itself.
        """
        named = Counter(self.reasons)
        others = named.pop(OTHER_REASONS, 0)
        top = named.most_common(most)
        others += named.total() - sum(number for _, number in top)
        return [*top, (OTHER_REASONS, others)] if others else top

    def share(self, kind: str) -> float:
        """The fraction of rows with a verdict; 0 without rows."""
        return self.verdicts[kind] / self.total if self.total else 0.0


def summarize(rows: Iterable[Verdict], *, time: str | None = None) -> Summary:
    """Read rows once. `time` names a kept field (in `meta`) with a date or an epoch, as `day_of` reads them."""
    summary = Summary()
    for row in rows:
        summary.add(row, time=time)
    return summary


def _count(summary: Summary, row: Verdict, time: str | None) -> None:
    kind = row.verdict
    summary.verdicts[kind] += 1
    summary.flags.update(row.flags)
    summary.num_texts += row.text is not None
    summary.by_source.setdefault(row.key.source or "", Counter())[kind] += 1
    summary.made_by[row.provenance] += 1
    summary.thresholds[row.threshold] += 1
    if row.temperature is not None:
        summary.temperatures[row.temperature] += 1
    if kind == "unsafe":
        summary.categories.update(row.categories or ())
    if kind == "error":
        summary.count_reason(_kind(row.error))
    if time is not None:
        _count_day(summary, row.meta or {}, time, kind)


def _count_day(summary: Summary, meta: Mapping[str, Any], time: str, kind: str) -> None:
    value = meta.get(time)
    summary.timed += value is not None
    day = day_of(value)
    if day is not None:
        summary.by_day.setdefault(day, Counter())[kind] += 1
        return
    summary.undated += 1
    if summary.unread_date is None:
        summary.unread_date = value


def _kind(reason: str | None) -> str:
    """Reasons that differ only in their details, such as what is quoted from a record, are one kind."""
    return _QUOTED.sub("'…'", as_options(reason or "")).split(":")[0][:80]


def day_of(value: Any) -> str | None:
    """The day of a date or an epoch, such as "2024-05-01"; None if there is no unambiguous one.

    Dates begin with the year (2024-05-01T10:00:00Z, 2024/05/01, 20240501) or name the month (Wed, 01 May 2024, May 1,
    2024), and keep the day that they say. Epochs are numbers, or their texts, of seconds, milli-, micro- or nanoseconds
    that fall into the years 1990 to 2099, and give the day in UTC.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip()
    for pattern in _DATES:
        if (match := pattern.match(text)) and (day := _date(match)):
            return day
    return _epoch(text)


def _date(match: re.Match[str]) -> str | None:
    parts = match.groupdict()
    month = int(parts["month"]) if "month" in parts else _month(parts["name"])
    try:
        return datetime.date(int(parts["year"]), month, int(parts["day"])).isoformat()
    except ValueError:
        return None


def _month(name: str) -> int:
    """The number of an English month, whole or abbreviated; 0 if it is not one."""
    return next((at for at, month in enumerate(_MONTHS, start=1) if month.startswith(name.casefold())), 0)


def _epoch(text: str) -> str | None:
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    for unit in _UNITS:
        seconds = number / unit
        if _EPOCH[0] <= seconds < _EPOCH[1]:
            return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()
    return None
