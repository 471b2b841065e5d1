"""How far a score may move with the shape of its batch, measured on a few prompts in three shapes.

The last digits of a score depend on how many tokens are evaluated at once and on how the prefix cache came about: each
picks other kernels, or another order of the same sums. Attention adds up in F16 and quantized matrices round their
input, so that a last digit becomes a movement of 0.001 to 0.4 in log-odds of "unsafe". A row nearer to its threshold
than the tolerance has the flag `near_threshold`.

    shape                        evaluated at once (prefix: the taxonomy; rest: the message and what follows it)
    all prompts in a batch       [ prefix ] [ rest 1 | rest 2 | rest 3 | … ]
    each alone, prefix in parts  [ 48 ][ 48 ][ 48 ] … [ rest ]
    last token alone             [ 1 ], the rest is in the cache

Two prompts, or two shapes, may agree by accident; the largest movement of six prompts between any two of three shapes
does not depend on one of them. It costs two prefixes, and two evaluations of each prompt without its prefix: 1,126
tokens with the taxonomy of Llama Guard 3 and its vocabulary.

`python -m benchmarks.tolerance` holds it against real messages (benchmarks/results/tolerance.json; a CPU, kernels for
AVX-512 and for AVX2 only). The worst of 60 prompts moved by 0.30 to 0.44 with SmolLM2-135M in Q8_0 (tolerance 1.23 to
1.24) and by 0.018 in F16 (0.045); the worst of 200 by 0.037 with a model of 2.7 M parameters (0.070). At least 99 % of
the prompts of every model moved by less than its tolerance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from guardcli.engine import Engine, LogitCoroutine, LogitQuery, RequestStep
from guardcli.judging.answers import AnswerGrammar
from guardcli.judging.truncation import EncodedPrompt, PromptEncoder
from guardcli.models.vocab import TokenIds
from guardcli.prompts.turns import ROLES, Turn

# As plainly safe, and as plainly unsafe, as a sentence can be.
CANARIES = ("How do I bake bread?", "Tell me how to build a bomb and kill as many people as possible with it.")

PROMPTS = (
    *CANARIES,
    "Hi!",
    "Write a Python function that returns the n-th Fibonacci number.",
    "My neighbor plays loud music every night. Write him a friendly letter that asks him to stop, and keep it short.",
    "Which medicine may I take for a headache if I have drunk two glasses of wine?",
)

MARGIN = 3  # a few prompts do not show the worst

# llama.cpp's attention on a CPU takes another path from 64 rows on. Shorter parts of the prefix take the other one, and
# so move every prompt a little; no more than `_MAX_PARTS` of them, so that a long taxonomy costs no more calls.
_PART, _MAX_PARTS = 48, 8

# By the quantization of most tensors. F32 has a floor too: the cache and the sums of attention are in F16. Most models
# are above their floor anyway.
_FLOORS = ((re.compile(r"\b(F32|F16|BF16)\b"), 0.01), (re.compile(r"\bQ8_0\b"), 0.03))
_FLOOR = 0.05


def floor(description: str) -> float:
    """The least tolerance of a model that llama.cpp describes so, such as "llama 1B Q4_K - Medium"."""
    return next((value for pattern, value in _FLOORS if pattern.search(description)), _FLOOR)


def measure(engine: Engine, encoder: PromptEncoder, answers: AnswerGrammar, *, least: float = 0.0) -> float:
    """The tolerance in log-odds of "unsafe", `least` or more. It clears the engine's cache and statistics.

    Logits that are not finite are left out: rows that have such are errors.

    Raises:
        EngineError: llama.cpp failed.
    """
    prompts = [_prompt(encoder, text) for text in PROMPTS]
    log_odds = zip(*_shapes(engine, prompts, answers), strict=True)
    return max(least, MARGIN * max(_movement(of_prompt) for of_prompt in log_odds))


def _shapes(engine: Engine, prompts: Sequence[EncodedPrompt], answers: AnswerGrammar) -> Iterator[list[float]]:
    """The log-odds of each prompt, in one shape after the other."""
    engine.reset()
    together = [_log_odds(prompt.tokens, prompt.prefix_len, answers) for prompt in prompts]
    yield _run(engine, together)
    engine.reset()
    _fill_in_parts(engine, prompts[0], answers)
    for _ in ("the rest", "the last token"):
        # All but the last token is declared a prefix: it stays in the cache, and the second time one token is left.
        requests = [_log_odds(prompt.tokens, len(prompt.tokens) - 1, answers) for prompt in prompts]
        yield [odds for request in requests for odds in _run(engine, [request])]
    engine.reset()


def _fill_in_parts(engine: Engine, prompt: EncodedPrompt, answers: AnswerGrammar) -> None:
    """Evaluate the end of a prompt's prefix in parts, each a longer prefix than the one before."""
    start = max(0, prompt.prefix_len - _PART * _MAX_PARTS)
    for end in range(start + _PART, prompt.prefix_len, _PART):
        _run(engine, [_log_odds(prompt.tokens[:end], end - 1, answers)])


def _run(engine: Engine, requests: Sequence[LogitCoroutine[float]]) -> list[float]:
    """The results of requests that are evaluated together."""
    ((_, results),) = engine.run([(None, requests)])
    return results


def _prompt(encoder: PromptEncoder, text: str) -> EncodedPrompt:
    speaker = encoder.judges[0]
    (prompt, *_) = encoder.fit(encoder.conversation([Turn(1, ROLES[speaker], speaker, text)]), 0).prompts
    return prompt


def _log_odds(tokens: TokenIds, prefix_len: int, answers: AnswerGrammar) -> LogitCoroutine[float]:
    """The log-odds of "unsafe" after the last token."""
    query = LogitQuery(len(tokens) - 1, answers.verdicts)
    (logits,) = yield RequestStep(tokens, (query,), prefix_len=prefix_len)
    safe, unsafe = answers.sum_verdicts(logits.values)
    return unsafe - safe


def _movement(log_odds: Sequence[float]) -> float:
    finite = [odds for odds in log_odds if math.isfinite(odds)]
    return max(finite) - min(finite) if finite else 0.0
