"""The verdict row: what was decided about a record, and all that is needed to check and repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from guardcli.conversation import Json, Key, Role


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a record was judged with; the same for every row of a run.

    `scoring` is "verdict", the probability of the word; `labels` pairs each category id with what the output
    calls it, in the taxonomy's order.
    """

    model: str
    template: str
    scoring: str
    taxonomy: str
    prompt_digest: str
    decision_digest: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row. `turn` counts the record's messages from 1, system and tool messages included.

    `score` is P(unsafe) in [0, 1], unrounded; None with an error. `categories` are those that the model lists
    for every unsafe turn, those of `turn` first. `listed_scores` (of `turn`) are probabilities that a category
    is the one listed first. `category_scores` are for scoring one category at a time. `flags` are remarks:
    "role_order" (user and assistant do not take turns), "marker_in_content" (a message imitates the prompt's
    structure), "windowed" (a long message was scored in pieces), "low_mass" (the model was about to answer
    something else), "invalid_unicode" (repaired), "near_threshold" (the score may move past it in another batch),
    "unread_text" (`unread` are the paths of text in the record that was not judged), "unknown_speaker" (a line of a
    transcript seems to begin the turn of somebody unknown), "reasoning" (a message was judged together with what the
    model thought before it). `truncated`: earlier messages did not fit.
    `mass` is P(safe) + P(unsafe) among all tokens where `score` was read; it is not written.
    """

    key: Key
    verdict: Literal["safe", "unsafe", "error"]
    provenance: Provenance
    threshold: float
    turn: int | None = None
    role: Role | None = None
    score: float | None = None
    categories: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    skipped: Mapping[str, int] | None = None
    unread: tuple[str, ...] = ()
    truncated: bool = False
    error: str | None = None
    listed_scores: Mapping[str, float] | None = None
    category_scores: Mapping[str, float] | None = None
    meta: Mapping[str, Json] | None = None
    text: str | None = None
    mass: float | None = None
