"""Finds texts that say nearly the same as a known one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import ceil

from guardcli.training.augmentation.contamination import words

SIMILARITY = 0.7  # Jaccard index of two texts' words


class NearDoubles:
    """Known texts, searched by the Jaccard index of their words.

    Two sets of n words with an index of at least t share one of their n - ceil(t * n) + 1 rarest words each, so only
    those are indexed (prefix filtering).

    >>> doubles = NearDoubles(["How do I bake a loaf of bread?"])
    >>> doubles.has("how do I bake a good loaf of bread"), doubles.has("How do I bake a cake?")
    (True, False)
    """

    def __init__(self, texts: Iterable[str], similarity: float = SIMILARITY) -> None:
        self._similarity = similarity
        self._known = [frozenset(words(text)) for text in texts]
        self._frequency = Counter(word for known in self._known for word in known)
        self._by_rare_word: dict[str, list[frozenset[str]]] = defaultdict(list)
        for known in self._known:
            for word in self._rare_words(known):
                self._by_rare_word[word].append(known)

    def has(self, text: str) -> bool:
        """Whether a known text has nearly the same words."""
        wanted = frozenset(words(text))
        candidates = {known for word in self._rare_words(wanted) for known in self._by_rare_word.get(word, ())}
        return any(len(wanted & known) >= self._similarity * len(wanted | known) for known in candidates)

    def _rare_words(self, text: frozenset[str]) -> list[str]:
        by_frequency = sorted(text, key=lambda word: (self._frequency[word], word))
        return by_frequency[: len(text) - ceil(self._similarity * len(text)) + 1]
