"""Prepare records for the engine: choose the messages that are judged, and encode their prompts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from operator import or_
from typing import Any

from guardcli.conversation import Conversation, Malformed, Record, Role
from guardcli.errors import ErrorCode, ModelError, setting
from guardcli.judging.calibration import Calibration
from guardcli.judging.cost import RecordCost
from guardcli.judging.truncation import (
    BesideTooLong,
    EncodedPrompt,
    EncodedTurns,
    PromptEncoders,
    PromptWindows,
)
from guardcli.models import UnencodableTextError
from guardcli.prompts import contains_marker
from guardcli.prompts.turns import (
    TARGETS,
    NothingToJudge,
    Speaker,
    Target,
    Turn,
    Turns,
    judged,
    leaves_out_speakers,
    turns,
    why_unjudged,
    without_documents,
)
from guardcli.taxonomy import Need

# One record's prompts, in tokens: 128 MB. A conversation of 4,000 messages that fills a context of 8,192.
MAX_TOKENS = 1 << 25

_LAST_ONLY = setting("JudgeConfig.target", "last")

TOO_LONG: ErrorCode = "record/prompt-too-long"
MAX_RECORD_TOKENS = 1 << 16  # that are evaluated for a record: 20 minutes for a model that reads 50 tokens a second


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """How records are judged, and what their rows contain.

    Args:
        target: the messages that are judged.
        threshold: in [0, 1]; a score that reaches it is unsafe, or a calibrated score with a `calibration`. None: that
            of the calibration, or the taxonomy's.
        calibration: of the model and the prompt; rows get `calibrated`, and thresholds are for it.
        as_user: roles besides the user's whose messages are judged as the user's.
        scores: read the categories of safe rows as well.
        per_category: ask about one category at a time, each in a prompt of its own. A taxonomy with thresholds for
            categories switches this on.
        keep: fields of the record that are copied into the row; "meta.lang" is inside "meta".
        text: put the judged message into the row.
        allow_unverified_model: use the scores of a model even if it was about to write something other than a verdict.
        max_record_tokens: a record that needs more evaluated tokens, as `RecordCost` counts them, is an error, and
            nothing of it is evaluated.
    """

    target: Target = "any"
    threshold: float | None = None
    calibration: Calibration | None = None
    as_user: frozenset[Role] = frozenset()
    scores: bool = False
    per_category: bool = False
    keep: tuple[str, ...] = ()
    text: bool = False
    allow_unverified_model: bool = False
    max_record_tokens: int = MAX_RECORD_TOKENS

    def __post_init__(self) -> None:
        """Raises ValueError: no such target, a threshold outside of [0, 1], or a limit below 1."""
        if self.target not in TARGETS:
            raise ValueError(f"unknown target {self.target!r}; expected one of {', '.join(TARGETS)}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"invalid threshold {self.threshold}; expected a number from 0 to 1")
        if self.max_record_tokens < 1:
            raise ValueError(f"invalid max_record_tokens {self.max_record_tokens}; expected at least 1")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        calibration = None if self.calibration is None else self.calibration.to_dict()
        changed = {"calibration": calibration, "as_user": sorted(self.as_user), "keep": list(self.keep)}
        return asdict(self) | changed


@dataclass(frozen=True, slots=True)
class TurnPrompts:
    """A judged turn and its prompts.

    `windows_by_category` has one entry by category id with `per_category`, else one entry under None; it is empty if
    the turn cannot be judged, and then `unjudged` says why.
    """

    turn: Turn
    windows_by_category: Mapping[str | None, PromptWindows]
    flags: tuple[str, ...]
    unjudged: NothingToJudge | None = None

    @property
    def prompts(self) -> list[EncodedPrompt]:
        return [prompt for windows in self.windows_by_category.values() for prompt in windows.prompts]

    @property
    def truncated(self) -> bool:
        return any(windows.truncated for windows in self.windows_by_category.values())

    @property
    def tokens(self) -> int:
        return sum(len(prompt.tokens) for prompt in self.prompts)


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A record with the turns that are judged, or with the error why none is."""

    record: Record | Malformed
    turns: tuple[TurnPrompts, ...] = ()
    skipped: Mapping[str, int] | None = None
    error: str | None = None
    error_code: ErrorCode | None = None


