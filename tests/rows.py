"""Verdict rows as `guard check --format json` writes them, for what reads rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guardcli.judging import Verdict

TAXONOMY = {"name": "llama-guard-3", "prompt": "6c2a66d22e86e27a", "decision": "7a8ffe3f52c4d642"}


def row(line: int, score: float | None, **fields: Any) -> dict[str, Any]:
    """A row of schema 2, safe or unsafe at 0.5; without a score an error."""
    if score is None:
        verdict, error, error_code = "error", "not JSON", "record/not-json"
    else:
        verdict, error, error_code = ("unsafe" if score >= 0.5 else "safe"), None, None
    return {
        "schema": 2,
        "id": None,
        "source": "chats.jsonl",
        "line": line,
        "part": None,
        "turn": None if score is None else 1,
        "role": None if score is None else "user",
        "verdict": verdict,
        "score": score,
        "calibrated": None,
        "threshold": 0.5,
        "categories": ["S9"] if verdict == "unsafe" else [],
        "flags": [],
        "skipped": {},
        "unread": [],
        "truncated": False,
        "error": error,
        "error_code": error_code,
        "model": "tiny@0123456789ab",
        "template": "llama-guard-3-8b",
        "scoring": "verdict",
        "taxonomy": TAXONOMY,
        "listed_scores": None,
        "category_scores": None,
        "mass": None if score is None else 0.99,
        "tolerance": 0.0,
        "temperature": None,
        "listed": fields.get("categories", ["S9"]) if verdict == "unsafe" else None,
        "turns": None,
        "meta": None,
        "text": None,
    } | fields


def verdict(line: int, score: float | None, **fields: Any) -> Verdict:
    """The same row as a value."""
    return Verdict.from_dict(row(line, score, **fields))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as JSON Lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path
