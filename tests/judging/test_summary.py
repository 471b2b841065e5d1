"""What a run's rows amount to."""

from __future__ import annotations

import datetime
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.judging import DecisionRule
from guardcli.judging.histogram import NUM_BINS
from guardcli.judging.redecision import redecide
from guardcli.judging.summary import (
    CASES,
    CATEGORY_CASES,
    MAX_CATEGORIES,
    OTHER_REASONS,
    REASONS,
    day_of,
    summarize,
)
from tests.rows import verdict


def test_counts() -> None:
    rows = [
        verdict(1, 0.1),
        verdict(2, 0.9, categories=["S1", "S9"], source="b"),
        verdict(3, 0.6, flags=["truncated", "near_threshold"]),
        verdict(4, None, error="not JSON: column 3"),
        verdict(5, None, error="not JSON: column 9"),
    ]
    found = summarize(rows)
    assert found.total == 5
    assert found.verdicts == {"safe": 1, "unsafe": 2, "error": 2}
    assert found.share("unsafe") == 0.4
    assert found.categories == {"S9": 2, "S1": 1}
    assert found.flags == {"truncated": 1, "near_threshold": 1}
    assert found.reasons == {"not JSON": 2}
    assert found.by_source == {"chats.jsonl": {"safe": 1, "unsafe": 1, "error": 2}, "b": {"unsafe": 1}}
    assert found.made_by == {rows[0].provenance: 5}
    assert found.by_day == {}


def test_what_reasons_quote_does_not_tell_them_apart() -> None:
    errors = [
        "the key 'a' stands twice in an object",
        "the key 'b' stands twice in an object",
        'no "x: y"',
        "no 'z'",
        "a user's and a model's",
    ]
    found = summarize(verdict(line, None, error=error) for line, error in enumerate(errors, start=1))
    assert found.reasons == {"the key '…' stands twice in an object": 2, "no '…'": 2, "a user's and a model's": 1}


def test_different_reasons_are_bounded_and_none_is_lost() -> None:
    errors = [*[f"reason {n}" for n in range(3 * REASONS)], *["reason 7"] * 5, *["reason 3"] * 2]
    found = summarize(verdict(line, None, error=error) for line, error in enumerate(errors, start=1))
    assert len(found.reasons) == REASONS + 1
    assert found.main_reasons(2) == [("reason 7", 6), ("reason 3", 3), (OTHER_REASONS, len(errors) - 9)]
    assert sum(number for _, number in found.main_reasons(10**6)) == len(errors)
    assert summarize([verdict(1, None, error="one")]).main_reasons(2) == [("one", 1)]


def test_nothing() -> None:
    found = summarize([])
    assert (found.total, found.share("unsafe"), found.histogram.total) == (0, 0.0, 0)


