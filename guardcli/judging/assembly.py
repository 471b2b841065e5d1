"""Assemble verdict rows: the scores of prompts → the verdict of a turn → the verdict of a record.

Nothing unjudged is called safe: a prompt without a score makes its turn an error, unless another one is unsafe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from guardcli.conversation import Json, Record
from guardcli.formats import find_field
from guardcli.judging.decision import DecisionRule, highest_scores
from guardcli.judging.preparation import JudgeConfig, PreparedRecord
from guardcli.judging.scoring import PromptScore
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.prompts.turns import without_text

LOW, NEAR = "low_mass", "near_threshold"
LOW_MASS = 0.5  # below this the model was about to write something other than a verdict


def assemble_verdicts(
    prepared: PreparedRecord,
    outcomes: Sequence[PromptScore],
    config: JudgeConfig,
    decision: DecisionRule,
    provenance: Provenance,
) -> Iterator[Verdict]:
    """Assemble the rows of a record from the scores of its prompts, in their order."""
    shared: dict[str, Any] = {
        "key": prepared.record.key,
        "provenance": provenance,
        "threshold": decision.threshold,
        "skipped": prepared.skipped or {},
        "unread": prepared.record.conversation.unread if isinstance(prepared.record, Record) else (),
        "meta": _meta(prepared.record.fields, config.keep),
    }
    if not prepared.turns:
        yield Verdict(verdict="error", error=prepared.error, **shared)
        return
    each = list(_verdicts_by_turn(prepared, iter(outcomes), config, decision, shared))
    if config.target == "each":
        yield from each
    else:
        yield _aggregate(each)


def _verdicts_by_turn(
    prepared: PreparedRecord,
    outcomes: Iterator[PromptScore],
    config: JudgeConfig,
    decision: DecisionRule,
    shared: dict[str, Any],
) -> Iterator[Verdict]:
    for turn_prompts in prepared.turns:
        common = shared | {
            "verdict": "error",
            "turn": turn_prompts.turn.number,
            "role": turn_prompts.turn.role,
            "flags": turn_prompts.flags,
            "truncated": turn_prompts.truncated,
            "text": turn_prompts.turn.text if config.text else None,
        }
        if not turn_prompts.windows_by_category:
            yield Verdict(**common, error=without_text(turn_prompts.turn))
            continue
        read = {
            category: [next(outcomes) for _ in windows.prompts]
            for category, windows in turn_prompts.windows_by_category.items()
        }
        if None in read:
            fields_by_outcome = [_decide(turn_prompts.flags, outcome, config, decision) for outcome in read[None]]
            yield _aggregate([Verdict(**common | fields) for fields in fields_by_outcome])
        else:
            by_category = {category: outcomes for category, outcomes in read.items() if category is not None}
            yield Verdict(**common | _decide_by_category(turn_prompts.flags, by_category, config, decision))


def _decide(
    flags: tuple[str, ...], outcome: PromptScore, config: JudgeConfig, decision: DecisionRule
) -> dict[str, Any]:
    """The fields of a row for one prompt. An answer that is no verdict may be called unsafe, but never safe."""
    if outcome.error:
        return {"error": outcome.error}
    labels = decision.labels
    unsafe = decision.is_unsafe(outcome.score)
    flags = (*flags, *_score_flags(low=outcome.mass < LOW_MASS, near=decision.is_near_threshold(outcome.score)))
    if LOW in flags and not unsafe and not config.force:
        return {"flags": flags, "mass": outcome.mass, "error": _no_answer(outcome.mass)}
    return {
        "verdict": "unsafe" if unsafe else "safe",
        "score": outcome.score,
        "mass": outcome.mass,
        "categories": tuple(labels[id_] for id_ in outcome.categories) if unsafe else (),
        "listed_scores": {labels[id_]: share for id_, share in outcome.listed.items()} if config.scores else None,
        "flags": flags,
    }


def _decide_by_category(
    flags: tuple[str, ...], read: Mapping[str, Sequence[PromptScore]], config: JudgeConfig, decision: DecisionRule
) -> dict[str, Any]:
    """The fields of a row for prompts about one category each: unsafe as soon as one is violated."""
    failed = next((outcome.error for outcomes in read.values() for outcome in outcomes if outcome.error), None)
    good = {id_: [outcome for outcome in outcomes if not outcome.error] for id_, outcomes in read.items()}
    scores = {id_: max(outcome.score for outcome in outcomes) for id_, outcomes in good.items() if outcomes}
    if not scores:
        return {"error": failed}
    mass = min(outcome.mass for outcomes in good.values() for outcome in outcomes)
    violated = decision.violated(scores)
    flags = (*flags, *_score_flags(low=mass < LOW_MASS, near=decision.is_any_near_threshold(scores)))
    if not violated and (failed or (LOW in flags and not config.force)):
        return {"flags": flags, "mass": mass, "error": failed or _no_answer(mass)}
    return {
        "verdict": "unsafe" if violated else "safe",
        "score": max(scores.values()),
        "mass": mass,
        "categories": tuple(decision.labels[id_] for id_ in violated),
        "category_scores": {decision.labels[id_]: score for id_, score in scores.items()},
        "flags": flags,
        "error": failed,
    }


def _score_flags(*, low: bool, near: bool) -> tuple[str, ...]:
    return (*((LOW,) if low else ()), *((NEAR,) if near else ()))


def _no_answer(mass: float) -> str:
    return f"the model was about to answer with something else than a verdict: P(safe) + P(unsafe) is {mass:.2g}"


def _aggregate(each: Sequence[Verdict]) -> Verdict:
    """Combine rows into the one with the highest score: unsafe if one of them is, safe only if all are."""
    if len(each) == 1:
        return each[0]
    judged_rows = [row for row in each if row.score is not None]
    failed = [row for row in each if row.score is None]
    best = max(judged_rows, key=lambda row: (row.verdict == "unsafe", row.score or 0.0), default=each[0])
    others = [flag for row in each for flag in row.flags if flag != NEAR]  # only the highest score may turn the row
    flags = tuple(dict.fromkeys((*best.flags, *others)))
    truncated = any(row.truncated for row in each)
    if failed and best.verdict != "unsafe":
        return replace(failed[0], flags=flags, truncated=truncated)
    unsafe = [row for row in (best, *judged_rows) if row.verdict == "unsafe"]
    categories = tuple(dict.fromkeys(category for row in unsafe for category in row.categories))
    error = next((row.error for row in each if row.error), None)
    scores = highest_scores(row.category_scores for row in judged_rows if row.category_scores) or None
    score = max(scores.values()) if scores else best.score
    return replace(
        best, score=score, categories=categories, category_scores=scores, flags=flags, truncated=truncated, error=error
    )


def _meta(fields: Mapping[str, Json], keep: Sequence[str]) -> dict[str, Json] | None:
    """The fields to keep that the record has; None if none are to be kept."""
    return {name: value for name in keep for value in find_field(fields, name)} if keep else None
