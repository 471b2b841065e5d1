"""The verdict row: what was decided about a record, and all that is needed to check, repeat and change the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from guardcli.conversation import Json, Key, Role
from guardcli.errors import as_options
from guardcli.judging.decision import (
    DECISION_FLAGS,
    LOW_MASS,
    Decision,
    DecisionRule,
    Label,
    Scores,
    TurnScores,
    decide,
)
from guardcli.judging.temperature import apply_temperature
from guardcli.judging.verdict_schema import FIELD_NAMES, SCHEMA, find_fault

Scoring = Literal["verdict", "per_category"]
RecordKey: TypeAlias = tuple[str | None, int, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a record was judged with; the same for every row of a run.

    `scoring` is "verdict" (one question for all categories) or "per_category". `labels` says what the output calls each
    category, by id, in the taxonomy's order; rows that are read back do not have it. What a stored row does
    not tell is empty.
    """

    model: str
    template: str
    scoring: Scoring
    taxonomy: str
    prompt_digest: str
    decision_digest: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verdict:
    """One row: the verdict on a record, or on one of its messages.

    >>> for verdict in guard.check(["How do I bake bread?"]):
    ...     print(verdict.verdict, verdict.score)
    safe 0.0021

    Args:
        verdict: "safe", "unsafe", or "error" if something could not be judged.
        turn: the message that decides, counted from 1 over all messages of the record; `role` wrote it.
        threshold: of `calibrated`, where the row has it, else of `score`.
        score: P(unsafe) in [0, 1], unrounded; None if nothing could be read. With an error it decides nothing.
        calibrated: the score after calibration by `temperature`; None without one. See `Calibration`.
        categories: those that the model lists for every unsafe turn, those of `turn` first; None if they were not read.
        flags: "role_order" (user and assistant do not take turns), "speaker_not_judged" (the model judges the messages
            of one speaker only; those of the other were context), "category_not_asked" (a category needs documents or
            tools that the record does not have), "marker_in_content" (a message imitates the prompt's structure),
            "windowed" (a long message was scored in pieces), "invalid_unicode" (repaired), "unread_text" (`unread` are
            the paths of text in the record that was not judged), "unknown_speaker" (a line of a transcript seems to
            begin the turn of somebody unknown), "reasoning" (a message was judged together with what the model thought
            before it); and those of the decision: "low_mass" (the model was about to answer something else),
            "near_threshold" (the score may move past it in another batch), "categories_not_read" (of a row that was
            safe when it was judged, or by a model that names none), "forced" (low mass counts as a verdict),
            "tolerance_unknown" (so that "near_threshold" is unknown).
        truncated: earlier messages did not fit.
        error, error_code: what could not be judged and why, in words and as a code of docs/errors.md; None without an
            error. Rows of older versions have no code.
        listed_scores: of `turn`, the probability of each category to be listed first.
        category_scores: P(unsafe) by category, where each was asked about by itself.
        mass: of `turn`, P(safe) + P(unsafe) among all tokens where `score` was read; None if unknown.
        tolerance: how far `score` may differ with the rest of its batch, in log-odds; None if unknown.
        temperature: what divides the log-odds of all scores of the row before they are compared with a threshold; None
            without a calibration.
        listed: of `turn`, the categories that the model lists, also if the row is safe; None if they were not read.
        turns: the scores of every turn, or window of a long one, where this row does not tell them by itself.
        extra: fields of a stored row that are not guard's; they are written again.
    """

    key: Key
    verdict: Label
    provenance: Provenance
    threshold: float
    turn: int | None = None
    role: Role | None = None
    score: float | None = None
    calibrated: float | None = None
    categories: tuple[str, ...] | None = ()
    flags: tuple[str, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] | None = ()
    truncated: bool = False
    error: str | None = None
    error_code: str | None = None
    listed_scores: Mapping[str, float] | None = None
    category_scores: Mapping[str, float] | None = None
    mass: float | None = None
    tolerance: float | None = None
    temperature: float | None = None
    listed: tuple[str, ...] | None = None
    turns: tuple[TurnScores, ...] = ()
    meta: Mapping[str, Json] | None = None
    text: str | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether the verdict is unsafe. An error is neither flagged nor safe."""
        return self.verdict == "unsafe"

    @property
    def is_safe(self) -> bool:
        """Whether everything was judged, and is safe."""
        return self.verdict == "safe"

    @property
    def judged_score(self) -> float | None:
        """The score that the verdict was made of, calibrated if the row is; None with an error."""
        return None if self.verdict == "error" else self.decision_score

    @property
    def decision_score(self) -> float | None:
        """The score that `threshold` is for: `calibrated` if the row has it, else `score`."""
        return self.score if self.calibrated is None else self.calibrated

    @property
    def judged_category_scores(self) -> Mapping[str, float] | None:
        """`category_scores` as they were compared with thresholds, calibrated if the row is; None with an error."""
        if self.verdict == "error" or self.category_scores is None:
            return None
        if self.temperature is None:
            return self.category_scores
        return {label: apply_temperature(one, self.temperature) for label, one in self.category_scores.items()}

    @property
    def record_key(self) -> RecordKey:
        """The record that the row is about: it has one row, or with target "each" one for every message."""
        return self.key.source, self.key.line, self.key.part

    @property
    def location(self) -> str:
        """Where a person finds what the row is about: source, line and part, whose turn it is, and the record's id."""
        turn = f" {self.role}#{self.turn}" if self.turn is not None else ""
        return self.key.location + turn + (f" {self.key.id}" if self.key.id else "")

    @property
    def scores(self) -> Scores:
        """All that the decision was made of."""
        return Scores(turns=self.turns or (_own_scores(self),), tolerance=self.tolerance, forced="forced" in self.flags)

    @classmethod
    def from_scores(
        cls,
        scores: Scores,
        rule: DecisionRule,
        *,
        key: Key,
        provenance: Provenance,
        flags: tuple[str, ...] = (),
        skipped: Mapping[str, int] | None = None,
        unread: tuple[str, ...] | None = (),
        truncated: bool = False,
        meta: Mapping[str, Json] | None = None,
        texts: Mapping[int | None, str | None] | None = None,
        extra: Mapping[str, Json] | None = None,
    ) -> Verdict:
        """The row as a rule decides on scores.

        `flags` may have those of an earlier decision, which are dropped. `texts` has messages by their number; the row
        gets that of the one that decides.

        Raises:
            ValueError: as `decide`.
        """
        decision = decide(scores, rule)
        shown = decision.turn
        kept = [flag for flag in flags if flag not in DECISION_FLAGS] if flags else ()
        return cls(
            key=key,
            verdict=decision.verdict,
            provenance=provenance,
            threshold=rule.threshold,
            turn=shown.turn,
            role=shown.role,
            score=decision.score,
            calibrated=decision.calibrated,
            categories=decision.categories,
            flags=(*kept, *decision.flags),
            skipped=skipped or {},
            unread=unread,
            truncated=truncated,
            error=decision.error,
            error_code=decision.error_code,
            listed_scores=shown.listed_scores,
            category_scores=decision.category_scores,
            mass=shown.mass,
            tolerance=scores.tolerance,
            temperature=rule.temperature,
            listed=shown.listed,
            turns=() if _is_told_by_row(scores, decision) else scores.turns,
            meta=meta,
            text=texts.get(shown.turn) if texts else None,
            extra=extra or {},
        )

    def redecided(self, rule: DecisionRule, *, provenance: Provenance | None = None) -> Verdict:
        """The row as another rule decides on its scores; with another `provenance`, if one is given.

        Its text is that of the message that decided before: where another one decides now, the row has none.

        Raises:
            ValueError: as `decide`.
        """
        return Verdict.from_scores(
            self.scores,
            rule,
            key=self.key,
            provenance=provenance or self.provenance,
            flags=self.flags,
            skipped=self.skipped,
            unread=self.unread,
            truncated=self.truncated,
            meta=self.meta,
            texts={self.turn: self.text},
            extra=self.extra,
        )

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON values, its fields in their order; what was not asked for is null.

        `error` names options of the command line where the attribute names settings of the library.
        """
        by = self.provenance
        return {
            "schema": SCHEMA,
            "id": self.key.id,
            "source": self.key.source,
            "line": self.key.line,
            "part": self.key.part,
            "turn": self.turn,
            "role": self.role,
            "verdict": self.verdict,
            "score": self.score,
            "calibrated": self.calibrated,
            "threshold": self.threshold,
            "categories": None if self.categories is None else list(self.categories),
            "flags": list(self.flags),
            "skipped": dict(self.skipped),
            "unread": None if self.unread is None else list(self.unread),
            "truncated": self.truncated,
            "error": None if self.error is None else as_options(self.error),
            "error_code": self.error_code,
            "model": by.model,
            "template": by.template,
            "scoring": by.scoring,
            "taxonomy": {"name": by.taxonomy, "prompt": by.prompt_digest, "decision": by.decision_digest},
            "listed_scores": self.listed_scores,
            "category_scores": self.category_scores,
            "mass": self.mass,
            "tolerance": self.tolerance,
            "temperature": self.temperature,
            "listed": None if self.listed is None else list(self.listed),
            "turns": [_turn_to_dict(turn) for turn in self.turns] or None,
            "meta": self.meta,
            "text": self.text,
            **self.extra,
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Verdict:
        """A row that `to_dict` made, or one of schema 1. What schema 1 does not have is None.

        Raises:
            ValueError: it is not such a row; the message says which field is wrong.
        """
        if row.get("schema") == 1:
            row = _upgrade(row)
        if fault := find_fault(row):
            raise ValueError(fault)
        taxonomy = row["taxonomy"]
        return cls(
            key=Key(row["source"], row["line"], row["part"], row["id"]),
            verdict=row["verdict"],
            provenance=_provenance(
                row.get("model", ""),
                row.get("template", ""),
                row["scoring"],
                taxonomy.get("name") or "",
                taxonomy.get("prompt") or "",
                taxonomy.get("decision") or "",
            ),
            threshold=row["threshold"],
            turn=row["turn"],
            role=row["role"],
            score=row["score"],
            calibrated=row.get("calibrated"),
            categories=_tuple(row["categories"]),
            flags=tuple(row["flags"]),
            skipped=row.get("skipped", {}),
            unread=_tuple(row["unread"]),
            truncated=row.get("truncated", False),
            error=row["error"],
            error_code=row.get("error_code"),
            listed_scores=row["listed_scores"],
            category_scores=row["category_scores"],
            mass=row.get("mass"),
            tolerance=row.get("tolerance"),
            temperature=row.get("temperature"),
            listed=_tuple(row.get("listed")),
            turns=tuple(_turn_from_dict(turn, row["flags"]) for turn in row.get("turns") or ()),
            meta=row["meta"],
            text=row.get("text"),
            extra={name: row[name] for name in row if name not in _KNOWN} if row.keys() - _KNOWN else {},
        )

    def __repr__(self) -> str:
        score = "" if self.decision_score is None else f" {self.decision_score:.4f}"
        categories = f" {','.join(self.categories)}" if self.categories else ""
        error = f": {self.error}" if self.verdict == "error" else ""
        return f"<Verdict {self.verdict}{score}{categories} {self.location}{error}>"


_KNOWN = frozenset(FIELD_NAMES)


@lru_cache(maxsize=256)
def _provenance(
    model: str, template: str, scoring: Scoring, taxonomy: str, prompt_digest: str, decision_digest: str
) -> Provenance:
    """One value for all rows of a run."""
    return Provenance(
        model=model,
        template=template,
        scoring=scoring,
        taxonomy=taxonomy,
        prompt_digest=prompt_digest,
        decision_digest=decision_digest,
    )


def _own_scores(verdict: Verdict) -> TurnScores:
    """The scores of a row about one turn, as the row itself tells them."""
    return TurnScores(
        turn=verdict.turn,
        role=verdict.role,
        score=verdict.score,
        mass=verdict.mass,
        low_mass=_is_low(verdict.mass, verdict.flags),
        listed=verdict.listed,
        listed_scores=verdict.listed_scores,
        category_scores=verdict.category_scores,
        error=verdict.error,
        error_code=verdict.error_code,
    )


def _is_low(mass: float | None, flags: Sequence[str]) -> bool:
    """Whether an answer was no verdict; where its mass is unknown, as the flags of its row say."""
    return "low_mass" in flags if mass is None else mass < LOW_MASS


def _is_told_by_row(scores: Scores, decision: Decision) -> bool:
    """Whether `_own_scores` of the decided row are the scores: of one turn, whose error is not the decision's own."""
    if len(scores.turns) != 1:
        return False
    (turn,) = scores.turns
    return (decision.error, decision.error_code) == (turn.error, turn.error_code)


