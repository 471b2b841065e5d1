"""A fake at the one seam: an engine that reads the prompt and answers as the test says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from guardcli.engine import EngineStats, Logits, MemoryUsage
from guardcli.engine.request import K, LogitCoroutine, RequestGroups, T
from guardcli.models.vocab import TokenIds
from tests import tiny

TOKENS, _ = tiny.vocabulary(user_defined=False)
_BYTE = {symbol: byte for byte, symbol in enumerate(tiny.byte_symbols())}


def spell(ids: list[int]) -> str:
    """Token ids as text, special tokens by name."""
    pieces = [TOKENS[token] for token in ids]
    spelled = b"".join(p.encode() if p in tiny.SPECIALS else bytes(_BYTE[symbol] for symbol in p) for p in pieces)
    return spelled.decode("utf-8", "replace")


def judged_text(prompt: str) -> str:
    """The last message of a rendered prompt."""
    conversation = re.search(r"<BEGIN CONVERSATION>\n\n(.*)\n\n<END CONVERSATION>", prompt, re.DOTALL)
    assert conversation is not None
    return re.split(r"(?:^|\n\n)(?:User|Agent): ", conversation[1])[-1]


class FakeEngine:
    """Answers with `score(judged message)` as P(unsafe), NaN included, and lists the taxonomy's first category."""

    def __init__(
        self, score: Callable[[str], float], max_model_len: int = 4096, mass: float = 1.0, reproducible: bool = False
    ) -> None:
        self.reproducible = reproducible
        self.stats = EngineStats()
        self.max_model_len = max_model_len
        self.memory_usage = MemoryUsage(max_model_len, 0, 0)
        self.context_params: dict[str, int | bool | str] = {"threads": 1}
        self.prompts: list[str] = []
        self._score = score
        self._mass = mass

    def run(self, groups: RequestGroups[K, T]) -> Iterator[tuple[K, list[T]]]:
        for keyed_group in groups:
            if keyed_group is not None:
                key, group = keyed_group
                yield key, [self._drive(request) for request in group]

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        self.stats = EngineStats()

    def close(self) -> None:
        pass

    def score_of(self, prompt: str) -> float:
        """P(unsafe) of a whole prompt."""
        return self._score(judged_text(prompt))

    def _drive(self, request: LogitCoroutine[T]) -> T:
        step = next(request)
        self.prompts.append(spell(list(step.tokens)))
        score = self.score_of(self.prompts[-1])
        clipped = score if math.isnan(score) else min(max(score, 1e-9), 1 - 1e-9)
        logits = Logits((math.log(1 - clipped), math.log(clipped)), -math.log(self._mass))
        while True:
            try:
                step = request.send((logits,))
            except StopIteration as stop:
                result: T = stop.value
                return result
            (query,) = step.queries
            logits = Logits(tuple(-float(n) for n in range(len(query.token_ids))), 0.0)


def words(**scores: float) -> Callable[[str], float]:
    """P(unsafe) by the word that a message holds; 0.1 for all others."""

    def score(text: str) -> float:
        return next((value for word, value in scores.items() if word in text), 0.1)

    return score
