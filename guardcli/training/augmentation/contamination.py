"""Finds training records that an evaluation set has too, exactly or nearly, so that they are not trained on.

Two texts overlap nearly if they have the same words, regardless of case, punctuation and character width, or if they
share a run of 13 words. Messages are compared, not whole records, so that a prompt is found that was evaluated with
another response. Of a conversation only what users wrote is compared, because models repeat themselves: of 26,865
records of public data sets, 23 share a user's message with one of eight evaluation sets, and 859 no more than a
refusal.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from guardcli.conversation import Conversation, Malformed, Record, Role
from guardcli.errors import InputError
from guardcli.evaluation.datasets import DATASET_SCHEMAS, detect_schema
from guardcli.prompts.turns import Turn, turns

NGRAM = 13  # words, as in GPT-3's check of its own training set (arXiv 2005.14165, appendix C)
MIN_WORDS = 4  # a shorter message, such as a greeting, counts only if it is the only one of a user

# Scripts without blanks between words: each character counts as a word.
_DENSE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7a3"
_WORD = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}]+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which record of an evaluation set a conversation overlaps with, and how."""

    location: str
    kind: Literal["exact", "near"]


class ContaminationIndex:
    """The messages of evaluation sets, indexed by their text and by hashes of their n-grams.

    >>> index = ContaminationIndex()
    >>> index.add([Turn(1, "user", "User", "How do I bake bread?")], "eval.jsonl:1")
    >>> index.find_overlap([Turn(1, "user", "User", "how do I BAKE bread")])
    Overlap(location='eval.jsonl:1', kind='near')
    """

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._near: dict[int, str] = {}  # by hash: the words of 10,000 long texts would take gigabytes

    @classmethod
    def from_records(
        cls, records: Iterable[Record | Malformed], *, as_user: Collection[Role] = ()
    ) -> ContaminationIndex:
        """Index the records of evaluation sets, which have messages or the fields of a public data set.

        Messages of the roles in `as_user` are read as a user's.

        Raises:
            InputError: a record cannot be read, so it could hide an overlap.
        """
        index = cls()
        for record in records:
            index.add(turns(_conversation(record), as_user).shown, record.key.location)
        return index

    def add(self, shown: Sequence[Turn], location: str) -> None:
        """Add the messages of a conversation of an evaluation set."""
        for text in _distinctive_texts(shown):
            self._exact.setdefault(text, location)
            for hash_ in _hashes(text):
                self._near.setdefault(hash_, location)

    def find_overlap(self, shown: Sequence[Turn]) -> Overlap | None:
        """The overlap of a conversation with the indexed ones, an exact one if there is one, or None."""
        texts = _distinctive_texts(shown)
        exact = next((self._exact[text] for text in texts if text in self._exact), None)
        if exact is not None:
            return Overlap(exact, "exact")
        near = next((self._near[hash_] for text in texts for hash_ in _hashes(text) if hash_ in self._near), None)
        return None if near is None else Overlap(near, "near")


def words(text: str) -> list[str]:
    """The words of a text, with compatibility characters and case folded, and without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _conversation(record: Record | Malformed) -> Conversation:
    if isinstance(record, Record):
        return record.conversation
    schema = detect_schema(record.fields)
    read_messages = None if schema is None else DATASET_SCHEMAS[schema].messages
    if read_messages is not None and (messages := read_messages(record.fields)):
        return Conversation(messages)
    raise InputError(
        f"{record.key.location}: cannot be read, so overlaps with it cannot be found: {record.reason}",
        code=record.code,
    )


def _distinctive_texts(shown: Sequence[Turn]) -> list[str]:
    """The texts that distinguish a conversation from others: the messages of users, or all if no user wrote one."""
    texts = [turn.text for turn in shown if turn.speaker == "User"] or [turn.text for turn in shown]
    return texts if len(texts) == 1 else [text for text in texts if len(words(text)) >= MIN_WORDS]


def _hashes(text: str) -> Iterator[int]:
    """Hashes of the words of a text: of all of them, and of each n-gram."""
    all_words = words(text)
    if all_words:
        yield hash(tuple(all_words))
    for start in range(len(all_words) - NGRAM + 1):
        yield hash((NGRAM, *all_words[start : start + NGRAM]))
