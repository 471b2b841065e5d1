"""`TopK`: what sorting everything would give, of rows that cannot be compared among themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardcli.judging.topk import TopK


@given(st.lists(st.integers(-3, 3)), st.integers(1, 5))
def test_keeps_what_sorting_everything_would_put_first(weights: list[int], most: int) -> None:
    largest: TopK[dict[str, int]] = TopK(most)
    items = [{"at": at} for at in range(len(weights))]
    for weight, item in zip(weights, items, strict=True):
        largest.add(weight, item)
    wanted = sorted(items, key=lambda item: (-weights[item["at"]], item["at"]))  # of equal ones those that came first
    assert largest.items() == wanted[:most]
