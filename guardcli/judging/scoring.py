"""Score one prompt: P(unsafe), and the categories that the model would list.

Nothing is sampled. The score is the softmax over the two verdicts at the position where one of them is written: over
their first tokens, where a vocabulary has no single one for each. Where a family has several words for a verdict, their
probabilities are summed.
Categories are decoded greedily over the trie of the ids that may follow:

    prompt … ⏎⏎ ▸ unsafe ⏎ ▸ S1 , S9 <end>        ▸ where logits are read

What a family answers before the verdict is decoded greedily, too.

A logit that is not finite is an error, never a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from guardcli.engine.request import MAX_ANSWER_TOKENS, LogitCoroutine, LogitQuery, Logits, RequestStep
from guardcli.errors import ErrorCode
from guardcli.judging.answers import AnswerGrammar, Trie, logsumexp
from guardcli.models.vocab import TokenIds
from guardcli.prompts.turns import Speaker


@dataclass(frozen=True, slots=True)
class PromptScore:
    """The score of one prompt.

    `score` is P(unsafe) / (P(safe) + P(unsafe)), in [0, 1]; `mass` is P(safe) + P(unsafe) among all tokens, times the
    share of the possible words at each earlier answer. `listed` has the probability of each category id to be listed
    first, if it was read. With an `error` the rest is undefined.
    """

    score: float = math.nan
    mass: float = math.nan
    categories: tuple[str, ...] = ()
    listed: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    error_code: ErrorCode | None = None


class _NotFinite(Exception):
    """A logit is NaN or infinite."""


def score_prompt(
    prompt: TokenIds,
    prefix_len: int,
    answers: AnswerGrammar,
    *,
    speaker: Speaker = "User",
    list_if: Callable[[float], bool],
) -> LogitCoroutine[PromptScore]:
    """A coroutine that scores a prompt about a speaker's message. The prompt ends where the model would write its
    verdict, or the first of its earlier answers.

    Categories are read if `list_if` is true of the score.
    """
    # To evaluate the answer's beginning with every prompt, and so the first category in the same decode, takes 0.98
    # of the time with a fifth of the prompts unsafe and 0.99 with half of them (170 M parameters, Q8_0, 2 cores,
    # medians of 5 interleaved rounds of 30 prompts): no difference that pays for three tokens a prompt on a CPU.
    try:
        earlier = answers.earlier.get(speaker, ())
        read = [*(tuple(words) for words in earlier), answers.verdicts]  # at one place after the other
        query = LogitQuery(len(prompt) - 1, read[0])
        (logits,) = yield RequestStep(prompt, (query,), prefix_len=prefix_len)
        length, share = len(prompt), 1.0
        for words, options in zip(earlier, read[1:], strict=True):
            _check((*logits.values, logits.logsumexp))
            share *= min(1.0, math.exp(logsumexp(logits.values) - logits.logsumexp))
            word = tuple(words)[int(np.argmax(logits.values))]
            tokens = np.array([word, *words[word]], dtype=np.int32)
            query = LogitQuery(length + len(tokens) - 1, options)
            (logits,) = yield RequestStep(tokens, (query,), keep_len=length)
            length += len(tokens)
        score, mass = _score(logits, answers)
        if not list_if(score):
            return PromptScore(score, share * mass)
        likely = dict(zip(answers.verdicts, logits.values, strict=True))
        unsafe = max(answers.unsafe, key=lambda token: likely[token])
        categories, listed = yield from _categories(length, unsafe, answers, end=len(prompt) + MAX_ANSWER_TOKENS)
        return PromptScore(score, share * mass, categories, listed)
    except _NotFinite:
        return PromptScore(
            error="the model's logits are not finite: a damaged model, or an overflow on this device",
            error_code="model/not-finite",
        )


def _score(logits: Logits, answers: AnswerGrammar) -> tuple[float, float]:
    _check((*logits.values, logits.logsumexp))
    safe, unsafe = answers.sum_verdicts(logits.values)
    mass = min(1.0, math.exp(safe - logits.logsumexp) + math.exp(unsafe - logits.logsumexp))
    difference = safe - unsafe
    # Of the two forms of the logistic function, the one that cannot overflow.
    score = 1 / (1 + math.exp(difference)) if difference < 0 else math.exp(-difference) / (1 + math.exp(-difference))
    return score, mass


def _categories(
    length: int, unsafe: int, answers: AnswerGrammar, *, end: int
) -> LogitCoroutine[tuple[tuple[str, ...], dict[str, float]]]:
    """Decode the listed ids, starting with the most probable first one; return them and the distribution of the first.

    `unsafe` is the first token of the word that they follow.

    The list ends before the sequence has `end` tokens: after some 15 ids of four tokens, more than any guard lists.
    """
    forced, choice = answers.first.unique_path()
    tokens = [unsafe, *answers.unsafe[unsafe], *forced]
    listed = yield from _distribution(choice, tokens, length, answers.after_id)
    first = max(listed, key=lambda id_: listed[id_])
    if rest := choice.path(first):  # what leads to the choice was evaluated, and this follows
        length += len(tokens)
        tokens = rest
    listed_ids = [first]
    while (others := answers.remaining(tuple(listed_ids))).children and length + len(tokens) + answers.longest <= end:
        options = (*answers.ends, *others.children)
        chosen = options[int(np.argmax((yield from _ask(tokens, length, options))))]
        length += len(tokens)
        if chosen in answers.ends:
            break
        id_, tokens, length = yield from _walk(others.children[chosen], [chosen], length, answers.after_id)
        listed_ids.append(id_)
    return tuple(listed_ids), listed


def _distribution(
    node: Trie, tokens: list[int], length: int, after: tuple[int, ...]
) -> LogitCoroutine[dict[str, float]]:
    """The probability of each id below a node. `tokens` lead to the node; they follow the first `length` tokens."""
    forced, node = node.unique_path()
    if not node.children:
        return {node.id or "": 1.0}
    tokens = tokens + forced
    options = (*node.children, *(after if node.id is not None else ()))
    probabilities = _softmax((yield from _ask(tokens, length, options)))
    by_id = {} if node.id is None else {node.id: sum(probabilities[len(node.children) :])}
    for probability, (token, child) in zip(probabilities, node.children.items(), strict=False):
        below = yield from _distribution(child, [token], length + len(tokens), after)
        by_id |= {id_: probability * share for id_, share in below.items()}
    return by_id


def _walk(
    node: Trie, tokens: list[int], length: int, after: tuple[int, ...]
) -> LogitCoroutine[tuple[str, list[int], int]]:
    """Decode one id greedily. Returns it, the tokens that are not evaluated yet, and the length before them."""
    while True:
        forced, node = node.unique_path()
        tokens = tokens + forced
        if not node.children:
            return node.id or "", tokens, length
        options = (*node.children, *(after if node.id is not None else ()))
        chosen = options[int(np.argmax((yield from _ask(tokens, length, options))))]
        if chosen not in node.children:
            return node.id or "", tokens, length
        length += len(tokens)
        tokens, node = [chosen], node.children[chosen]


def _ask(tokens: list[int], length: int, options: tuple[int, ...]) -> LogitCoroutine[tuple[float, ...]]:
    """Query the logits of `options` after `tokens`, which follow the first `length` tokens of the sequence."""
    query = LogitQuery(length + len(tokens) - 1, options)
    (logits,) = yield RequestStep(np.array(tokens, dtype=np.int32), (query,), keep_len=length)
    _check(logits.values)
    return logits.values


def _softmax(logits: tuple[float, ...]) -> list[float]:
    powers = np.exp(np.asarray(logits) - max(logits))
    return [float(power) for power in powers / powers.sum()]


def _check(values: tuple[float, ...]) -> None:
    if not all(map(math.isfinite, values)):
        raise _NotFinite
