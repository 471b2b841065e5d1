"""The verdict row as JSON: stable, every field always there, no timestamps, no timings."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from guardcli.text.escaping import escape_controls_json

if TYPE_CHECKING:
    from guardcli.judging.verdict import Verdict


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def line(verdict: Verdict) -> str:
    """One row. Numbers are written such that reading gives the same float64 again."""
    return dumps(verdict.to_dict())


def dumps(value: dict[str, Any]) -> str:
    """Compact JSON on one line, always valid UTF-8, even if kept fields have lone surrogates.

    NaN and Infinity, which may be in the fields of a record, become null.
    """
    return escape_controls_json(_dumps(value))


def _dumps(value: dict[str, Any]) -> str:
    try:
        return _ENCODER.encode(value)
    except ValueError:  # a kept field holds NaN or Infinity, which are no JSON
        return _dumps(finite(value))


def finite(value: Any) -> Any:
    """The value with null for NaN and Infinity, which are no JSON."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