def _turn_to_dict(scores: TurnScores) -> dict[str, Any]:
    """A turn of `turns`; what it does not have is left out."""
    values: dict[str, Any] = {
        "score": scores.score,
        "mass": scores.mass,
        "listed": None if scores.listed is None else list(scores.listed),
        "listed_scores": scores.listed_scores,
        "category_scores": scores.category_scores,
        "error": None if scores.error is None else as_options(scores.error),
        "error_code": scores.error_code,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return {"turn": scores.turn, "role": scores.role, **known}


def _turn_from_dict(turn: Mapping[str, Any], flags: Sequence[str]) -> TurnScores:
    """A turn of `turns`, in a row with these flags."""
    score, mass = turn.get("score"), turn.get("mass")
    return TurnScores(
        turn=turn["turn"],
        role=turn["role"],
        score=score,
        mass=mass,
        low_mass=score is not None and _is_low(mass, flags),
        listed=_tuple(turn.get("listed")),
        listed_scores=turn.get("listed_scores"),
        category_scores=turn.get("category_scores"),
        error=turn.get("error"),
        error_code=turn.get("error_code"),
    )


def _upgrade(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of schema 1 under the names of schema 2. It does not tell what was unread, the tolerance or the mass."""
    upgraded = {**row, "schema": SCHEMA, "unread": None}
    if row.get("scoring") == "each":
        upgraded["scoring"] = "per_category"
    if row.get("verdict") == "unsafe" and row.get("scoring") == "verdict":
        upgraded["listed"] = row.get("categories")
    flags = row.get("flags")
    if row.get("verdict") == "safe" and isinstance(flags, list) and "low_mass" in flags:
        upgraded["flags"] = [*flags, "forced"]  # only --allow-unverified-model made it safe
    return upgraded


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
