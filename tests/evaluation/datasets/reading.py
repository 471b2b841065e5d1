"""Labelled records in one line: JSON objects, or the text of a file, in; the items out."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from guardcli import formats
from guardcli.evaluation.datasets import Labelled, Where, read


def labelled(*records: dict[str, Any], source: str = "set.jsonl", **options: Any) -> Labelled:
    return labelled_text("".join(json.dumps(record) + "\n" for record in records), source=source, **options)


def labelled_text(text: str, *, source: str = "set.jsonl", where: Where | None = None, **options: Any) -> Labelled:
    return read(formats.read(BytesIO(text.encode()), source), where, **options)


def said(found: Labelled) -> list[list[tuple[str, str]]]:
    """What is judged of each item."""
    return [[(one.role, one.content) for one in item.record.conversation.messages] for item in found.items]  # type: ignore[union-attr]


def truths(found: Labelled) -> list[bool]:
    return [item.unsafe for item in found.items]
