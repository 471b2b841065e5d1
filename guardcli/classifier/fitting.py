"""Turns → encoded prompts that fit the context: earlier turns give way, a judged message never does.

A judged message that alone is too long is cut into overlapping windows, each a prompt of its own. Nothing is
dropped without being told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from guardcli.errors import GuardError
from guardcli.model import Vocab
from guardcli.prompt import Prompt, Renderer
from guardcli.segments import Segment, TokenIds
from guardcli.turns import Turn

OVERLAP = 200  # characters that neighbouring windows have in common, so that no sentence falls between them


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt's ids up to where the verdict is read; the first `head` are the same for all of its kind."""

    tokens: TokenIds
    head: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """The prompts that judge one turn; more than one if it is `windowed`. `truncated`: earlier turns are missing."""

    prompts: tuple[Encoded, ...]
    truncated: bool = False

    @property
    def windowed(self) -> bool:
        return len(self.prompts) > 1


class Encoder:
    """Renders and encodes prompts of at most `limit` tokens."""

    def __init__(self, renderer: Renderer, vocab: Vocab, limit: int) -> None:
        """Raises GuardError: the taxonomy alone fills the context."""
        self._renderer = renderer
        self._vocab = vocab
        self._limit = limit
        self._heads: dict[tuple[Segment, ...], int] = {}
        least = max(len(self.encode([Turn(1, "user", speaker, "x")]).tokens) for speaker in ("User", "Agent"))
        if least + 16 > limit:
            raise GuardError(
                f"the prompt takes {least:,} tokens before any message and the context has {limit:,}: "
                "raise --ctx-size, or shorten the taxonomy"
            )

    def encode(self, shown: Sequence[Turn]) -> Encoded:
        """The prompt for the last of `shown`, however long."""
        prompt = self._renderer.render(shown)
        tokens = self._vocab.encode(prompt.segments)
        tokens.extend(self._vocab.encode_text(prompt.answer) if prompt.answer else ())
        return Encoded(tokens, min(self._head(prompt), len(tokens) - 1))

    def fit(self, shown: Sequence[Turn]) -> Fitted:
        """The prompt for the last of `shown`, with as many turns before it as fit."""
        whole = self.encode(shown)
        if len(whole.tokens) <= self._limit:
            return Fitted((whole,))
        start = bisect_left(range(1, len(shown)), True, key=lambda at: self._fits(shown[at:])) + 1
        if start < len(shown):
            return Fitted((self.encode(shown[start:]),), truncated=True)
        return Fitted(tuple(self._windows(shown[-1])), truncated=len(shown) > 1)

    def _fits(self, shown: Sequence[Turn]) -> bool:
        return len(self.encode(shown).tokens) <= self._limit

    def _windows(self, turn: Turn) -> Iterator[Encoded]:
        """The turn by itself if it fits, else its two halves, which overlap."""
        encoded = self.encode([turn])
        if len(encoded.tokens) <= self._limit:
            yield encoded
            return
        middle = len(turn.text) // 2
        overlap = min(OVERLAP, len(turn.text) // 8) // 2
        for half in (turn.text[: middle + overlap], turn.text[middle - overlap :]):
            yield from self._windows(replace(turn, text=half))

    def _head(self, prompt: Prompt) -> int:
        """How many tokens the head has by itself, less the last: text that follows may merge with that one."""
        head = prompt.segments[: prompt.head]
        if head not in self._heads:
            self._heads[head] = len(self._vocab.encode(head)) - 1
        return self._heads[head]
