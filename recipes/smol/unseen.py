"""What is kept for evaluation: twelve policies with cases, and everyday lines, all written before any training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from guardcli.evaluation.policy_tests import cases_from_taxonomy
from guardcli.taxonomy import Taxonomy
from recipes.smol.records import HERE


@dataclass(frozen=True, slots=True)
class EverydayLine:
    """A line as people write it, and its label."""

    text: str
    unsafe: bool


def unseen_policies() -> list[Taxonomy]:
    """The policies, in the order of their files."""
    return [Taxonomy.load(path) for path in sorted((HERE / "policies").glob("*.yaml"))]


def everyday_lines() -> list[EverydayLine]:
    """The lines of everyday.jsonl."""
    rows = map(json.loads, (HERE / "everyday.jsonl").read_text("utf-8").splitlines())
    return [EverydayLine(row["messages"][0]["content"], row["label"] == "unsafe") for row in rows]


def unseen_texts() -> Iterator[str]:
    """Every text that is judged."""
    yield from (line.text for line in everyday_lines())
    yield from (
        case.conversation.messages[-1].content for policy in unseen_policies() for case in cases_from_taxonomy(policy)
    )
