"""What a run's rows amount to."""

from __future__ import annotations

import random

import pytest

from guardcli.summary import BINS, CASES, summarize
from tests.rows import row


def test_counts() -> None:
    rows = [
        row(1, 0.1),
        row(2, 0.9, categories=["S1", "S9"], source="b"),
        row(3, 0.6, flags=["truncated", "near_threshold"]),
        row(4, None, error="not JSON: column 3"),
        row(5, None, error="not JSON: column 9"),
    ]
    found = summarize(rows)
    assert found.total == 5
    assert found.verdicts == {"safe": 1, "unsafe": 2, "error": 2}
    assert found.share("unsafe") == 0.4
    assert found.categories == {"S9": 2, "S1": 1}
    assert found.flags == {"truncated": 1, "near_threshold": 1}
    assert found.reasons == {"not JSON": 2}
    assert found.by_source == {"chats.jsonl": {"safe": 1, "unsafe": 1, "error": 2}, "b": {"unsafe": 1}}
    assert found.made_by == {("tiny@0123456789ab", "llama-guard-3-8b", "llama-guard-3", "verdict"): 5}
    assert found.by_day == {}


def test_nothing() -> None:
    found = summarize([])
    assert (found.total, found.share("unsafe"), sum(found.histogram)) == (0, 0.0, 0)


def test_every_score_has_a_bin() -> None:
    found = summarize([row(1, 0.0), row(2, 1.0), row(3, 0.05), row(4, 0.4999)])
    assert [found.histogram[at] for at in (0, 1, BINS // 2 - 1, BINS - 1)] == [1, 1, 1, 1]


def test_cases_are_the_extremes() -> None:
    scores = random.Random(1).sample(range(1000), 400)
    found = summarize([row(line, score / 1000) for line, score in enumerate(scores)])
    assert [r["score"] for r in found.certain] == sorted((s / 1000 for s in scores), reverse=True)[:CASES]
    nearest = sorted(abs(s / 1000 - 0.5) for s in scores)[:CASES]
    assert [abs(r["score"] - 0.5) for r in found.borderline] == pytest.approx(nearest)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31"),
        ("2026-01-31", "2026-01-31"),
        ("31.01.2026", None),
        (1769860800, None),
        (None, None),
        ("2026-1-3", None),
    ],
)
def test_days(value: object, day: str | None) -> None:
    found = summarize([row(1, 0.1, meta={"ts": value})], time="ts")
    assert list(found.by_day) == ([day] if day else [])
