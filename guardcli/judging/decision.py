"""The decision: scores and a rule → safe, unsafe or error.

`decide` is the only place where it is made. Records that are judged now, stored rows, comparisons, evaluations and
policy tests all go through it, so a row that is decided again gets what a new run would give it.

Nothing unjudged is called safe: a turn without a score, or whose answer was no verdict, makes its record an error, but
for a record with another turn that is unsafe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from guardcli.conversation import Role
from guardcli.errors import ErrorCode
from guardcli.judging.temperature import apply_temperature, log_odds
from guardcli.taxonomy import Taxonomy

Label = Literal["safe", "unsafe", "error"]
DecisionFlag = Literal["low_mass", "near_threshold", "categories_not_read", "forced", "tolerance_unknown"]

DECISION_FLAGS: tuple[DecisionFlag, ...] = (
    "low_mass",
    "near_threshold",
    "categories_not_read",
    "forced",
    "tolerance_unknown",
)
NO_VERDICT_CODE: ErrorCode = "record/no-verdict"
LOW_MASS = 0.5  # below this the model was about to write something other than a verdict


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """A score that reaches its threshold, both in [0, 1], is unsafe.

    `thresholds` are those of categories, by label, for scores by category; `threshold` is for all other categories, and
    for a single score. With a `temperature` all of them are for calibrated scores. The methods take raw ones.
    """

    threshold: float
    thresholds: Mapping[str, float] = field(default_factory=dict)
    temperature: float | None = None

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy, threshold: float | None = None) -> DecisionRule:
        """The rule of a taxonomy. A `threshold` replaces the taxonomy's own, but not those of its categories."""
        given = (threshold, taxonomy.threshold, 0.5)
        return cls(
            threshold=next(threshold for threshold in given if threshold is not None),
            thresholds={c.label: c.threshold for c in taxonomy.categories if c.threshold is not None},
        )

    def threshold_of(self, label: str) -> float:
        """The threshold of a category."""
        return self.thresholds.get(label, self.threshold)

    @property
    def raw_threshold(self) -> float:
        """The raw score that is at `threshold` when it is calibrated, but for rounding."""
        return self.threshold if self.temperature is None else apply_temperature(self.threshold, 1 / self.temperature)

    def calibrate(self, score: float) -> float:
        """The score that is compared with a threshold."""
        return score if self.temperature is None else apply_temperature(score, self.temperature)

    def is_unsafe(self, score: float) -> bool:
        """Whether a single score is unsafe."""
        return self.calibrate(score) >= self.threshold

    def violated(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """The categories whose scores reach their thresholds, the highest score first."""
        violated = [label for label, score in scores.items() if self.calibrate(score) >= self.threshold_of(label)]
        return tuple(sorted(violated, key=lambda label: -scores[label]))

    def margin(self, score: float, threshold: float) -> float:
        """How far a score is above a threshold, in log-odds after calibration; -inf if both are 0 or both are 1."""
        margin = log_odds(score) / (self.temperature or 1) - log_odds(threshold)
        return -math.inf if math.isnan(margin) else margin


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnScores:
    """What was read from the model about one turn, or one window of a long one.

    `score` is P(unsafe) in [0, 1]; None if nothing could be read, and then `error` says why. `mass` is P(safe) +
    P(unsafe) among all tokens, None if unknown; `low_mass`: less than LOW_MASS, so the answer was no verdict. `listed`
    are the categories that the model lists, None if they were not read. `listed_scores` has the probability of each
    category to be listed first, `category_scores` P(unsafe) by category where each was asked about in a prompt of its
    own; `score` is then the highest. With a score, `error` says that a part (a category, a window) was not judged.
    `error_code` is that of the error; None without one, and in rows that do not tell.
    """

    turn: int | None = None
    role: Role | None = None
    score: float | None = None
    mass: float | None = None
    low_mass: bool = False
    listed: tuple[str, ...] | None = None
    listed_scores: Mapping[str, float] | None = None
    category_scores: Mapping[str, float] | None = None
    error: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """All that the decision on a row is made of.

    `turns` are one or more, in the order of the record. A score may differ by `tolerance`, in log-odds, with the rest
    of its batch; None if unknown. `forced`: an answer that was not a verdict counts as one.
    """

    turns: tuple[TurnScores, ...]
    tolerance: float | None
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict on a row.

    `turn` is the one that decides: the unsafe turn with the highest score; else the first that could not be judged;
    else the one with the highest score. `score` is raw; `calibrated` is what the threshold was compared with, None
    without a temperature. `categories` are those of all unsafe turns, of the deciding one first; None if
    none of them was read. `flags` are in the order of DECISION_FLAGS.
    """

    verdict: Label
    turn: TurnScores
    score: float | None
    calibrated: float | None
    categories: tuple[str, ...] | None
    category_scores: Mapping[str, float] | None
    flags: tuple[DecisionFlag, ...]
    error: str | None
    error_code: str | None


def decide(scores: Scores, rule: DecisionRule) -> Decision:
    """Decide on the scores of a row by a rule.

    Raises:
        ValueError: the rule has thresholds by category, and a turn has no score for each category.
    """
    turns = [_decide_turn(turn, rule, forced=scores.forced) for turn in scores.turns]
    best, shown, unsafe = _deciding_turns(turns)
    category_scores, score = shown.scores.category_scores, shown.scores.score
    if len(turns) > 1 and shown.verdict != "error" and category_scores is not None:
        category_scores = highest_scores(turn.scores.category_scores or {} for turn in turns if turn.verdict != "error")
        score = max(category_scores.values())
    with_error = shown if shown.verdict == "error" else next((turn for turn in turns if turn.error), None)
    return Decision(
        verdict=shown.verdict,
        turn=shown.scores,
        score=score,
        calibrated=None if score is None or rule.temperature is None else rule.calibrate(score),
        categories=_merge_categories(unsafe) if unsafe else (),
        category_scores=category_scores,
        flags=tuple(_decision_flags(scores, rule, best, unsafe)),
        error=None if with_error is None else with_error.error,
        error_code=None if with_error is None else with_error.error_code,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TurnDecision:
    """The verdict on one turn. `guessed`: its list was not read, and has the most probable first category alone."""

    verdict: Label
    scores: TurnScores
    categories: tuple[str, ...] | None = ()
    guessed: bool = False
    error: str | None = None
    error_code: str | None = None


def _deciding_turns(
    turns: Sequence[_TurnDecision],
) -> tuple[_TurnDecision, _TurnDecision, Sequence[_TurnDecision]]:
    """The turn that is most likely unsafe, the one that the row shows, and all that are unsafe, the first one first."""
    if len(turns) == 1:
        return turns[0], turns[0], turns if turns[0].verdict == "unsafe" else ()
    judged = [turn for turn in turns if turn.verdict != "error"]
    best = max(judged, key=lambda turn: (turn.verdict == "unsafe", turn.scores.score or 0.0), default=turns[0])
    if best.verdict == "unsafe":
        return best, best, [turn for turn in (best, *judged) if turn.verdict == "unsafe"]
    return best, next((turn for turn in turns if turn.verdict == "error"), best), ()


def _decision_flags(
    scores: Scores, rule: DecisionRule, best: _TurnDecision, unsafe: Sequence[_TurnDecision]
) -> Iterator[DecisionFlag]:
    """The flags, in the order of DECISION_FLAGS."""
    low = any(turn.low_mass for turn in scores.turns)
    if low:
        yield "low_mass"
    if is_near(best.scores, rule, scores.tolerance):
        yield "near_threshold"
    if any(turn.categories is None or turn.guessed for turn in unsafe):
        yield "categories_not_read"
    if low and scores.forced:
        yield "forced"
    if scores.tolerance is None:
        yield "tolerance_unknown"


def _decide_turn(scores: TurnScores, rule: DecisionRule, *, forced: bool) -> _TurnDecision:
    if scores.score is None:
        return _TurnDecision(verdict="error", scores=scores, error=scores.error, error_code=scores.error_code)
    categories: tuple[str, ...] | None
    guessed = False
    if scores.category_scores is not None:
        categories = rule.violated(scores.category_scores)
        unsafe = bool(categories)
    elif rule.thresholds:
        raise ValueError("a threshold by category needs a score for each: run again with JudgeConfig.per_category")
    else:
        unsafe = rule.is_unsafe(scores.score)
        categories = scores.listed if unsafe else ()
        if categories is None and (listed := scores.listed_scores):
            categories, guessed = (max(listed, key=lambda label: listed[label]),), True
    if unsafe:
        return _TurnDecision(
            verdict="unsafe",
            scores=scores,
            categories=categories,
            guessed=guessed,
            error=scores.error,
            error_code=scores.error_code,
        )
    if scores.error is not None:
        return _TurnDecision(verdict="error", scores=scores, error=scores.error, error_code=scores.error_code)
    if scores.low_mass and not forced:
        return _TurnDecision(
            verdict="error", scores=scores, error=_no_verdict_message(scores.mass), error_code=NO_VERDICT_CODE
        )
    return _TurnDecision(verdict="safe", scores=scores)


def _merge_categories(unsafe: Sequence[_TurnDecision]) -> tuple[str, ...] | None:
    """The categories of unsafe turns; None if none of them was read."""
    lists = [turn.categories for turn in unsafe if turn.categories is not None]
    if not lists:
        return None
    return tuple(dict.fromkeys(label for labels in lists for label in labels))


def _no_verdict_message(mass: float | None) -> str:
    value = "" if mass is None else f": P(safe) + P(unsafe) is {mass:.2g}"
    return f"the model did not answer with a verdict{value}"


def is_near(scores: TurnScores, rule: DecisionRule, tolerance: float | None) -> bool:
    """Whether the verdict on a turn could differ in another batch. Of several categories the largest margin decides.

    `tolerance` is how far a raw score may move, in log-odds. A temperature divides what moves with what is moved.
    """
    if not tolerance or scores.score is None:
        return False
    tolerance /= rule.temperature or 1
    if scores.category_scores is None:
        return abs(rule.margin(scores.score, rule.threshold)) <= tolerance
    margins = (rule.margin(score, rule.threshold_of(label)) for label, score in scores.category_scores.items())
    return abs(max(margins)) <= tolerance


def highest_scores(all_scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The highest score of each category over several turns."""
    highest: dict[str, float] = {}
    for scores in all_scores:
        for category, score in scores.items():
            highest[category] = max(score, highest.get(category, 0.0))
    return highest
