"""Outcomes → rows: what the model said of each prompt becomes the verdict of a turn, and of a record.

It decides by the rules of `decision`, and sees to it that nothing unjudged is called safe.
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
    job: PreparedRecord,
    outcomes: Sequence[PromptScore],
    config: JudgeConfig,
    decision: DecisionRule,
    provenance: Provenance,
) -> Iterator[Verdict]:
    """The rows of a job, from the outcomes of its prompts in their order."""
    shared: dict[str, Any] = {
        "key": job.record.key,
        "provenance": provenance,
        "threshold": decision.threshold,
        "skipped": job.skipped or {},
        "unread": job.record.conversation.unread if isinstance(job.record, Record) else (),
        "meta": _meta(job.record.fields, config.keep),
    }
    if not job.parts:
        yield Verdict(verdict="error", error=job.error, **shared)
        return
    each = list(_each(job, iter(outcomes), config, decision, shared))
    if config.target == "each":
        yield from each
    else:
        yield _aggregate(each)


def _each(
    job: PreparedRecord,
    outcomes: Iterator[PromptScore],
    config: JudgeConfig,
    decision: DecisionRule,
    shared: dict[str, Any],
) -> Iterator[Verdict]:
    for part in job.parts:
        said = shared | {
            "verdict": "error",
            "turn": part.turn.number,
            "role": part.turn.role,
            "flags": part.flags,
            "truncated": part.truncated,
            "text": part.turn.text if config.text else None,
        }
        if not part.questions:
            yield Verdict(**said, error=without_text(part.turn))
            continue
        read = {category: [next(outcomes) for _ in fitted.prompts] for category, fitted in part.questions.items()}
        if None in read:
            found = [_decided(part.flags, outcome, config, decision) for outcome in read[None]]
            yield _aggregate([Verdict(**said | fields) for fields in found])
        else:
            by_category = {category: outcomes for category, outcomes in read.items() if category is not None}
            yield Verdict(**said | _decided_by_category(part.flags, by_category, config, decision))


def _decided(
    flags: tuple[str, ...], outcome: PromptScore, config: JudgeConfig, decision: DecisionRule
) -> dict[str, Any]:
    """What a row says of one prompt. What was not answered with a verdict may be called unsafe, but never safe."""
    if outcome.error:
        return {"error": outcome.error}
    labels = decision.labels
    unsafe = decision.is_unsafe(outcome.score)
    flags = (*flags, *_remarks(low=outcome.mass < LOW_MASS, near=decision.is_near_threshold(outcome.score)))
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


def _decided_by_category(
    flags: tuple[str, ...], read: Mapping[str, Sequence[PromptScore]], config: JudgeConfig, decision: DecisionRule
) -> dict[str, Any]:
    """The same of a turn that was asked about one category at a time: unsafe as soon as one is violated."""
    failed = next((outcome.error for outcomes in read.values() for outcome in outcomes if outcome.error), None)
    good = {id_: [outcome for outcome in outcomes if not outcome.error] for id_, outcomes in read.items()}
    scores = {id_: max(outcome.score for outcome in outcomes) for id_, outcomes in good.items() if outcomes}
    if not scores:
        return {"error": failed}
    mass = min(outcome.mass for outcomes in good.values() for outcome in outcomes)
    violated = decision.violated(scores)
    flags = (*flags, *_remarks(low=mass < LOW_MASS, near=decision.is_any_near_threshold(scores)))
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


def _remarks(*, low: bool, near: bool) -> tuple[str, ...]:
    return (*((LOW,) if low else ()), *((NEAR,) if near else ()))


def _no_answer(mass: float) -> str:
    return f"the model was about to answer with something else than a verdict: P(safe) + P(unsafe) is {mass:.2g}"


def _aggregate(each: Sequence[Verdict]) -> Verdict:
    """One row for several prompts: that of the highest score, unsafe if one of them is, and safe only if all are."""
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
    """The kept fields that the record has; None if none are kept."""
    return {name: value for name in keep for value in find_field(fields, name)} if keep else None
