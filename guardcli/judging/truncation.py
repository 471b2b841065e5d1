"""Truncation: encode prompts that fit the context. Earlier turns are dropped, the judged message is kept whole.

Turns are dropped in steps, so that the prompts of a long conversation share a prefix. In a context with room for eight
turns of one length, a step is two of them:

judged        9   10   11   12   13
would fit   2-9 3-10 4-11 5-12 6-13
kept        3-9 3-10 5-11 5-12 7-13

A judged message that is too long by itself is split into overlapping windows, each a prompt of its own. Rows have a
flag for either. Each piece of a prompt is encoded once: the prefix, the suffix, and each turn.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from guardcli.conversation import Conversation
from guardcli.errors import GuardError
from guardcli.judging.sliding_window import split_into_windows
from guardcli.models import Vocab
from guardcli.models.vocab import TokenIds
from guardcli.prompts import Renderer
from guardcli.prompts.turns import NO_REQUEST, SPEAKERS, Speaker, Turn, find_request
from guardcli.taxonomy import Need
from guardcli.text.segments import Segment

STEPS = 4  # earlier turns are dropped by a quarter of the room at a time
MIN_KEPT = 0.5  # of the tokens of earlier turns that would fit
MIN_ROOM = 64  # tokens for the judged message after documents or tools


class BesideTooLong(ValueError):
    """The documents or tools of a record, which prompts have whole, do not fit into the context."""

    def __init__(self, need: Need, tokens: int) -> None:
        super().__init__(
            f"its {need} take {tokens:,} tokens and are not cut: shorten them, or raise EngineConfig.max_prompt_tokens"
        )


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """The ids of a prompt, shape (n,), up to where the verdict is read. The first `prefix_len` are the policy's."""

    tokens: TokenIds
    prefix_len: int


@dataclass(frozen=True, slots=True)
class PromptWindows:
    """The prompts that judge one turn: several windows if it is too long. `truncated`: earlier turns are missing."""

    prompts: tuple[EncodedPrompt, ...]
    truncated: bool = False

    @property
    def windowed(self) -> bool:
        return len(self.prompts) > 1


