"""Rows and lists of categories → token ids: a head, which many prompts share, and a body with the answer behind it.

It knows guardcli's wording through its renderer, and nothing of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from guardcli.prompts import Renderer
from guardcli.prompts.turns import SPEAKERS, Speaker
from guardcli.taxonomy import Taxonomy
from starter.data import HAZARDS, Turns
from starter.tokens import TEMPLATE, Tokens

NUMBERS = 30  # the highest number of a category that the model may write
SAFE, UNSAFE, BLANK, BREAK, LETTER, COMMA, END = range(7)  # places among the answers; the numbers follow


@dataclass(frozen=True, slots=True)
class Listed:
    """Categories of a prompt in their order: number shown, and hazard by which it is named; `names` replaces names."""

    numbers: tuple[int, ...]
    hazards: tuple[int, ...]
    names: tuple[str, ...] | None = None


FULL = Listed(tuple(range(1, HAZARDS + 1)), tuple(range(1, HAZARDS + 1)))


class Prompts:
    """The ids of prompts; lines of categories are encoded once."""

    def __init__(self, tokens: Tokens, taxonomy: Taxonomy) -> None:
        self.tokens = tokens
        self.renderer = Renderer(TEMPLATE, taxonomy)
        self.names = tuple(category.name for category in taxonomy.categories)
        self.tails = {speaker: tokens.segments(self.renderer.tail(speaker)) for speaker in SPEAKERS}
        (self._blank,) = tokens.texts([TEMPLATE.answer])
        self._lines: dict[tuple[int, str], list[int]] = {}
        self._around = {speaker: self._parted(speaker) for speaker in SPEAKERS}

    def head(self, speaker: Speaker, listed: Listed = FULL) -> tuple[list[int], list[int]]:
        """The ids up to the conversation, and for each the hazard whose line it stands in, 0 in none."""
        before, after = self._around[speaker]
        ids, lines = list(before), [0] * len(before)
        for at, (number, hazard) in enumerate(zip(listed.numbers, listed.hazards, strict=True)):
            line = self._line(number, listed.names[at] if listed.names else self.names[hazard - 1])
            ids += line
            lines += [hazard] * len(line)
        return ids + after, lines + [0] * len(after)

    def said(self, conversations: Sequence[Turns]) -> list[list[int]]:
        """The ids of what was said, in one encoding each."""
        parts = ((segment.text for turn in turns for segment in self.renderer.said(turn)) for turns in conversations)
        return self.tokens.texts(["".join(texts) for texts in parts])

    def after(self, speaker: Speaker) -> list[int]:
        """The ids from the end of the conversation up to where the verdict comes next."""
        return self.tails[speaker] + self._blank

    @property
    def marker(self) -> int:
        """The token between the categories and the conversation, the same for both speakers."""
        (marker,) = {after[-1] for _, after in self._around.values()}
        return marker

    @cached_property
    def answers(self) -> tuple[int, ...]:
        """What the model may write: safe, unsafe, the category's number, and what stands between."""
        single = [self._single(text) for text in ("safe", "unsafe", "\n\n", "\n", "S", ",")]
        end = self.tokens.by_text["<|eot_id|>"]
        return (*single, end, *(self._single(str(number)) for number in range(1, NUMBERS + 1)))

    def listing(self, number: int) -> list[int]:
        """The ids of the answer that lists the category of a number."""
        return [*(self.answers[at] for at in (UNSAFE, BREAK, LETTER)), self._single(str(number))]

    def _single(self, text: str) -> int:
        ((token,),) = self.tokens.texts([text])
        return token

    def _parted(self, speaker: Speaker) -> tuple[list[int], list[int]]:
        """The head's ids before and after its categories, found where they differ from nothing listed."""
        ids = self.tokens.segments(self.renderer.head(speaker))
        lines = [token for number, name in enumerate(self.names, start=1) for token in self._line(number, name)]
        start = len(ids) - len(lines) - 1
        if ids[start:-1] != lines:
            raise ValueError("the categories are not encoded line by line")
        return ids[:start], ids[-1:]

    def _line(self, number: int, name: str) -> list[int]:
        if (number, name) not in self._lines:
            (self._lines[number, name],) = self.tokens.texts([f"S{number}: {name}.\n"])
        return self._lines[number, name]
