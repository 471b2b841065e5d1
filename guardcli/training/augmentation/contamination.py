"""What must not be trained on: texts that an evaluation set holds, exactly, or nearly.

Nearly is: the same words, whatever their case, punctuation and width, or so many words in a row in common. It compares
messages, not records, so that a prompt that is evaluated with one response is known when it comes with another; and of
messages what users wrote, for models repeat themselves: of 26,865 records of public sets 23 share a user's message with
one of eight evaluation sets, and 859 no more than a refusal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from guardcli.prompts.turns import Turn

IN_A_ROW = 13  # words, as in GPT-3's check of its own training set (arXiv 2005.14165, appendix C)
FEW = 4  # fewer words are a greeting: they count only where no other user message stands beside them

# Scripts without blanks between words: each character counts as one.
_DENSE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3"
_WORD = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """With which record of an evaluation set, and how."""

    place: str
    kind: Literal["exact", "near"]


class Known:
    """The texts of evaluation sets."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._near: dict[int, str] = {}  # hashes: the words themselves of 10,000 long texts would take gigabytes

    def add(self, shown: Sequence[Turn], place: str) -> None:
        """Know the messages of one conversation."""
        for text in _telling(shown):
            self._exact.setdefault(text, place)
            for mark in _marks(text):
                self._near.setdefault(mark, place)

    def find(self, shown: Sequence[Turn]) -> Overlap | None:
        """What a conversation has in common with what is known; an exact match if there is one."""
        telling = _telling(shown)
        exact = next((self._exact[text] for text in telling if text in self._exact), None)
        if exact is not None:
            return Overlap(exact, "exact")
        near = next((self._near[mark] for text in telling for mark in _marks(text) if mark in self._near), None)
        return None if near is None else Overlap(near, "near")


def normalised(text: str) -> list[str]:
    """The words of a text: compatibility characters folded, no case, no punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _telling(shown: Sequence[Turn]) -> list[str]:
    """The texts that tell one conversation from others: what users wrote, or all where none did."""
    texts = [turn.text for turn in shown if turn.speaker == "User"] or [turn.text for turn in shown]
    return texts if len(texts) == 1 else [text for text in texts if len(normalised(text)) >= FEW]


def _marks(text: str) -> Iterator[int]:
    """The text as a whole, and each run of words in it."""
    words = normalised(text)
    if words:
        yield hash(tuple(words))
    for start in range(len(words) - IN_A_ROW + 1):
        yield hash((IN_A_ROW, *words[start : start + IN_A_ROW]))
