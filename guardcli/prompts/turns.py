"""Which messages of a conversation the model sees, and which of them are judged. It renders nothing.

Llama Guard knows two speakers. A system or developer message before the first turn is the operator's, and a tool's is a
machine's: both are left out and counted, or judged as user text on request. A system or developer message anywhere else
may be anybody's, and is judged as the user's. A message without text is left out and counted by what it holds instead.

Some families judge the messages of one speaker only. Those of the other are context: prompts show them, and who asks
for a verdict on one gets an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from guardcli.conversation import Conversation, Malformed, Message, Record, Role
from guardcli.errors import ErrorCode, setting
from guardcli.taxonomy import Need

Target = Literal["any", "last", "user", "assistant", "each"]
TARGETS: tuple[Target, ...] = ("any", "last", "user", "assistant", "each")

Speaker = Literal["User", "Agent"]
SPEAKERS: tuple[Speaker, ...] = ("User", "Agent")


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as Llama Guard sees it. `number` is its place in the record, from 1, counting every message."""

    number: int
    role: Role
    speaker: Speaker
    text: str
    skipped: tuple[str, ...] = ()

    @property
    def blank(self) -> bool:
        return not self.text


NO_REQUEST = Turn(0, "user", "User", "")  # before an assistant's message that answers none


def find_request(shown: Sequence[Turn], at: int) -> int | None:
    """The index of the user's last turn before the one at an index; None if there is none."""
    return next((before for before in range(at - 1, -1, -1) if shown[before].speaker == "User"), None)


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of both speakers, blank ones included, and what was left out, counted by kind.

    `alternating`: user and assistant take turns in what prompts show.
    """

    all: tuple[Turn, ...]
    skipped: dict[str, int]
    alternating: bool

    @property
    def shown(self) -> tuple[Turn, ...]:
        """The turns with text: what prompts show, each up to the turn that it judges."""
        return tuple(turn for turn in self.all if not turn.blank)


NOTHING_TO_JUDGE: ErrorCode = "record/nothing-to-judge"
SPEAKER_NOT_JUDGED: ErrorCode = "record/speaker-not-judged"
NO_DOCUMENTS: ErrorCode = "record/no-documents"
ROLES: dict[Speaker, Role] = {"User": "user", "Agent": "assistant"}  # that usually speaks


class NothingToJudge(ValueError):
    """The conversation holds no text for this target; the message says what it holds instead."""

    def __init__(self, reason: str, *, code: ErrorCode = NOTHING_TO_JUDGE) -> None:
        super().__init__(reason)
        self.code = code


def turns(conversation: Conversation, as_user: Collection[Role] = (), needs: Collection[Need] = ()) -> Turns:
    """Sort a conversation's messages into turns; roles in `as_user` ("system", "developer", "tool") speak as the user
    wherever they stand. `needs` are what the policy reads beside messages; with "tools", calls are text of theirs."""
    left_out = [*conversation.skipped, *("document" for _ in conversation.documents if "documents" not in needs)]
    if conversation.tools and "tools" in needs:
        left_out = [kind for kind in left_out if kind != "tool_definition"]
    visible = []
    context = conversation.num_operator_messages
    for number, message in enumerate(conversation.messages, start=1):
        if message.calls and "tools" in needs:
            message = _with_calls(message)
        left_out += message.skipped
        speaker = _speaker(message.role, as_user, is_context=number <= context)
        if speaker is None:
            left_out.append(message.role)
            continue
        text = message.content.strip()
        if not text and not message.skipped:
            left_out.append("empty")
        visible.append(Turn(number, message.role, speaker, text, message.skipped))
    with_text = [turn for turn in visible if not turn.blank]
    return Turns(tuple(visible), dict(Counter(sorted(left_out))) if left_out else {}, _alternating(with_text))


def _with_calls(message: Message) -> Message:
    """A message with its calls of functions as text, in the form of Granite 4's chat template."""
    calls = [f"<tool_call>\n{call}\n</tool_call>" for call in message.calls]
    skipped = list(message.skipped)
    for _ in message.calls:
        skipped.remove("tool_call")
    return Message(message.role, "\n".join(filter(None, (message.content, *calls))), tuple(skipped))


