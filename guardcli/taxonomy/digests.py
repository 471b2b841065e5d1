"""The two digests of a taxonomy: what the model reads, and how a verdict is made of its scores.

Equal digests promise equal prompts, or equal decisions, whatever else changed in the file: comments, tests,
the name. Stored scores stay valid while the prompt's digest does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from guardcli.taxonomy.types import Category, Detail

_DIGITS = 16


def prompt_digest(detail: Detail, categories: Sequence[Category]) -> str:
    """Ids, names, examples, what a category is asked about and, with `detail: full`, all that defines it; in the
    prompt's order."""
    return _digest([detail, [_read_by_model(category, detail) for category in categories]])


def decision_digest(threshold: float | None, categories: Sequence[Category]) -> str:
    """Thresholds and keys, by id: the order of categories decides nothing."""
    thresholds = {c.id: c.threshold for c in categories if c.threshold is not None}
    keys = {c.id: c.key for c in categories if c.key is not None}
    return _digest([threshold, thresholds, keys])


def _read_by_model(category: Category, detail: Detail) -> list[Any]:
    read: list[Any] = [category.id, category.name, [astuple(example) for example in category.examples]]
    if detail == "full":
        read += [category.description, category.should_not, category.can, category.should]
    if category.role is not None or category.needs is not None:
        read.append([category.role, category.needs])
    return read


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