def test_every_score_has_a_bin() -> None:
    found = summarize([verdict(1, 0.0), verdict(2, 1.0), verdict(3, 0.05), verdict(4, 0.4999)])
    counts = found.histogram.rebinned().counts
    assert [counts[at] for at in (0, 1, NUM_BINS // 2 - 1, NUM_BINS - 1)] == [1, 1, 1, 1]


def test_cases_are_the_extremes() -> None:
    scores = random.Random(1).sample(range(1000), 400)
    found = summarize([verdict(line, score / 1000) for line, score in enumerate(scores, start=1)])
    assert [r.score for r in found.most_confident] == sorted((s / 1000 for s in scores), reverse=True)[:CASES]
    nearest = sorted(abs(s / 1000 - 0.5) for s in scores)[:CASES]
    assert [abs(r.score - 0.5) for r in found.borderline] == pytest.approx(nearest)


def test_borderline_cases_are_near_their_threshold() -> None:
    scores = {1: 0.39, 2: 0.42, 3: 0.59, 4: 0.61}
    rows = [verdict(line, score) for line, score in scores.items()]
    far = verdict(5, 0.9686, flags=["near_threshold"])  # by a wide tolerance
    found = summarize([*rows, far, verdict(6, 0.25, threshold=0.3)])
    assert [row.key.line for row in found.borderline] == [6, 2, 3, 5]


def test_every_category_has_cases_of_its_own() -> None:
    rows = [verdict(line, 0.5 + line / 100, categories=["S1"]) for line in range(1, 10)]
    found = summarize([*rows, verdict(10, 0.55, categories=["S2", "S1"]), verdict(11, 0.1)])
    assert {name: [row.key.line for row in cases] for name, cases in found.by_category.items()} == {
        "S1": [9, 8, 7],
        "S2": [10],
    }
    assert CATEGORY_CASES == 3


def test_cases_of_hostile_categories_are_bounded() -> None:
    found = summarize(verdict(line, 0.9, categories=[f"S{line}"]) for line in range(1, 2 * MAX_CATEGORIES))
    assert len(found.by_category) == MAX_CATEGORIES
    assert len(found.categories) == 2 * MAX_CATEGORIES - 1


def test_verdicts_that_no_threshold_of_the_score_explains_are_counted() -> None:
    rows = [verdict(1, 0.5), verdict(2, 0.4999), verdict(3, None), verdict(4, 0.4, verdict="unsafe", categories=["S1"])]
    assert summarize(rows).off_threshold == 1


def test_calibrated_rows_are_counted_by_their_calibrated_scores() -> None:
    rule = DecisionRule(0.3, temperature=2.0)
    found = summarize([redecide(verdict(1, 0.2), rule), verdict(2, 0.2)])
    assert (found.temperatures, found.off_threshold) == ({2.0: 1}, 0)
    assert [number for _, number in found.histogram.rebinned().bins()][3:8] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 23:59:59.999-08:00", "2026-01-31"),
        ("2026/01/31", "2026-01-31"),
        ("20260131", "2026-01-31"),
        (20260131, "2026-01-31"),
        ("20260131T120000Z", "2026-01-31"),
        (20260131120000, "2026-01-31"),
        (1769860800, "2026-01-31"),
        (1769860800.25, "2026-01-31"),
        (1769860800 * 10**3, "2026-01-31"),
        (1769860800 * 10**6, "2026-01-31"),
        (1769860800 * 10**9, "2026-01-31"),
        (float(1769860800 * 10**9), "2026-01-31"),
        ("1769860800", "2026-01-31"),
        (" 1769860800123 ", "2026-01-31"),
        ("Sat, 31 Jan 2026 12:00:00 +0000", "2026-01-31"),
        ("31 January 2026", "2026-01-31"),
        ("31/Jan/2026:12:00:00 +0000", "2026-01-31"),
        ("Jan 31, 2026", "2026-01-31"),
        ("Sat Jan 31 12:00:00 2026", "2026-01-31"),
        ("Sat Jan 31 12:00:00 UTC 2026", "2026-01-31"),
        ("31.01.2026", None),  # the day cannot be taken for a month here, but the next row's may
        ("05/01/2026", None),
        ("01-05-2026", None),
        ("31 Foo 2026", None),
        ("2026-02-30", None),
        ("2026-1-3", None),
        (631151999, None),  # before 1990: a counter, or a duration
        (4102444800, None),  # from 2100 on
        (12345678, None),
        (10101010, None),
        (10**400, None),
        (-1769860800, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (["2026-01-31"], None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_days(value: object, day: str | None) -> None:
    found = summarize([verdict(1, 0.1, meta={"ts": value})], time="ts")
    assert list(found.by_day) == ([day] if day else [])
    assert (found.timed, found.undated) == (int(value is not None), int(day is None))


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
@given(seconds=st.integers(631152000, 4102444799))
def test_an_epoch_in_any_unit_is_its_day(unit: int, seconds: int) -> None:
    day = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).date().isoformat()
    assert day_of(seconds * unit) == day_of(str(seconds * unit)) == day


def test_rows_without_a_date_are_counted_and_one_is_kept() -> None:
    values = ["2026-01-31", None, "01.05.2026", "soon"]
    found = summarize([verdict(line, 0.1, meta={"ts": value}) for line, value in enumerate(values, start=1)], time="ts")
    found_none = summarize([verdict(1, 0.1, meta=None), verdict(2, 0.1, meta={})], time="ts")
    assert (found.timed, found.undated, found.unread_date) == (3, 3, "01.05.2026")
    assert (found_none.timed, found_none.undated, found_none.unread_date) == (0, 2, None)