class PromptEncoder:
    """Renders and encodes prompts of at most `limit` tokens."""

    def __init__(self, renderer: Renderer, vocab: Vocab, limit: int) -> None:
        """Raises GuardError: the taxonomy alone fills the context."""
        self._renderer = renderer
        self._vocab = vocab
        self._limit = limit
        self._prefix = lru_cache(maxsize=None)(self._encode_prefix)
        self._suffix = lru_cache(maxsize=None)(self._encode_suffix)
        self._follows_text = not renderer.turn(NO_REQUEST)[-1].special
        self._no_request = self.encode_turn(NO_REQUEST) if renderer.template.reads == "exchange" else None
        least = limit - min(map(self._room, self.judges))
        if least + 16 > limit:
            raise GuardError(
                f"the prompt takes {least:,} tokens before any message and the context has {limit:,}: "
                "raise EngineConfig.max_prompt_tokens, or shorten the taxonomy",
                code="engine/prompt-too-long",
            )

    def conversation(self, shown: Sequence[Turn], conversation: Conversation | None = None) -> EncodedTurns:
        """The turns of a conversation, and what it has beside them, each to be encoded when it is first needed."""
        return EncodedTurns(self, shown, conversation or Conversation(()))

    def lacks(self, conversation: Conversation) -> Need | None:
        """What a record lacks so that the category of these prompts can be asked about; None if it lacks nothing."""
        return self._renderer.lacks(conversation)

    def prefix(self, speaker: Speaker) -> TokenIds:
        """The ids that every prompt about a speaker's message begins with: the taxonomy, mostly."""
        return self._prefix(speaker)

    @property
    def judges(self) -> tuple[Speaker, ...]:
        """Whose messages these prompts are about."""
        return self._renderer.judges

    @property
    def needs(self) -> Need | None:
        """What the category of these prompts needs beside messages."""
        return self._renderer.needs

    @property
    def markers(self) -> re.Pattern[str] | None:
        """What separates the parts of a prompt besides special tokens; see `contains_marker`."""
        return self._renderer.template.markers

    @property
    def judged_differs(self) -> bool:
        """Whether a turn has other ids where it is the judged one."""
        return self._renderer.template.judged_turn is not None

    def encode_turn(self, turn: Turn) -> TokenIds:
        """The ids of one turn within a conversation, before the judged one."""
        return self._vocab.encode(self._renderer.turn(turn), follows=self._follows_text)

    def encode_beside(self, need: Need, conversation: Conversation) -> TokenIds:
        """The ids of what a conversation has beside its turns, which stands before them."""
        return self._vocab.encode(self._renderer.beside(need, conversation), follows=self._follows_text)

    def encode_judged_turn(self, turn: Turn) -> TokenIds:
        """The ids of the judged turn."""
        return self._vocab.encode(self._renderer.judged_turn(turn), follows=self._follows_text)

    def encode_judged_turns(self, wanted: Sequence[tuple[EncodedTurns, int]]) -> None:
        """Encode turns of several conversations that are judged, by their indices, at once."""
        pieces = [self._renderer.judged_turn(turns.shown[at]) for turns, at in wanted]
        encoded = self._vocab.encode_batch(pieces, follows=self._follows_text)
        for (turns, at), ids in zip(wanted, encoded, strict=True):
            turns.keep_judged(at, ids)

    def fit(self, turns: EncodedTurns, at: int) -> PromptWindows:
        """The prompt for the turn at an index, with the turns before it.

        Where not all of them fit, less than a step of those that would is dropped, and at least `MIN_KEPT` is kept.

        Raises:
            BesideTooLong: what the category needs beside the turns leaves no room for them.
        """
        turn = turns.shown[at]
        beside = [] if self.needs is None else [turns.beside(self.needs)]
        if self._room(turn.speaker) - sum(map(len, beside)) < (MIN_ROOM if beside else 0):
            raise BesideTooLong(self.needs or "documents", len(beside[0]))
        if self._no_request is not None:
            return self._fit_exchange(turns, at, self._no_request, beside)
        room = self._room(turn.speaker) - sum(map(len, beside)) - len(turns.judged(at))
        if room < 0:
            return PromptWindows(tuple(self._windows(turn, beside)), truncated=at > 0)
        start = at
        while start > 0 and len(turns[start - 1]) <= room:
            start -= 1
            room -= len(turns[start])
        if start > 0:
            start = self._stepped(turns, start, at)
        said = [*beside, *(turns[i] for i in range(start, at)), turns.judged(at)]
        return PromptWindows((self._prompt(turn.speaker, said),), truncated=start > 0)

    def _fit_exchange(
        self, turns: EncodedTurns, at: int, no_request: TokenIds, beside: list[TokenIds]
    ) -> PromptWindows:
        """The prompt for the turn at an index; for an assistant's with the user's turn that it answers, if that fits.

        Where it does not, or there is none, the place of the user's turn is empty. What is `beside` takes its place.
        """
        turn = turns.shown[at]
        if turn.speaker == "User" or beside:
            request, before = None, beside
        else:
            request, before = find_request(turns.shown, at), [no_request]
        room = self._room(turn.speaker) - len(turns.judged(at))
        if request is not None and len(turns[request]) <= room:
            before, request = [turns[request]], None
        if room < sum(map(len, before)):
            return PromptWindows(tuple(self._windows(turn, before)), truncated=request is not None)
        said = [*before, turns.judged(at)]
        return PromptWindows((self._prompt(turn.speaker, said),), truncated=request is not None)

    def _stepped(self, turns: EncodedTurns, earliest: int, at: int) -> int:
        """The first turn to keep, where `earliest` is the first that fits before the one at an index.

        It is the last one that begins no later than the next multiple of a step, in tokens from the conversation's
        beginning, and so the same for all judged turns between two multiples.
        """
        begins = turns.begins(at)
        step = self._room(turns.shown[at].speaker) // STEPS
        wanted = -(-begins[earliest] // step) * step
        start = bisect_right(begins, wanted) - 1
        kept, fits = (begins[at] - begins[first] for first in (start, earliest))
        return start if kept >= MIN_KEPT * fits else earliest

    def _room(self, speaker: Speaker) -> int:
        return self._limit - len(self._prefix(speaker)) - len(self._suffix(speaker))

    def _prompt(self, speaker: Speaker, said: Sequence[TokenIds]) -> EncodedPrompt:
        prefix = self._prefix(speaker)
        return EncodedPrompt(np.concatenate((prefix, *said, self._suffix(speaker))), len(prefix))

    def _windows(self, turn: Turn, before: Sequence[TokenIds] = ()) -> Iterator[EncodedPrompt]:
        """The parts of a turn that is too long alone, each a prompt by itself. `before` is what precedes each."""
        room = self._room(turn.speaker) - sum(map(len, before))

        def count(text: str) -> int:
            return len(self.encode_judged_turn(replace(turn, text=text.strip())))

        for start, end in split_into_windows(turn.text, room, count):
            if text := turn.text[start:end].strip():
                yield self._prompt(turn.speaker, [*before, self.encode_judged_turn(replace(turn, text=text))])

    def _encode_prefix(self, speaker: Speaker) -> TokenIds:
        return self._vocab.encode(self._renderer.prefix(speaker))

    def _encode_suffix(self, speaker: Speaker) -> TokenIds:
        ids = self._vocab.encode(self._renderer.suffix(speaker), follows=self._follows_text)
        answer_prefix = self._renderer.template.answer.prefix
        if not answer_prefix:
            return ids
        return np.concatenate((ids, self._vocab.encode((Segment(answer_prefix),), follows=True)))


@dataclass(frozen=True)
class PromptEncoders:
    """The encoders of a guard, by the id of the category that their prompts ask about; under None they ask about all.

    There is at least one.
    """

    by_category: Mapping[str | None, PromptEncoder]

    @cached_property
    def first(self) -> PromptEncoder:
        """One of them, for what is the same for all: a turn has the same ids after every prefix."""
        return next(iter(self.by_category.values()))

    @cached_property
    def judges(self) -> tuple[Speaker, ...]:
        """Whose messages any of the prompts are about."""
        asked = {speaker for encoder in self.by_category.values() for speaker in encoder.judges}
        return tuple(speaker for speaker in SPEAKERS if speaker in asked)

    @cached_property
    def needs(self) -> frozenset[Need]:
        """What any of the prompts need beside messages."""
        return frozenset(encoder.needs for encoder in self.by_category.values() if encoder.needs is not None)

    def prefixes(self, speakers: Collection[Speaker]) -> list[TokenIds]:
        """What prompts about messages of these speakers begin with."""
        return [
            encoder.prefix(speaker)
            for encoder in self.by_category.values()
            for speaker in speakers
            if speaker in encoder.judges
        ]


class EncodedTurns:
    """The ids of a conversation's turns, each encoded when it is first asked for, if not before."""

    def __init__(self, encoder: PromptEncoder, shown: Sequence[Turn], conversation: Conversation) -> None:
        self.shown = shown
        self.conversation = conversation
        self._beside: dict[Need, TokenIds] = {}
        self._encoder = encoder
        self._ids: dict[int, TokenIds] = {}
        self._judged_ids = {} if encoder.judged_differs else self._ids
        self._begins = [0]

    def __getitem__(self, at: int) -> TokenIds:
        if at not in self._ids:
            self._ids[at] = self._encoder.encode_turn(self.shown[at])
        return self._ids[at]

    def beside(self, need: Need) -> TokenIds:
        """The ids of what the conversation has beside its turns."""
        if need not in self._beside:
            self._beside[need] = self._encoder.encode_beside(need, self.conversation)
        return self._beside[need]

    def judged(self, at: int) -> TokenIds:
        """The ids of a turn where it is the judged one."""
        if at not in self._judged_ids:
            self._judged_ids[at] = self._encoder.encode_judged_turn(self.shown[at])
        return self._judged_ids[at]

    def keep_judged(self, at: int, ids: TokenIds) -> None:
        """Know the ids of a judged turn before they are asked for."""
        self._judged_ids[at] = ids

    def begins(self, at: int) -> list[int]:
        """Where each turn up to the one at an index begins, in tokens from the first turn."""
        while len(self._begins) <= at:
            self._begins.append(self._begins[-1] + len(self[len(self._begins) - 1]))
        return self._begins[: at + 1]
