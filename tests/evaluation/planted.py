"""Items with labels and systems with scores, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.evaluation import Prediction, System
from guardcli.evaluation.datasets import CategoryIndex, GroundTruth, Sample

LABELS = ("S1", "S2", "S3")


def item(line: int, unsafe: bool, *flags: str, listed: bool = True, **fields: Any) -> Sample:
    record = Record(
        Key("set.jsonl", line, id=f"i{line}"), Conversation((Message("user", f"text {line}"),), f"i{line}"), fields
    )
    return Sample(record, GroundTruth(unsafe, dict.fromkeys(flags, True), listed), ("set",))


def items(labels: Sequence[bool]) -> tuple[Sample, ...]:
    return tuple(item(line, unsafe) for line, unsafe in enumerate(labels, start=1))


def system(
    scores: Sequence[float | None],
    *,
    name: str = "one",
    categories: Sequence[Mapping[str, float] | None] | None = None,
    per_category: bool = False,
) -> System:
    """Unsafe from 0.5 on; without a score not judged."""
    by_category = categories or [None] * len(scores)
    predictions = [
        Prediction(None, None, error="not JSON")
        if score is None
        else Prediction(score, score >= 0.5, frozenset(sorted(found or (), key=lambda one: -found[one])[:1]), found)  # type: ignore[index]
        for score, found in zip(scores, by_category, strict=True)
    ]
    return System(name, tuple(predictions), CategoryIndex.from_labels(LABELS), 0.5, per_category)