def judged(all_turns: Turns, target: Target, speakers: Collection[Speaker]) -> tuple[Turn, ...]:
    """The turns to judge, in order; `speakers` are those that the model judges.

    With "each" all turns are among them, so that each that cannot be judged can be named: see `why_unjudged`.

    Raises:
        NothingToJudge: there is no text for this target, or none of a speaker that the model judges.
    """
    if target == "each":
        chosen: Sequence[Turn] = all_turns.all
    elif target == "any":
        with_text = [turn for turn in all_turns.all if not turn.blank]
        chosen = [turn for turn in with_text if turn.speaker in speakers] or with_text[-1:]
    else:
        chosen = [turn for turn in all_turns.all if target in ("last", turn.role)][-1:]
    if not chosen:
        raise NothingToJudge(_nothing(all_turns, target))
    if target != "each" and (unjudged := why_unjudged(chosen[0], speakers)):
        if unjudged.code == SPEAKER_NOT_JUDGED and any(turn.speaker in speakers for turn in all_turns.shown):
            others = setting("JudgeConfig.target", ROLES[next(iter(speakers))])
            raise NothingToJudge(f"{unjudged}; {others} chooses the last of them", code=unjudged.code)
        raise unjudged
    return tuple(chosen)


def why_unjudged(turn: Turn, speakers: Collection[Speaker]) -> NothingToJudge | None:
    """Why a turn cannot be judged by a model that judges these speakers; None if it can."""
    if turn.blank:
        return NothingToJudge(_without_text(turn))
    if turn.speaker not in speakers:
        return NothingToJudge(
            f"message {turn.number} ({turn.role}) is not judged: this model judges only messages of the "
            f"{' and the '.join(ROLES[speaker] for speaker in speakers)}",
            code=SPEAKER_NOT_JUDGED,
        )
    return None


def without_documents(turn: Turn, lacking: Collection[Need]) -> NothingToJudge:
    """Why a turn cannot be judged of whose categories all need what the record lacks."""
    return NothingToJudge(
        f"message {turn.number} ({turn.role}) is not judged: every category about it needs "
        f"{' or '.join(sorted(lacking))}, which the record does not have",
        code=NO_DOCUMENTS,
    )


def leaves_out_speakers(all_turns: Turns, target: Target, speakers: Collection[Speaker]) -> bool:
    """Whether the verdict on all turns is silent about some, because their speaker is not judged."""
    return target == "any" and any(turn.speaker not in speakers for turn in all_turns.shown)


def speakers_of(records: Iterable[Record | Malformed], target: Target) -> list[Speaker]:
    """Whose messages some records ask about, in the order of SPEAKERS; one too many where roles do not tell."""
    if target in ("user", "assistant"):
        return ["User" if target == "user" else "Agent"]
    roles: set[Role] = set()
    for record in records:
        if isinstance(record, Record):
            messages = record.conversation.messages
            roles.update(message.role for message in (messages[-1:] if target == "last" else messages))
    agent = "assistant" in roles
    return [speaker for speaker in SPEAKERS if (agent if speaker == "Agent" else roles - {"assistant"})]


def _without_text(turn: Turn) -> str:
    """Why a blank turn cannot be judged."""
    holds = f" (only {', '.join(sorted(set(turn.skipped)))})" if turn.skipped else ""
    return f"nothing to judge: message {turn.number} ({turn.role}) has no text{holds}"


def _nothing(all_turns: Turns, target: Target) -> str:
    who = f"{target} message" if target in ("user", "assistant") else "user or assistant message"
    left_out = ", ".join(f"{count} {kind}" for kind, count in all_turns.skipped.items())
    silent = {"system", "developer", "tool"} & all_turns.skipped.keys()
    advice = "; JudgeConfig.as_user judges system, developer and tool text" if silent else ""
    return f"nothing to judge: no {who} with text" + (f" (left out: {left_out}{advice})" if left_out else "")


def _speaker(role: Role, as_user: Collection[Role], *, is_context: bool) -> Speaker | None:
    if role == "assistant":
        return "Agent"
    silent = is_context or role == "tool"
    return None if silent and role not in as_user else "User"


def _alternating(visible: Sequence[Turn]) -> bool:
    """Whether user and assistant take turns, the user first, as in the conversations of the training set."""
    return (not visible or visible[0].speaker == "User") and all(a.speaker != b.speaker for a, b in pairwise(visible))
