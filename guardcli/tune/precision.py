"""Average precision, the area under the precision-recall curve as a sum over its steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def average_precision(scores: Sequence[float], unsafe: Sequence[bool]) -> float:
    """The sum of precision times gained recall over the distinct scores from the highest down, as scikit-learn
    defines it; in [0, 1].

    Raises:
        ValueError: nothing is unsafe, so there is no recall.
    """
    total = sum(unsafe)
    if not total:
        raise ValueError("no example is unsafe")
    ranked = sorted(zip(scores, unsafe, strict=True), key=lambda pair: -pair[0])
    seen = found = 0
    area = 0.0
    for _, tied in groupby(ranked, key=lambda pair: pair[0]):
        hits = [hit for _, hit in tied]
        seen, found = seen + len(hits), found + sum(hits)
        area += sum(hits) / total * (found / seen)
    return area