def prepare(
    records: Sequence[Record | Malformed], encoders: PromptEncoders, config: JudgeConfig, *, shares: bool = True
) -> Iterator[PreparedRecord]:
    """Prepare records. Their judged turns are encoded together; prompts are built one record at a time, as those of
    one record may take a hundred megabytes.

    With `shares`, prompts of one record share a common beginning in the KV cache beyond their prefixes.
    """
    drafts = [_draft(record, encoders, config) for record in records]
    with_turns = [draft for draft in drafts if isinstance(draft, _Draft)]
    with suppress(
        ModelError, UnicodeError, UnencodableTextError
    ):  # raised again by the record that is to blame, after those before it
        wanted = [(draft.encoded, at) for draft in with_turns for at in draft.chosen_indices]
        encoders.first.encode_judged_turns(wanted)
    for draft in drafts:
        if isinstance(draft, PreparedRecord):
            yield draft
            continue
        try:
            yield _prepare_record(draft, encoders, RecordCost(shares=shares), config.max_record_tokens)
        except (UnencodableTextError, BesideTooLong) as reason:
            code = reason.code if isinstance(reason, UnencodableTextError) else TOO_LONG
            yield PreparedRecord(draft.record, skipped=draft.all_turns.skipped, error=str(reason), error_code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A record and its judged turns. `chosen_indices` are the places among the turns shown of those that can be
    judged, and `flags` are those of all its rows."""

    record: Record
    all_turns: Turns
    chosen: Sequence[Turn]
    chosen_indices: Sequence[int]
    encoded: EncodedTurns
    flags: tuple[str, ...]


def _draft(record: Record | Malformed, encoders: PromptEncoders, config: JudgeConfig) -> _Draft | PreparedRecord:
    if isinstance(record, Malformed):
        return PreparedRecord(record, error=record.reason, error_code=record.code)
    all_turns, speakers = turns(record.conversation, config.as_user, encoders.needs), encoders.judges
    try:
        chosen = judged(all_turns, config.target, speakers)
    except NothingToJudge as reason:
        return PreparedRecord(record, skipped=all_turns.skipped, error=str(reason), error_code=reason.code)
    shown = all_turns.shown
    index_by_number = {turn.number: at for at, turn in enumerate(shown)}
    indices = [index_by_number[turn.number] for turn in chosen if why_unjudged(turn, speakers) is None]
    return _Draft(
        record=record,
        all_turns=all_turns,
        chosen=chosen,
        chosen_indices=indices,
        encoded=encoders.first.conversation(shown, record.conversation),
        flags=tuple(_record_flags(record, all_turns, config.target, speakers)),
    )


def _record_flags(record: Record, all_turns: Turns, target: Target, speakers: Collection[Speaker]) -> Iterator[str]:
    """The flags that all rows of a record have."""
    yield from record.conversation.flags
    if not all_turns.alternating:
        yield "role_order"
    if leaves_out_speakers(all_turns, target, speakers):
        yield "speaker_not_judged"


def _prepare_record(draft: _Draft, encoders: PromptEncoders, cost: RecordCost, limit: int) -> PreparedRecord:
    turn_prompts_list, total = [], 0
    for turn_prompts in _parts(draft, encoders):
        turn_prompts_list.append(turn_prompts)
        total += turn_prompts.tokens
        for windows in turn_prompts.windows_by_category.values():
            cost.add(windows)
        error = None
        if cost.tokens > limit:
            error = _too_expensive(len(draft.chosen), limit)
        elif total > MAX_TOKENS:
            error = _too_large(len(draft.chosen))
        if error is not None:
            return PreparedRecord(draft.record, skipped=draft.all_turns.skipped, error=error, error_code=TOO_LONG)
    return PreparedRecord(draft.record, tuple(turn_prompts_list), draft.all_turns.skipped)


def num_tokens(prepared: PreparedRecord) -> int:
    """How much of the look-ahead a job takes: its tokens, and some for what a record takes without any."""
    return 64 + sum(turn_prompts.tokens for turn_prompts in prepared.turns)


def _too_expensive(count: int, limit: int) -> str:
    less = f", or judge only the last message: {_LAST_ONLY}" if count > 1 else ""
    return f"to judge it takes more than {limit:,} evaluated tokens: raise JudgeConfig.max_record_tokens{less}"


def _too_large(count: int) -> str:
    return (
        f"{count:,} messages, each judged in its context, take more than {MAX_TOKENS:,} tokens: "
        f"judge the last one, {_LAST_ONLY}, or lower EngineConfig.max_prompt_tokens"
    )


def _parts(draft: _Draft, encoders: PromptEncoders) -> Iterator[TurnPrompts]:
    shown, flags, conversation = draft.encoded.shown, draft.flags, draft.record.conversation
    markers, speakers = encoders.first.markers, encoders.judges
    # In what is shown up to here.
    marked = list(accumulate((contains_marker(turn.text, markers) for turn in shown), or_))
    marked_beside = any(contains_marker(text, markers) for text in _texts_beside(conversation, encoders.needs))
    indices = iter(draft.chosen_indices)
    for turn in draft.chosen:
        if (unjudged := why_unjudged(turn, speakers)) is not None:
            yield TurnPrompts(turn, {}, flags, unjudged)
            continue
        at = next(indices)
        about = {
            category: encoder for category, encoder in encoders.by_category.items() if turn.speaker in encoder.judges
        }
        lacking = {need for encoder in about.values() if (need := encoder.lacks(conversation)) is not None}
        asked = {category: encoder for category, encoder in about.items() if encoder.needs not in lacking}
        if not asked:
            yield TurnPrompts(turn, {}, flags, without_documents(turn, lacking))
            continue
        questions = {category: encoder.fit(draft.encoded, at) for category, encoder in asked.items()}
        marker = ("marker_in_content",) if marked[at] or marked_beside else ()
        not_asked = ("category_not_asked",) if lacking else ()
        windowed = ("windowed",) if any(windows.windowed for windows in questions.values()) else ()
        yield TurnPrompts(turn, questions, (*flags, *marker, *not_asked, *windowed))


def _texts_beside(conversation: Conversation, needs: Collection[Need]) -> Iterator[str]:
    if "documents" in needs:
        yield from (document.text for document in conversation.documents)
    if "tools" in needs:
        yield from conversation.tools
