"""Order a window of prompts so that no shared token is evaluated twice, and choose the prefixes to cache.

Sorted by their tokens, prompts are in the order of a depth-first walk over their prefix tree. Each has at least as
many leading tokens in common with the one before it as with any earlier one, so a new sequence is matched with the
last one only, and nothing needs to stay in the KV cache but that one and the cached prefixes:

    prompts (a letter is a token)   the plan             evaluated
    1  P P P m n                    prefix  P P P        P P P
    2  P P P a c                    3       P P P a b          a b
    3  P P P a b                    2       P P P a c            c
                                    1       P P P m n          m n

A prefix is cached if prompts of different groups share it (the taxonomy, mostly); it outlives its window. What only
the prompts of one group share (the turns of one conversation) does not. The plan is a pure function of token ids.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from guardcli.engine.token_arrays import common_prefix_len, sort_key
from guardcli.models.vocab import TokenIds

_Lengths = npt.NDArray[np.int64]

MIN_PREFIX_LEN = 16  # tokens by which a prefix with its own sequence is longer than the next shorter one
MAX_CACHED_PREFIXES = 32  # besides those whose lengths are given when the engine is opened


@dataclass(frozen=True, slots=True)
class ScheduledPrompt:
    """One prompt of a window; `group` is the number of its record.

    At most `max_cached_len` of its tokens may come from the cache: from the first token with a logit query on, it must
    be evaluated, or there would be no logits to read. Its first `prefix_len` tokens are declared to be the prefix of
    many prompts; 0 if nothing is declared.
    """

    tokens: TokenIds
    group: int
    max_cached_len: int
    prefix_len: int = 0
    key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", sort_key(self.tokens))


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One place in the order, by its `sort_key`: a prompt, by its index in the window, or a prefix (None)."""

    tokens: TokenIds
    key: bytes
    prompt: int | None = None

    @classmethod
    def from_prefix(cls, tokens: TokenIds) -> PlanEntry:
        return cls(tokens, sort_key(tokens))


def plan(
    window: Sequence[ScheduledPrompt],
    cached_prefixes: Sequence[TokenIds],
    max_new_prefixes: int,
    *,
    earlier: Sequence[ScheduledPrompt] = (),
) -> list[PlanEntry]:
    """The order of a window's prompts, with the cached prefixes and up to `max_new_prefixes` new ones among them.

    What prompts share with `earlier` ones, those of the window before, is cached as well: the records of a file may
    all begin alike, and be so long that no window has two of them.
    """
    cached = [PlanEntry.from_prefix(prefix) for prefix in cached_prefixes]
    prompts = [PlanEntry(prompt.tokens, prompt.key, index) for index, prompt in enumerate(window)]
    order = _sorted([*cached, *prompts])
    past = [PlanEntry(prompt.tokens, prompt.key, len(window) + index) for index, prompt in enumerate(earlier)]
    known, among = [*window, *earlier], _sorted([*order, *past]) if past else order
    new = [PlanEntry.from_prefix(prefix) for prefix in _new_prefixes(among, known, len(window), max_new_prefixes)]
    return _sorted([*new, *order]) if new else order


class UniqueTokenCounter:
    """Counts the nodes of a prefix tree as prompts are added to it: a token that several share counts once."""

    def __init__(self, cached_prefixes: Sequence[TokenIds]) -> None:
        """Tokens of `cached_prefixes` are in the tree already."""
        order = sorted((sort_key(tokens), index) for index, tokens in enumerate(cached_prefixes))
        self._keys = [key for key, _ in order]
        self._tokens = [cached_prefixes[index] for _, index in order]

    def add(self, prompt: ScheduledPrompt) -> int:
        """Add a prompt; return how many of its tokens are new."""
        tokens = prompt.tokens
        at = bisect_left(self._keys, prompt.key)
        neighbors = self._tokens[max(at - 1, 0) : at + 1]
        shared = max((common_prefix_len(other, tokens) for other in neighbors), default=0)
        self._keys.insert(at, prompt.key)
        self._tokens.insert(at, tokens)
        return len(tokens) - shared


def _sorted(entries: Sequence[PlanEntry]) -> list[PlanEntry]:
    """By tokens; equal ones in the order given, so that a prefix comes before its prompts."""
    return sorted(entries, key=attrgetter("key"))


