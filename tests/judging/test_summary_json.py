"""Summaries of parts of a run, as JSON, add up to the summary of the whole."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from guardcli.judging import Verdict
from guardcli.judging.summary import MAX_CATEGORIES, REASONS, Summary, summarize
from guardcli.judging.summary_json import add_json, to_json
from guardcli.judging.writers import jsonl
from tests.rows import verdict

SCORES = st.sampled_from([None, 0.0, 0.1, 0.1 + 0.2, 0.5, 0.5000000000000001, 0.9, 1.0])


def row(line: int, score: float | None, choice: int) -> Verdict:
    """A row of some kind."""
    kinds = [
        {},
        {"source": "b.jsonl", "flags": ["near_threshold"], "text": "a text"},
        {"categories": ["S2", "S1"]} if score is not None and score >= 0.5 else {"error": f"reason {line % 7}: more"},
        {"model": "other@0", "threshold": 0.5, "meta": {"time": "2026-01-31"}},
        {"meta": {"time": ["no date"]}},
    ]
    fields = kinds[choice]
    return verdict(line, score, **(fields if score is None or "error" not in fields else {}))


@given(st.lists(st.tuples(SCORES, st.integers(0, 4)), max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_parts_add_up_to_the_whole(choices: list[tuple[float | None, int]], cut: int, other_cut: int) -> None:
    rows = [row(line, score, choice) for line, (score, choice) in enumerate(choices, start=1)]
    first, second = sorted((cut, other_cut))
    total = Summary()
    for part in (rows[:first], rows[first:second], rows[second:]):
        add_json(total, json.loads(jsonl.dumps(to_json(summarize(part, time="time")))))
    whole = summarize(rows, time="time")
    assert to_json(total) == to_json(whole)
    assert list(total.reasons) == list(whole.reasons)
    assert [one.to_dict() for one in total.borderline] == [one.to_dict() for one in whole.borderline]


def test_hostile_parts_stay_bounded() -> None:
    total = Summary()
    for part in range(5):
        rows = [verdict(line, 0.9, categories=[f"S{part}-{line}"]) for line in range(1, MAX_CATEGORIES)]
        rows += [verdict(line, None, error=f"reason {part} {line}") for line in range(1, REASONS)]
        add_json(total, to_json(summarize(rows)))
    assert len(total.by_category) == MAX_CATEGORIES
    assert len(total.reasons) == REASONS + 1
    assert total.reasons.total() == 5 * (REASONS - 1)
