"""Policies with examples: two to four in each category, half of them unsafe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from guardcli import Taxonomy
from recipes.paper.workspace import Row

SHOTS = (2, 4)
_MAX_CHARS = 160  # of an example


def write_with_examples(policy: str | Path, rows: Sequence[Row], categories_of: Mapping[str, str], path: Path) -> Path:
    """Write a policy with four examples a category: unsafe, safe, unsafe, safe.

    Args:
        policy: a built-in taxonomy or a file.
        rows: labeled rows of the data sets, in the order in which they are taken; no row is taken twice. An example is
            the last message of one.
        categories_of: the category that a row has in the data, by the id in the policy.
        path: the file.

    Raises:
        ValueError: there are too few rows of a category.
    """
    taxonomy = Taxonomy.load(policy)
    left = [row for row in rows if len(_text(row)) <= _MAX_CHARS]
    shown: dict[str, list[dict[str, str]]] = {}
    for category in taxonomy.categories:
        native = categories_of[category.id]
        unsafe = [row for row in left if row["label"] == "unsafe" and native in row["categories"]][: SHOTS[-1] // 2]
        safe = [row for row in left if row["label"] == "safe"][: SHOTS[-1] // 2]
        if len(unsafe) + len(safe) < SHOTS[-1]:
            raise ValueError(f"there are too few rows of {native} with at most {_MAX_CHARS} characters")
        taken = [row for pair in zip(unsafe, safe, strict=True) for row in pair]
        left = [row for row in left if row not in taken]
        shown[category.id] = [{"user": _text(row), "verdict": row["label"]} for row in taken]
    value = _definition(policy)
    for category in value["categories"]:
        category["examples"] = shown[category["id"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), "utf-8")
    return path


def _definition(policy: str | Path) -> dict[str, Any]:
    """The policy as YAML has it; one that is built in is extended."""
    if isinstance(policy, Path):
        value: dict[str, Any] = yaml.safe_load(policy.read_text("utf-8"))
        return value
    taxonomy = Taxonomy.load(policy)
    categories = [{"id": category.id} for category in taxonomy.categories]
    return {"name": f"{policy}-examples", "extends": policy, "detail": taxonomy.detail, "categories": categories}


def _text(row: Row) -> str:
    text: str = row["messages"][-1]["content"]
    return " ".join(text.split())