def _new_prefixes(
    order: Sequence[PlanEntry], prompts: Sequence[ScheduledPrompt], window_len: int, max_new_prefixes: int
) -> list[TokenIds]:
    """The prefixes to cache, in three steps. The first `window_len` of `prompts` are those of the window.

    1. What different groups share, the shortest first.
    2. What prompts declare as their prefix.
    3. Whole prompts that resemble no prefix: from the very first prompt, the second one learns what they share.
    """
    picker = _PrefixPicker(order, max_new_prefixes)
    for length, at in sorted(_branch_points(order, picker.lcp, prompts, window_len)):
        if length - picker.covered_len(length, at) >= MIN_PREFIX_LEN:
            picker.add(length, at)
    for at, entry in enumerate(order):
        if entry.prompt is None or entry.prompt >= window_len:
            continue
        prompt = prompts[entry.prompt]
        if picker.covered_len(prompt.prefix_len, at) < prompt.prefix_len:
            picker.add(prompt.prefix_len, at)
        elif not picker.resembles_prefix(at):
            picker.add(prompt.max_cached_len, at)
    return picker.prefixes


def _branch_points(
    order: Sequence[PlanEntry], lcp: _Lengths, prompts: Sequence[ScheduledPrompt], window_len: int
) -> Iterator[tuple[int, int]]:
    """Where neighbors of different groups diverge: (length of what they share, index of the second).

    Where two declared prefixes diverge nothing is yielded: their prompts find these, which are longer, in the cache.
    Neither is anything between two prompts of an earlier window.
    """
    for at in range(1, len(order)):
        pair = (order[at - 1], order[at])
        groups = [None if entry.prompt is None else prompts[entry.prompt].group for entry in pair]
        in_window = any(entry.prompt is not None and entry.prompt < window_len for entry in pair)
        if in_window and (groups[0] is None or groups[0] != groups[1]):
            length = min(int(lcp[at]), *(_max_cached_len(entry, prompts) for entry in pair))
            if any(_prefix_len(entry, prompts) < length for entry in pair):
                yield length, at


def _max_cached_len(entry: PlanEntry, prompts: Sequence[ScheduledPrompt]) -> int:
    return len(entry.tokens) if entry.prompt is None else prompts[entry.prompt].max_cached_len


def _prefix_len(entry: PlanEntry, prompts: Sequence[ScheduledPrompt]) -> int:
    """How many tokens of an entry are cached in any case."""
    return len(entry.tokens) if entry.prompt is None else prompts[entry.prompt].prefix_len


class _PrefixPicker:
    """Collects new prefixes, each given as the first tokens of an entry of the order.

    `lcp[i]` is the length of the longest common prefix of the entries i - 1 and i, as in a suffix array.
    """

    def __init__(self, order: Sequence[PlanEntry], max_new_prefixes: int) -> None:
        self._max_new_prefixes = max_new_prefixes
        self.prefixes: list[TokenIds] = []
        self._order = order
        before = [np.empty(0, dtype=np.int32), *(entry.tokens for entry in order)]
        pairs = zip(before, order, strict=False)
        self.lcp = np.array([common_prefix_len(a, entry.tokens) for a, entry in pairs], dtype=np.int64)
        self._shared: list[tuple[int, _Lengths]] = []  # of each prefix, cached or new: its length, and see `_note`
        for at, entry in enumerate(order):
            if entry.prompt is None:
                self._note(len(entry.tokens), at)

    def add(self, length: int, at: int) -> None:
        """Pick the first `length` tokens of entry `at`, unless they are too short or there are too many prefixes."""
        if length >= MIN_PREFIX_LEN and len(self.prefixes) < self._max_new_prefixes:
            self._note(length, at)
            self.prefixes.append(self._order[at].tokens[:length])

    def covered_len(self, length: int, at: int) -> int:
        """The length of the longest prefix that the first `length` tokens of entry `at` begin with, or 0."""
        longest = 0
        for prefix_len, shared in self._shared:
            if longest < prefix_len <= length and shared[at] >= prefix_len:
                longest = prefix_len
        return longest

    def resembles_prefix(self, at: int) -> bool:
        """Whether entry `at` shares at least half of some prefix, so that a later one finds where they diverge.

        A few tokens in common are not enough: the prefixes of the two roles begin with the same sentence.
        """
        return any(shared[at] >= max(MIN_PREFIX_LEN, length / 2) for length, shared in self._shared)

    def _note(self, length: int, at: int) -> None:
        """Note a prefix, the first `length` tokens of entry `at`, and how much each entry has in common with `at`: the
        least `lcp` on the way from one to the other.

            index    0   1   2   3   4        at = 2
            lcp      0   9   9   4   7
            shared   9   9  len  4   4
        """
        shared = np.empty(len(self._order), dtype=np.int64)
        shared[at] = len(self._order[at].tokens)
        shared[at + 1 :] = np.minimum.accumulate(self.lcp[at + 1 :])
        shared[:at] = np.minimum.accumulate(self.lcp[at:0:-1])[::-1]
        self._shared.append((length, shared))
