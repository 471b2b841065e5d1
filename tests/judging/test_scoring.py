"""How answers are read from logits, with a model that says what the test tells it to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from guardcli.engine import MAX_ANSWER_TOKENS, Logits, RequestStep
from guardcli.judging import AnswerGrammar, PromptScore, score_prompt
from guardcli.judging.answers import Trie

SAFE, UNSAFE, BREAK, S, COMMA_S, END, O, COMMA = 90, 91, 92, 93, 94, 95, 96, 97  # noqa: E741
CODES = {"S1": 1, "S2": 2, "S3": 3}
ANSWERS = AnswerGrammar(
    (SAFE,),
    {UNSAFE: (BREAK,)},
    Trie.from_sequences({id_: [S, token] for id_, token in CODES.items()}),
    Trie.from_sequences({id_: [COMMA_S, token] for id_, token in CODES.items()}),
    (END,),
)
# Ids as Llama Guard 1 writes them, digit by digit: O1 is the beginning of O10.
DIGITS = AnswerGrammar(
    (SAFE,),
    {UNSAFE: (BREAK,)},
    Trie.from_sequences({"O1": [O, 1], "O10": [O, 1, 0], "O2": [O, 2]}),
    Trie.from_sequences({"O1": [COMMA, O, 1], "O10": [COMMA, O, 1, 0], "O2": [COMMA, O, 2]}),
    (END,),
)
PROMPT = (7, 8, 9)
Says = Mapping[tuple[int, ...], Mapping[int, float]]


def run(says: Says, answers: AnswerGrammar = ANSWERS, list_from: float = 0.5) -> tuple[PromptScore, list[list[int]]]:
    """The outcome with a model of which `says` gives the logits behind each answer so far; and what it was fed."""
    request = score_prompt(np.array(PROMPT, dtype=np.int32), 2, answers, list_if=lambda score: score >= list_from)
    sequence: list[int] = []
    fed = []
    step: RequestStep = next(request)
    assert step.prefix_len == 2
    while True:
        sequence = sequence[: step.keep_len] if step.keep_len is not None else sequence
        sequence += step.tokens.tolist()
        fed.append(step.tokens.tolist())
        readings = []
        for query in step.queries:
            logits = says[tuple(sequence[len(PROMPT) : query.position + 1])]
            total = math.log(sum(math.exp(value) for value in logits.values()))
            readings.append(Logits(tuple(logits.get(token, -math.inf) for token in query.token_ids), total))
        try:
            step = request.send(tuple(readings))
        except StopIteration as stop:
            return stop.value, fed


UNSAFE_2_TO_1: Says = {
    (): {SAFE: math.log(1.0), UNSAFE: math.log(2.0), END: math.log(1.0)},
    (UNSAFE, BREAK, S): {1: math.log(1.0), 2: math.log(3.0), 3: math.log(4.0), END: 5.0},
    (UNSAFE, BREAK, S, 3): {END: 1.0, COMMA_S: 2.0},
    (UNSAFE, BREAK, S, 3, COMMA_S): {1: 0.5, 2: 0.0, 3: 9.0},
    (UNSAFE, BREAK, S, 3, COMMA_S, 1): {END: 2.0, COMMA_S: 1.0},
}


def test_score_mass_and_categories() -> None:
    outcome, fed = run(UNSAFE_2_TO_1)
    assert outcome.score == pytest.approx(2 / 3, abs=1e-15)
    assert outcome.mass == pytest.approx(3 / 4, abs=1e-15)
    assert outcome.categories == ("S3", "S1")  # S3 is not listed twice, however probable
    assert outcome.listed == pytest.approx({"S1": 1 / 8, "S2": 3 / 8, "S3": 4 / 8})
    assert outcome.error is None
    assert fed == [[*PROMPT], [UNSAFE, BREAK, S], [3], [COMMA_S], [1]]


def test_the_rest_of_a_verdict_is_evaluated_before_the_list() -> None:
    rest = 98
    answers = replace(ANSWERS, unsafe={UNSAFE: (rest, BREAK)})
    says = {key if not key else (UNSAFE, rest, *key[1:]): logits for key, logits in UNSAFE_2_TO_1.items()}
    outcome, fed = run(says, answers)
    assert (outcome.score, outcome.categories) == (pytest.approx(2 / 3), ("S3", "S1"))
    assert fed == [[*PROMPT], [UNSAFE, rest, BREAK, S], [3], [COMMA_S], [1]]


def test_a_safe_prompt_is_asked_once() -> None:
    outcome, fed = run({(): {SAFE: 1.0, UNSAFE: -1.0}})
    assert outcome.score == pytest.approx(1 / (1 + math.exp(2.0)), abs=1e-16)
    assert (outcome.categories, outcome.listed, fed) == ((), {}, [[*PROMPT]])


def test_categories_are_read_from_the_threshold_on() -> None:
    says = {**UNSAFE_2_TO_1, (): {SAFE: 0.0, UNSAFE: -1.0}}
    assert run(says, list_from=0.5)[0].categories == ()
    assert run(says, list_from=0.2)[0].categories == ("S3", "S1")


@pytest.mark.parametrize(("safe", "unsafe", "score"), [(0.0, 800.0, 1.0), (800.0, 0.0, 0.0), (3.0, 3.0, 0.5)])
def test_the_score_neither_overflows_nor_leaves_its_range(safe: float, unsafe: float, score: float) -> None:
    request = score_prompt(np.array(PROMPT, dtype=np.int32), 2, ANSWERS, list_if=lambda _: False)
    next(request)
    with pytest.raises(StopIteration) as stop:
        request.send((Logits((safe, unsafe), max(safe, unsafe)),))
    assert stop.value.value.score == pytest.approx(score, abs=1e-300)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_logit_that_is_not_finite_is_an_error(bad: float, where: int) -> None:
    values = [1.0, 1.0, 2.0]
    values[where] = bad
    request = score_prompt(np.array(PROMPT, dtype=np.int32), 2, ANSWERS, list_if=lambda score: score >= 0.5)
    next(request)
    with pytest.raises(StopIteration) as stop:
        request.send((Logits((values[0], values[1]), values[2]),))
    outcome = stop.value.value
    assert outcome.error == "the model's logits are not finite: a damaged model, or an overflow on this device"
    assert outcome.error_code == "model/not-finite"
    assert math.isnan(outcome.score)


def test_a_category_logit_that_is_not_finite_is_an_error() -> None:
    says = {**UNSAFE_2_TO_1, (UNSAFE, BREAK, S): {1: math.nan, 2: 0.0, 3: 0.0}}
    assert run(says)[0].error is not None


def digits(tail: Callable[[tuple[int, ...]], Mapping[int, float]]) -> Says:
    class Everything(dict):  # type: ignore[type-arg]
        def __missing__(self, key: tuple[int, ...]) -> Mapping[int, float]:
            return tail(key)

    return Everything()


@pytest.mark.parametrize(("zero", "end", "first"), [(3.0, 1.0, "O10"), (1.0, 3.0, "O1")])
def test_an_id_that_begins_another(zero: float, end: float, first: str) -> None:
    def tail(key: tuple[int, ...]) -> Mapping[int, float]:
        if not key:
            return {SAFE: 0.0, UNSAFE: 1.0}
        if key[-1] == O:
            return {1: math.log(8.0), 2: math.log(2.0)}
        if key[-1] == 1:
            return {0: math.log(zero), END: math.log(end), COMMA: -50.0}
        return {END: 1.0, COMMA: 0.0}

    outcome, _ = run(digits(tail), DIGITS)
    assert outcome.listed == pytest.approx({"O1": 0.8 * end / 4, "O10": 0.8 * zero / 4, "O2": 0.2})
    assert outcome.categories == (first,)


def test_a_list_continues_with_an_id_that_is_a_prefix_of_another() -> None:
    def tail(key: tuple[int, ...]) -> Mapping[int, float]:
        if not key:
            return {SAFE: 0.0, UNSAFE: 1.0}
        if key == (UNSAFE, BREAK, O):
            return {1: 0.0, 2: 9.0}
        if key[-1] == O:
            return {1: 9.0, 2: 0.0}
        if key[-1] == 1:
            return {0: 0.0, END: 1.0, COMMA: 2.0}
        return {END: 0.0, COMMA: 1.0, 0: 0.0}

    outcome, _ = run(digits(tail), DIGITS)
    assert outcome.categories == ("O2", "O1", "O10")


@pytest.mark.parametrize(("zero", "end", "first"), [(3.0, 1.0, "O10"), (1.0, 3.0, "O1")])
def test_an_id_that_begins_all_others(zero: float, end: float, first: str) -> None:
    ids = {"O1": [1], "O10": [1, 0]}
    answers = AnswerGrammar(
        (SAFE,),
        {UNSAFE: (BREAK,)},
        Trie.from_sequences({id_: [O, *tokens] for id_, tokens in ids.items()}),
        Trie.from_sequences({id_: [COMMA, O, *tokens] for id_, tokens in ids.items()}),
        (END,),
    )

    def tail(key: tuple[int, ...]) -> Mapping[int, float]:
        if not key:
            return {SAFE: 0.0, UNSAFE: 1.0}
        return {0: zero, END: end, COMMA: -9.0}

    outcome, fed = run(digits(tail), answers)
    assert outcome.categories == (first,)
    assert all(fed)


def test_a_list_that_never_ends_stays_in_its_room() -> None:
    codes = {f"S{n}": n for n in range(1, 80)}
    answers = AnswerGrammar(
        (SAFE,),
        {UNSAFE: (BREAK,)},
        Trie.from_sequences({id_: [S, token + 100] for id_, token in codes.items()}),
        Trie.from_sequences({id_: [COMMA_S, token + 100] for id_, token in codes.items()}),
        (END,),
    )

    def tail(key: tuple[int, ...]) -> Mapping[int, float]:
        if not key:
            return {SAFE: 0.0, UNSAFE: 1.0}
        return {END: -9.0, COMMA_S: 9.0, **{token + 100: 0.0 for token in codes.values()}}

    outcome, fed = run(digits(tail), answers)
    assert 20 < len(outcome.categories) < 40
    assert sum(map(len, fed[1:])) <= MAX_ANSWER_TOKENS


def test_a_taxonomy_of_one_category() -> None:
    one = AnswerGrammar(
        (SAFE,),
        {UNSAFE: (BREAK,)},
        Trie.from_sequences({"S1": [S, 1]}),
        Trie.from_sequences({"S1": [COMMA_S, 1]}),
        (END,),
    )
    outcome, fed = run({(): {SAFE: 0.0, UNSAFE: 1.0}}, one)
    assert (outcome.categories, outcome.listed) == (("S1",), {"S1": 1.0})
    assert fed == [[*PROMPT]]
