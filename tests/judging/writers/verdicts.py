"""One verdict of each kind, as the golden rows have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from guardcli.conversation import Key
from guardcli.judging import Provenance, TurnScores, Verdict
from guardcli.judging.decision import Label

BY = Provenance(
    model="llama-guard-3-8b@ab12cd34ef56",
    template="llama-guard-3-8b",
    scoring="verdict",
    taxonomy="acme",
    prompt_digest="1f3c",
    decision_digest="77aa",
    labels={"S1": "violence", "S9": "weapons", "S11": "self-harm"},
)


PER_CATEGORY = replace(BY, scoring="per_category")


def make_verdict(key: Key, verdict: Label, **fields: Any) -> Verdict:
    """A verdict with a threshold of 0.5."""
    return Verdict(key=key, verdict=verdict, provenance=BY, threshold=0.5, **fields)


VERDICTS = {
    "safe": Verdict(
        key=Key("chat.jsonl", 16),
        verdict="safe",
        provenance=BY,
        threshold=0.5,
        turn=1,
        role="user",
        score=0.012345678901234567,
        mass=0.9,
        tolerance=0.05,
    ),
    "unsafe": Verdict(
        key=Key("my chats/é.jsonl", 17, "chosen", "c 1\n"),
        verdict="unsafe",
        provenance=PER_CATEGORY,
        threshold=0.25,
        turn=2,
        role="assistant",
        score=1 - 2**-53,
        categories=("weapons", "self-harm"),
        flags=("marker_in_content", "windowed"),
        skipped={"system": 1, "image": 2},
        truncated=True,
        listed_scores={"violence": 5e-324, "weapons": 0.75, "self-harm": 0.25},
        category_scores={"violence": 0.125, "weapons": 0.9, "self-harm": 0.3},
        mass=0.5,
        tolerance=0.0,
        listed=("weapons", "self-harm"),
        turns=(
            TurnScores(
                turn=1, role="user", score=0.125, mass=0.25, low_mass=True, category_scores={"violence": 0.125}
            ),
            TurnScores(
                turn=2,
                role="assistant",
                score=1 - 2**-53,
                mass=0.5,
                listed=("weapons", "self-harm"),
                listed_scores={"violence": 5e-324, "weapons": 0.75, "self-harm": 0.25},
                category_scores={"violence": 0.125, "weapons": 0.9, "self-harm": 0.3},
            ),
            TurnScores(turn=3, role="user", error="message 3 (user) has no text", error_code="record/nothing-to-judge"),
        ),
        meta={"lang": "de", "labels": ["S9", None, 1.5, {"x": True}], "odd": "\udc80\x1b[2J"},
        text='Say "hé" \u202eto C:\\temp\n\x1b[2J\u2028\x9b1A \U0001f600',
    ),
    "error": Verdict(
        key=Key("-", 18, id="c2"), verdict="error", provenance=BY, threshold=0.5,
        error="not JSON: it is cut off\n\tat column 7", error_code="record/not-json",
    ),
}  # fmt: skip
