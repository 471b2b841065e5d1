"""Which prompts share what: a window of prompts → the order in which no shared token is evaluated twice.

Sorted by their tokens, prompts stand in the order of a walk over their prefix tree: each shares with the one
before it at least as much as with any earlier one. So one rule is enough, "begin where the one before you
parts from you", and nothing needs to be held but the one before, and heads.

A head is a prefix that prompts of different groups share: the taxonomy, mostly. It outlives its window. What
only the prompts of one group share (the turns of one conversation) does not. The plan is a pure function of
token ids; it knows no cache and no llama.cpp.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]
_Lengths = npt.NDArray[np.int64]

MIN_HEAD = 16  # tokens beyond a shorter head for which a head of its own is worth a sequence
MAX_HEADS = 32  # heads held at a time, beside those that are known to come


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a window: `group` is its record, `reach` how much of it may be taken from another's cells.

    (From its first probed token on it must be evaluated for itself, or there would be no logits to read.) Its first
    `head` tokens are said to be the same for many to come; 0 if nothing is said.
    """

    tokens: Tokens
    group: int
    reach: int
    head: int = 0
    key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", sort_key(self.tokens))


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in the order, by its `sort_key`: a prompt, by its index in the window, or a head (None)."""

    tokens: Tokens
    key: bytes
    prompt: int | None = None

    @classmethod
    def head(cls, tokens: Tokens) -> Entry:
        return cls(tokens, sort_key(tokens))


def plan(window: Sequence[Prompt], heads: Sequence[Tokens], most: int = MAX_HEADS) -> list[Entry]:
    """The order of a window, with the heads among its prompts: `heads` as given, and at `most` so many new ones."""
    known = [Entry.head(head) for head in heads]
    prompts = [Entry(prompt.tokens, prompt.key, index) for index, prompt in enumerate(window)]
    order = _sorted([*known, *prompts])
    new = [Entry.head(head) for head in _new_heads(order, window, most)]
    return _sorted([*new, *order]) if new else order


def sort_key(tokens: Tokens) -> bytes:
    """Big-endian bytes are in the order of the numbers, and compared by one memcmp."""
    return tokens.astype(">i4").tobytes()


def common_prefix(a: Tokens, b: Tokens) -> int:
    """How many leading tokens two sequences have in common."""
    length = min(len(a), len(b))
    differ = a[:length] != b[:length]
    first = int(differ.argmax()) if length else 0
    return first if length and differ[first] else length


class Distinct:
    """Counts the tokens of prompts as they come, each shared one once."""

    def __init__(self, known: Sequence[Tokens]) -> None:
        """What begins with `known` tokens is not new."""
        order = sorted((sort_key(tokens), at) for at, tokens in enumerate(known))
        self._keys = [key for key, _ in order]
        self._tokens = [known[at] for _, at in order]

    def new(self, prompt: Prompt) -> int:
        """How many of a prompt's tokens no earlier one began with."""
        tokens = prompt.tokens
        at = bisect_left(self._keys, prompt.key)
        shared = max((common_prefix(other, tokens) for other in self._tokens[max(at - 1, 0) : at + 1]), default=0)
        self._keys.insert(at, prompt.key)
        self._tokens.insert(at, tokens)
        return len(tokens) - shared


def _sorted(entries: Sequence[Entry]) -> list[Entry]:
    """By tokens; among equals in the order given, so that a head stands before its prompts."""
    return sorted(entries, key=attrgetter("key"))


def _new_heads(order: Sequence[Entry], window: Sequence[Prompt], most: int) -> list[Tokens]:
    """Prefixes that different groups share, heads that prompts declare, and whole prompts that are like no head at all.

    The latter are how the first prompt of all leaves something for the second to find.
    """
    found = _Found(order, most)
    for length, at in sorted(_partings(order, found.shared, window)):
        if length - found.covered(length, at) >= MIN_HEAD:
            found.add(length, at)
    for at, entry in enumerate(order):
        if entry.prompt is None:
            continue
        prompt = window[entry.prompt]
        if found.covered(prompt.head, at) < prompt.head:
            found.add(prompt.head, at)
        elif not found.touched(at):
            found.add(prompt.reach, at)
    return found.heads


def _partings(order: Sequence[Entry], shared: _Lengths, window: Sequence[Prompt]) -> Iterator[tuple[int, int]]:
    """Where neighbours of different groups part: (length, entry)."""
    for at in range(1, len(order)):
        here, before = order[at], order[at - 1]
        groups = [None if entry.prompt is None else window[entry.prompt].group for entry in (before, here)]
        if groups[0] is None or groups[0] != groups[1]:
            reaches = (_reach(entry, window) for entry in (before, here))
            yield min(int(shared[at]), *reaches), at


def _reach(entry: Entry, window: Sequence[Prompt]) -> int:
    return len(entry.tokens) if entry.prompt is None else window[entry.prompt].reach


class _Found:
    """Heads known and new as prefixes of entries. `shared[i]` is what entry i has in common with entry i - 1."""

    def __init__(self, order: Sequence[Entry], most: int) -> None:
        self._most = most
        self.heads: list[Tokens] = []
        self._order = order
        before = [np.empty(0, dtype=np.int32), *(entry.tokens for entry in order)]
        pairs = zip(before, order, strict=False)
        self.shared = np.array([common_prefix(a, entry.tokens) for a, entry in pairs], dtype=np.int64)
        self._places: list[tuple[int, _Lengths]] = []
        for at, entry in enumerate(order):
            if entry.prompt is None:
                self._place(len(entry.tokens), at)

    def add(self, length: int, at: int) -> None:
        """The first `length` tokens of an entry are a head, if they are long enough and heads not too many."""
        if length >= MIN_HEAD and len(self.heads) < self._most:
            self._place(length, at)
            self.heads.append(self._order[at].tokens[:length])

    def covered(self, length: int, at: int) -> int:
        """The length of the longest head that is a prefix of an entry's first `length` tokens, or 0."""
        longest = 0
        for head_length, common in self._places:
            if longest < head_length <= length and common[at] >= head_length:
                longest = head_length
        return longest

    def touched(self, at: int) -> bool:
        """Whether an entry begins like some head, so that one who comes later finds where they part.

        Some words in common are not enough: the heads of two roles begin with the same sentence.
        """
        return any(common[at] >= max(MIN_HEAD, length / 2) for length, common in self._places)

    def _place(self, length: int, at: int) -> None:
        """Note a head, and what each entry has in common with the one it is from: the least that neighbours between
        the two share."""
        common = np.empty(len(self._order), dtype=np.int64)
        common[at] = len(self._order[at].tokens)
        common[at + 1 :] = np.minimum.accumulate(self.shared[at + 1 :])
        common[:at] = np.minimum.accumulate(self.shared[at:0:-1])[::-1]
        self._places.append((length, common))
