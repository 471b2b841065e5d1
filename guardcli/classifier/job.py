"""One record on its way: what of it is judged, by which prompts, and how their outcomes become its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import or_
from typing import Any

from guardcli.classifier import tolerance
from guardcli.classifier.fitting import Encoded, Encoder, Fitted
from guardcli.conversation import Json, Malformed, Record, Role
from guardcli.prompt import imitates_marker
from guardcli.turns import TARGETS, NothingToJudge, Target, Turn, Turns, judged, turns, without_text
from guardcli.verdict import Outcome, Provenance, Verdict

# One record's prompts, in tokens: 128 MB. A conversation of 4,000 messages that fills a context of 8,192.
MAX_TOKENS = 1 << 25
NEAR = "near_threshold"
LOW_MASS = 0.5  # below this the model was about to write something other than a verdict


@dataclass(frozen=True, slots=True)
class Settings:
    """What is judged, from which score on it is unsafe, and what a row carries besides.

    `threshold` is in [0, 1]; a score that reaches it is unsafe; None leaves it to the taxonomy. With `scores`
    the categories of safe rows are read as well. `keep` names fields of the record ("meta.lang" is one inside
    another). `force` takes the word of a model that was about to write something other than a verdict.
    """

    target: Target = "any"
    threshold: float | None = None
    as_user: frozenset[Role] = frozenset()
    scores: bool = False
    keep: tuple[str, ...] = ()
    text: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError: no such target, or a threshold outside of [0, 1]."""
        if self.target not in TARGETS:
            raise ValueError(f"no target {self.target!r}; there are {', '.join(TARGETS)}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold is in [0, 1], not {self.threshold}")


@dataclass(frozen=True, slots=True)
class Decision:
    """How scores become verdicts: unsafe from the `threshold` on, flagged if it is nearer than the `tolerance`
    (in log-odds), by what it was judged, and what the output calls each category id."""

    threshold: float
    tolerance: float
    provenance: Provenance
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """A judged turn with its prompts; none if it has no text."""

    turn: Turn
    fitted: Fitted
    flags: tuple[str, ...]

    @property
    def tokens(self) -> int:
        return sum(len(prompt.tokens) for prompt in self.fitted.prompts)


@dataclass(frozen=True, slots=True)
class Job:
    """A record with all that is judged in it, or the reason why nothing is."""

    record: Record | Malformed
    parts: tuple[Part, ...] = ()
    skipped: Mapping[str, int] | None = None
    error: str | None = None

    @property
    def prompts(self) -> list[Encoded]:
        return [prompt for part in self.parts for prompt in part.fitted.prompts]


def prepare(record: Record | Malformed, encoder: Encoder, settings: Settings) -> Job:
    """Choose what is judged in a record and encode it."""
    if isinstance(record, Malformed):
        return Job(record, error=record.reason)
    all_turns = turns(record.conversation, settings.as_user)
    try:
        chosen = judged(all_turns, settings.target)
    except NothingToJudge as reason:
        return Job(record, skipped=all_turns.skipped, error=str(reason))
    parts, total = [], 0
    for part in _parts(chosen, all_turns, record, encoder):
        parts.append(part)
        total += part.tokens
        if total > MAX_TOKENS:
            return Job(record, skipped=all_turns.skipped, error=_too_long(len(chosen)))
    return Job(record, tuple(parts), all_turns.skipped)


def weight(job: Job) -> int:
    """How much of the look-ahead a job takes: its tokens, and some for what a record takes without any."""
    return 64 + sum(part.tokens for part in job.parts)


def _too_long(count: int) -> str:
    return (
        f"{count:,} messages, each judged in its context, take more than {MAX_TOKENS:,} tokens: "
        "judge the last one (--target last), or lower --ctx-size"
    )


def _parts(chosen: Sequence[Turn], all_turns: Turns, record: Record, encoder: Encoder) -> Iterator[Part]:
    shown = all_turns.shown
    place = {turn.number: at for at, turn in enumerate(shown)}
    marked = list(accumulate((imitates_marker(turn.text) for turn in shown), or_))  # in what is shown up to here
    encoded = encoder.conversation(shown)
    flags = (*record.conversation.flags, *(() if all_turns.alternating else ("role_order",)))
    for turn in chosen:
        if turn.blank:
            yield Part(turn, Fitted(()), flags)
            continue
        at = place[turn.number]
        fitted = encoder.fit(encoded, at)
        marker = ("marker_in_content",) if marked[at] else ()
        yield Part(turn, fitted, (*flags, *marker, *(("windowed",) if fitted.windowed else ())))


