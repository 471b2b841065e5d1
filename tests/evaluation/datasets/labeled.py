"""Labeled records in one line: JSON objects, or the text of a file, in; the samples out."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from guardcli.evaluation.datasets import FieldSpec, LabeledDataset, read_dataset
from guardcli.formats import ReadOptions, StreamPart


def labeled(*records: dict[str, Any], source: str = "set.jsonl", **options: Any) -> LabeledDataset:
    return labeled_text("".join(json.dumps(record) + "\n" for record in records), source=source, **options)


def labeled_text(
    text: str, *, source: str = "set.jsonl", field_spec: FieldSpec | None = None, **options: Any
) -> LabeledDataset:
    return read_dataset(ReadOptions().read_stream(BytesIO(text.encode()), StreamPart(source)), field_spec, **options)


def judged_messages(dataset: LabeledDataset) -> list[list[tuple[str, str]]]:
    """What is judged of each sample."""
    return [[(one.role, one.content) for one in sample.record.conversation.messages] for sample in dataset.samples]  # type: ignore[union-attr]


def labels(dataset: LabeledDataset) -> list[bool]:
    return [sample.unsafe for sample in dataset.samples]
