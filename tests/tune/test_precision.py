"""Average precision against worked examples, and against the definition done slowly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.tune.precision import average_precision


@pytest.mark.parametrize(
    ("scores", "unsafe", "expected"),
    [
        ([0.9, 0.1], [True, False], 1.0),
        ([0.1, 0.9], [True, False], 0.5),
        ([0.5, 0.5], [True, False], 0.5),  # a tie is no order
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 5 / 6),  # scikit-learn's own example
        ([0.3], [True], 1.0),
    ],
)
def test_worked_examples(scores: list[float], unsafe: list[bool], expected: float) -> None:
    assert average_precision(scores, unsafe) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1).filter(lambda rows: any(u for _, u in rows)))
def test_the_definition(rows: list[tuple[int, bool]]) -> None:
    """The precision where each unsafe one is reached, everything of its score included, averaged."""

    def precision(threshold: int) -> float:
        flagged = [unsafe for score, unsafe in rows if score >= threshold]
        return sum(flagged) / len(flagged)

    reached = [precision(score) for score, unsafe in rows if unsafe]
    found = average_precision([float(score) for score, _ in rows], [unsafe for _, unsafe in rows])
    assert found == pytest.approx(sum(reached) / len(reached), abs=1e-12)


def test_nothing_is_unsafe() -> None:
    with pytest.raises(ValueError, match="no example is unsafe"):
        average_precision([0.1], [False])