def rows(job: Job, outcomes: Sequence[Outcome], settings: Settings, decision: Decision) -> Iterator[Verdict]:
    """The rows of a job, from the outcomes of its prompts in their order."""
    blank = Verdict(
        job.record.key,
        "error",
        decision.provenance,
        decision.threshold,
        skipped=job.skipped or {},
        error=job.error,
        meta=_meta(job.record.fields, settings.keep),
    )
    if not job.parts:
        yield blank
        return
    each = list(_each(job, iter(outcomes), settings, decision, blank))
    if settings.target == "each":
        yield from each
    else:
        yield _together(each)


def _each(
    job: Job, outcomes: Iterator[Outcome], settings: Settings, decision: Decision, blank: Verdict
) -> Iterator[Verdict]:
    for part in job.parts:
        said: dict[str, Any] = {
            "turn": part.turn.number,
            "role": part.turn.role,
            "flags": part.flags,
            "truncated": part.fitted.truncated,
            "text": part.turn.text if settings.text else None,
        }
        if not part.fitted.prompts:
            yield replace(blank, **said, error=without_text(part.turn))
            continue
        read = (next(outcomes) for _ in part.fitted.prompts)
        yield _together(
            [replace(blank, **said | _decided(part.flags, outcome, settings, decision)) for outcome in read]
        )


def _decided(flags: tuple[str, ...], outcome: Outcome, settings: Settings, decision: Decision) -> dict[str, Any]:
    """What a row says of one prompt. What was not answered with a verdict may be called unsafe, but never safe."""
    if outcome.error:
        return {"error": outcome.error}
    labels = decision.labels
    unsafe = outcome.score >= decision.threshold
    low = outcome.mass < LOW_MASS
    near = tolerance.near(outcome.score, decision.threshold, decision.tolerance)
    flags = (*flags, *(("low_mass",) if low else ()), *((NEAR,) if near else ()))
    if low and not unsafe and not settings.force:
        return {"flags": flags, "mass": outcome.mass, "error": _no_answer(outcome.mass)}
    return {
        "verdict": "unsafe" if unsafe else "safe",
        "score": outcome.score,
        "mass": outcome.mass,
        "categories": tuple(labels[id_] for id_ in outcome.categories) if unsafe else (),
        "listed_scores": {labels[id_]: share for id_, share in outcome.listed.items()} if settings.scores else None,
        "flags": flags,
    }


def _no_answer(mass: float) -> str:
    return f"the model was about to answer with something else than a verdict: P(safe) + P(unsafe) is {mass:.2g}"


def _together(each: Sequence[Verdict]) -> Verdict:
    """One row for several prompts: that of the highest score, unsafe if one of them is, and safe only if all are."""
    if len(each) == 1:
        return each[0]
    judged_rows = [row for row in each if row.score is not None]
    failed = [row for row in each if row.score is None]
    best = max(judged_rows, key=lambda row: row.score or 0.0, default=each[0])
    others = [flag for row in each for flag in row.flags if flag != NEAR]  # only the highest score may turn the row
    flags = tuple(dict.fromkeys((*best.flags, *others)))
    truncated = any(row.truncated for row in each)
    if failed and best.verdict != "unsafe":
        return replace(failed[0], flags=flags, truncated=truncated)
    unsafe = [row for row in (best, *judged_rows) if row.verdict == "unsafe"]
    categories = tuple(dict.fromkeys(category for row in unsafe for category in row.categories))
    error = failed[0].error if failed else None
    return replace(best, categories=categories, flags=flags, truncated=truncated, error=error)


def _meta(fields: Mapping[str, Json], keep: Sequence[str]) -> dict[str, Json] | None:
    """The kept fields that the record has; None if none are kept."""
    return {name: value for name in keep for value in _values(fields, name)} if keep else None


def _values(fields: Mapping[str, Json], name: str) -> Iterator[Json]:
    """The value of a field: the one of that very name, else the one inside another; nothing if it is missing."""
    if name in fields:
        yield fields[name]
        return
    first, dot, rest = name.partition(".")
    inner = fields.get(first)
    if dot and isinstance(inner, dict):
        yield from _values(inner, rest)
