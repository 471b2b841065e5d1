"""Groups of examples by prefix, and what sharing the prefixes saves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.training.config import TrainConfig
from guardcli.training.prefix_groups import PrefixGroup, TokenCounts, group_by_prefix, pair_labels, prefix_labels
from guardcli.training.tokenizer import TokenizedExample


def example(prefix: str, body_length: int) -> TokenizedExample:
    tokens = tuple(map(ord, prefix)) + (0,) * body_length
    return TokenizedExample(
        tokens=tokens,
        prefix_length=len(prefix),
        prompt_length=len(tokens) - 1,
        verdict_index=len(tokens) - 1,
        unsafe=False,
    )


P, Q, R = "pppp", "qqq", "rr"


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        (
            [example(P, 3), example(Q, 9), example(P, 1), example(P, 2), example(R, 4)],
            [PrefixGroup(tuple(b"pppp"), ((2,), (3, 0))), PrefixGroup((), ((4, 1),))],
        ),
        ([example(P, 2), example(P, 1)], [PrefixGroup(tuple(b"pppp"), ((1, 0),))]),
        ([example("", 2), example("", 1)], [PrefixGroup((), ((1, 0),))]),
        ([example(P, 1)], [PrefixGroup((), ((0,),))]),
        ([], []),
    ],
)
def test_group_by_prefix(examples: list[TokenizedExample], expected: list[PrefixGroup]) -> None:
    assert group_by_prefix(examples, 2) == expected


def test_prefix_labels() -> None:
    assert prefix_labels([example(P, 1), example(Q, 1), example(P, 2)]) == [0, 1, 0]
    assert prefix_labels([example("p", 2), replace(example("p", 2), prefix_length=0)]) == [0, 1]


def test_pair_labels() -> None:
    pair = ("a.jsonl", "p")
    twins = [replace(example(P, 1), pair=pair), example(P, 1), replace(example(Q, 1), pair=pair)]
    assert pair_labels(twins) == [pair, 1, pair]


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "evaluated"),
    [
        (1, 1, 8 * 4 + 3 + 11),  # a step an example: nothing is shared
        (2, 1, 4 * 4 + 3 + 11),
        (1, 2, 4 * 4 + 3 + 11),
        (4, 2, 1 * 4 + 3 + 11),
        (32, 1, 1 * 4 + 3 + 11),
    ],
)
def test_token_counts(batch_size: int, accumulate: int, evaluated: int) -> None:
    examples = [*(example(P, 2) for _ in range(8)), example(Q, 4)]  # the last token of each is not evaluated
    config = TrainConfig(batch_size=batch_size, gradient_accumulation_steps=accumulate)
    counts = TokenCounts.from_examples(examples, config)
    assert counts == TokenCounts(prefix=8 * 4 + 3, body=20, evaluated=evaluated)
    assert counts.total == 35 + 20
