"""Records on their way to the engine: what of them is judged, and by which prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from operator import or_

from guardcli.conversation import Malformed, Record, Role
from guardcli.errors import ModelError
from guardcli.judging.cost import RecordCost
from guardcli.judging.truncation import EncodedPrompt, EncodedTurns, PromptEncoder, PromptEncoders, PromptWindows
from guardcli.models import ControlTokenError
from guardcli.prompts import imitates_marker
from guardcli.prompts.turns import TARGETS, NothingToJudge, Target, Turn, Turns, judged, turns

# One record's prompts, in tokens: 128 MB. A conversation of 4,000 messages that fills a context of 8,192.
MAX_TOKENS = 1 << 25

MAX_RECORD_TOKENS = 1 << 16  # that are evaluated for a record: 20 minutes for a model that reads 50 tokens a second


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """What is judged, from which score on it is unsafe, and what a row carries besides.

    `threshold` is in [0, 1]; a score that reaches it is unsafe; None leaves it to the taxonomy. With `scores`
    the categories of safe rows are read as well. `per_category` asks about one category at a time, each by a prompt
    of its own; a taxonomy with thresholds by category does so by itself. `keep` names fields of the record
    ("meta.lang" is one inside another). A record that needs more than `max_record_tokens`, counted as `RecordCost`
    does, is an error, and nothing of it is evaluated. `force` takes the word of a model that was about to write
    something other than a verdict.
    """

    target: Target = "any"
    threshold: float | None = None
    as_user: frozenset[Role] = frozenset()
    scores: bool = False
    per_category: bool = False
    keep: tuple[str, ...] = ()
    text: bool = False
    force: bool = False
    max_record_tokens: int = MAX_RECORD_TOKENS

    def __post_init__(self) -> None:
        """Raises ValueError: no such target, a threshold outside of [0, 1], or a limit below 1."""
        if self.target not in TARGETS:
            raise ValueError(f"no target {self.target!r}; there are {', '.join(TARGETS)}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"a threshold is in [0, 1], not {self.threshold}")
        if self.max_record_tokens < 1:
            raise ValueError(f"max_record_tokens is at least 1, not {self.max_record_tokens}")


@dataclass(frozen=True, slots=True)
class TurnPrompts:
    """A judged turn with what is asked of it: by category id, or under None where one prompt asks for all; nothing if
    it has no text."""

    turn: Turn
    questions: Mapping[str | None, PromptWindows]
    flags: tuple[str, ...]

    @property
    def prompts(self) -> list[EncodedPrompt]:
        return [prompt for fitted in self.questions.values() for prompt in fitted.prompts]

    @property
    def truncated(self) -> bool:
        return any(fitted.truncated for fitted in self.questions.values())

    @property
    def tokens(self) -> int:
        return sum(len(prompt.tokens) for prompt in self.prompts)


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A record with all that is judged in it, or the reason why nothing is."""

    record: Record | Malformed
    parts: tuple[TurnPrompts, ...] = ()
    skipped: Mapping[str, int] | None = None
    error: str | None = None

    @property
    def prompts(self) -> list[EncodedPrompt]:
        return [prompt for part in self.parts for prompt in part.prompts]


def prepare(
    records: Sequence[Record | Malformed], encoders: PromptEncoders, config: JudgeConfig, *, shares: bool = True
) -> Iterator[PreparedRecord]:
    """Choose what is judged in each record and encode it, the judged turns of all records at once.

    `shares` tells whether prompts of one record share what they begin with, beyond their heads.

    Prompts are made as they are asked for: those of one record may take a hundred megabytes.
    """
    drafts = [_draft(record, encoders, config) for record in records]
    begun = [draft for draft in drafts if isinstance(draft, _Draft)]
    with suppress(
        ModelError, UnicodeError, ControlTokenError
    ):  # raised again by the record that is to blame, after those before it
        _encoder(encoders).encode_ahead([(draft.encoded, at) for draft in begun for at in draft.places])
    for draft in drafts:
        if isinstance(draft, PreparedRecord):
            yield draft
            continue
        try:
            yield _job(draft, encoders, RecordCost(shares=shares), config.max_record_tokens)
        except ControlTokenError as reason:
            yield PreparedRecord(draft.record, skipped=draft.all_turns.skipped, error=str(reason))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A record of which is known what is judged: turns in their order, and where those with text stand among the
    shown ones."""

    record: Record
    all_turns: Turns
    chosen: Sequence[Turn]
    places: Sequence[int]
    encoded: EncodedTurns


def _draft(record: Record | Malformed, encoders: PromptEncoders, config: JudgeConfig) -> _Draft | PreparedRecord:
    if isinstance(record, Malformed):
        return PreparedRecord(record, error=record.reason)
    all_turns = turns(record.conversation, config.as_user)
    try:
        chosen = judged(all_turns, config.target)
    except NothingToJudge as reason:
        return PreparedRecord(record, skipped=all_turns.skipped, error=str(reason))
    shown = all_turns.shown
    place = {turn.number: at for at, turn in enumerate(shown)}
    places = [place[turn.number] for turn in chosen if not turn.blank]
    return _Draft(record, all_turns, chosen, places, _encoder(encoders).conversation(shown))


def _encoder(encoders: PromptEncoders) -> PromptEncoder:
    """Any of them: turns read the same after every prefix."""
    return next(iter(encoders.values()))


def _job(draft: _Draft, encoders: PromptEncoders, cost: RecordCost, limit: int) -> PreparedRecord:
    parts, total = [], 0
    for part in _parts(draft, encoders):
        parts.append(part)
        total += part.tokens
        for category, fitted in part.questions.items():
            cost.add(fitted, (category, part.turn.speaker))
        error = None
        if cost.tokens > limit:
            error = _too_dear(len(draft.chosen), limit)
        elif total > MAX_TOKENS:
            error = _too_large(len(draft.chosen))
        if error is not None:
            return PreparedRecord(draft.record, skipped=draft.all_turns.skipped, error=error)
    return PreparedRecord(draft.record, tuple(parts), draft.all_turns.skipped)


def num_tokens(job: PreparedRecord) -> int:
    """How much of the look-ahead a job takes: its tokens, and some for what a record takes without any."""
    return 64 + sum(part.tokens for part in job.parts)


def _too_dear(count: int, limit: int) -> str:
    less = ", or judge only the last message (--target last)" if count > 1 else ""
    return f"to judge it takes more than {limit:,} evaluated tokens: raise --max-record-tokens{less}"


def _too_large(count: int) -> str:
    return (
        f"{count:,} messages, each judged in its context, take more than {MAX_TOKENS:,} tokens: "
        "judge the last one (--target last), or lower --ctx-size"
    )


def _parts(draft: _Draft, encoders: PromptEncoders) -> Iterator[TurnPrompts]:
    shown = draft.encoded.shown
    marked = list(accumulate((imitates_marker(turn.text) for turn in shown), or_))  # in what is shown up to here
    flags = (*draft.record.conversation.flags, *(() if draft.all_turns.alternating else ("role_order",)))
    places = iter(draft.places)
    for turn in draft.chosen:
        if turn.blank:
            yield TurnPrompts(turn, {}, flags)
            continue
        at = next(places)
        questions = {category: encoder.fit(draft.encoded, at) for category, encoder in encoders.items()}
        marker = ("marker_in_content",) if marked[at] else ()
        windowed = ("windowed",) if any(fitted.windowed for fitted in questions.values()) else ()
        yield TurnPrompts(turn, questions, (*flags, *marker, *windowed))
