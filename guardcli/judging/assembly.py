"""Assemble verdict rows: the scores of prompts → the scores of turns → the decision on a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from guardcli.conversation import Json, Record
from guardcli.formats import find_field
from guardcli.judging.decision import LOW_MASS, DecisionRule, Scores, TurnScores
from guardcli.judging.preparation import JudgeConfig, PreparedRecord, TurnPrompts
from guardcli.judging.scoring import PromptScore
from guardcli.judging.verdict import Provenance, Verdict


def assemble_verdicts(
    prepared: PreparedRecord,
    outcomes: Sequence[PromptScore],
    config: JudgeConfig,
    rule: DecisionRule,
    provenance: Provenance,
    *,
    tolerance: float,
) -> Iterator[Verdict]:
    """Assemble the rows of a record from the scores of its prompts, in their order.

    `tolerance` is how far a score may differ with the rest of its batch, in log-odds.
    """
    remaining = iter(outcomes)
    scores = [_turn_scores(turn_prompts, remaining, provenance.labels, config) for turn_prompts in prepared.turns]
    rows: list[tuple[Sequence[TurnPrompts], tuple[TurnScores, ...]]]
    if not scores:
        rows = [((), (TurnScores(error=prepared.error, error_code=prepared.error_code),))]
    elif config.target == "each":
        rows = [((turn_prompts,), of_turn) for turn_prompts, of_turn in zip(prepared.turns, scores, strict=True)]
    else:
        rows = [(prepared.turns, tuple(chain.from_iterable(scores)))]
    record = prepared.record
    for turn_prompts_list, turns in rows:
        yield Verdict.from_scores(
            Scores(turns=turns, tolerance=tolerance, forced=config.allow_unverified_model),
            rule,
            key=record.key,
            provenance=provenance,
            flags=_flags(turn_prompts_list),
            skipped=prepared.skipped,
            unread=record.conversation.unread if isinstance(record, Record) else (),
            truncated=any(turn_prompts.truncated for turn_prompts in turn_prompts_list),
            meta=_meta(record.fields, config.keep) if config.keep else None,
            texts={one.turn.number: one.turn.text for one in turn_prompts_list} if config.text else None,
        )


def _flags(turns: Sequence[TurnPrompts]) -> tuple[str, ...]:
    """The flags of some turns, each once, in the order of the record."""
    if len(turns) == 1:
        return turns[0].flags
    return tuple(dict.fromkeys(flag for turn_prompts in turns for flag in turn_prompts.flags))


def _turn_scores(
    turn_prompts: TurnPrompts, outcomes: Iterator[PromptScore], labels: Mapping[str, str], config: JudgeConfig
) -> tuple[TurnScores, ...]:
    """The scores of a turn: one for each of its windows, or one for all categories if each has its own prompts."""
    turn = turn_prompts.turn
    if (unjudged := turn_prompts.unjudged) is not None:
        return (TurnScores(turn=turn.number, role=turn.role, error=str(unjudged), error_code=unjudged.code),)
    by_category = {
        category: [next(outcomes) for _ in windows.prompts]
        for category, windows in turn_prompts.windows_by_category.items()
    }
    if None not in by_category:
        named = {labels[category]: outcomes for category, outcomes in by_category.items() if category is not None}
        return (_scores_by_category(turn_prompts, named),)
    return tuple(
        TurnScores(turn=turn.number, role=turn.role, error=outcome.error, error_code=outcome.error_code)
        if outcome.error
        else TurnScores(
            turn=turn.number,
            role=turn.role,
            score=outcome.score,
            mass=outcome.mass,
            low_mass=outcome.mass < LOW_MASS,
            listed=tuple(labels[id_] for id_ in outcome.categories) or None,
            listed_scores={labels[id_]: share for id_, share in outcome.listed.items()} if config.scores else None,
        )
        for outcome in by_category[None]
    )


def _scores_by_category(turn_prompts: TurnPrompts, by_label: Mapping[str, Sequence[PromptScore]]) -> TurnScores:
    """The highest score of each category over the windows of a turn. With an error, some of them are missing."""
    turn = turn_prompts.turn
    failed = next((outcome for outcomes in by_label.values() for outcome in outcomes if outcome.error), PromptScore())
    good = {label: [outcome for outcome in outcomes if not outcome.error] for label, outcomes in by_label.items()}
    scores = {label: max(outcome.score for outcome in outcomes) for label, outcomes in good.items() if outcomes}
    if not scores:
        return TurnScores(turn=turn.number, role=turn.role, error=failed.error, error_code=failed.error_code)
    mass = min(outcome.mass for outcomes in good.values() for outcome in outcomes)
    return TurnScores(
        turn=turn.number,
        role=turn.role,
        score=max(scores.values()),
        mass=mass,
        low_mass=mass < LOW_MASS,
        category_scores=scores,
        error=failed.error,
        error_code=failed.error_code,
    )


def _meta(fields: Mapping[str, Json], keep: Sequence[str]) -> dict[str, Json]:
    """The fields to keep that the record has."""
    return {name: value for name in keep for value in find_field(fields, name)}
