"""Which order prompts are planned in, and which prefixes are cached: the examples of the module, and its promises."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from guardcli.engine.plan import MIN_PREFIX_LEN, ScheduledPrompt, UniqueTokenCounter, plan
from guardcli.engine.token_arrays import common_prefix_len
from guardcli.models.vocab import TokenIds
from tests.engine.requests import TokenRequest, count_unique_tokens

PREFIX = "P" * MIN_PREFIX_LEN


def array_of(text: str) -> TokenIds:
    return np.array([ord(character) for character in text], dtype=np.int32)


def prompts(*texts: str, groups: list[int] | None = None, prefix_len: int = 0) -> list[ScheduledPrompt]:
    """Prompts of one token a character, each of a group of its own unless told otherwise."""
    numbers = groups or range(len(texts))
    return [
        ScheduledPrompt(array_of(text), group, len(text) - 1, prefix_len)
        for text, group in zip(texts, numbers, strict=True)
    ]


def planned(
    window: list[ScheduledPrompt], *cached: str, max_new_prefixes: int = 32, earlier: Sequence[ScheduledPrompt] = ()
) -> list[tuple[int | None, str]]:
    """The entries of a plan: the index of a prompt, or None for a prefix; and the text."""
    others = [replace(prompt, group=-1 - index) for index, prompt in enumerate(earlier)]  # of groups of their own
    entries = plan(window, [array_of(text) for text in cached], max_new_prefixes, earlier=others)
    return [(entry.prompt, "".join(map(chr, entry.tokens))) for entry in entries]


def test_prompts_follow_their_prefix_in_the_order_of_the_prefix_tree() -> None:
    window = prompts(f"{PREFIX}mn", f"{PREFIX}ac", f"{PREFIX}ab")
    assert planned(window) == [(None, PREFIX), (2, f"{PREFIX}ab"), (1, f"{PREFIX}ac"), (0, f"{PREFIX}mn")]


def test_a_cached_prefix_is_not_planned_anew() -> None:
    window = prompts(f"{PREFIX}mn", f"{PREFIX}ab")
    assert planned(window, PREFIX) == [(None, PREFIX), (1, f"{PREFIX}ab"), (0, f"{PREFIX}mn")]


@pytest.mark.parametrize(("groups", "prefixes"), [([1, 1], ["Q" * 29]), ([1, 2], ["Q" * 20])])
def test_what_one_group_shares_is_not_cached(groups: list[int], prefixes: list[str]) -> None:
    """Of a group alone, the first prompt is cached whole, for later groups to find what they share with it."""
    window = prompts("Q" * 20 + "a" * 10, "Q" * 30, groups=groups)
    assert [text for prompt, text in planned(window) if prompt is None] == prefixes


def test_a_declared_prefix_is_cached() -> None:
    window = prompts(f"{PREFIX}some text", prefix_len=MIN_PREFIX_LEN)
    assert planned(window)[0] == (None, PREFIX)


def test_what_declared_prefixes_share_is_not_cached() -> None:
    """Each of their prompts begins with a longer prefix that is cached."""
    window = prompts(*(f"{PREFIX}{policy * 20}{text}" for policy in "ab" for text in "xy"), prefix_len=len(PREFIX) + 20)
    prefixes = [text for prompt, text in planned(window) if prompt is None]
    assert prefixes == [PREFIX + "a" * 20, PREFIX + "b" * 20]


def test_what_is_shared_with_an_earlier_window_is_cached() -> None:
    """A window of one record does not show what the records of a file have in common."""
    first, second, third = (prompts(f"{'Q' * 20}{text * 20}") for text in "abc")
    assert [text for prompt, text in planned(first) if prompt is None] == ["Q" * 20 + "a" * 19]
    assert planned(second, earlier=first) == [(None, "Q" * 20), (0, "Q" * 20 + "b" * 20)]
    assert planned(third, "Q" * 20, earlier=second) == [(None, "Q" * 20), (0, "Q" * 20 + "c" * 20)]


def test_what_only_earlier_prompts_share_is_not_cached() -> None:
    earlier = prompts("Q" * 20 + "a", "Q" * 20 + "b")
    assert planned(prompts("P" * 30), earlier=earlier) == planned(prompts("P" * 30))


def test_short_prefixes_are_not_cached() -> None:
    assert planned(prompts("PPPab", "PPPac")) == [(0, "PPPab"), (1, "PPPac")]


def test_no_more_prefixes_than_allowed() -> None:
    window = prompts(*(letter * 40 + end for letter in "abcdef" for end in "xy"))
    assert sum(prompt is None for prompt, _ in planned(window, max_new_prefixes=4)) == 4


@pytest.mark.parametrize("seed", range(20))
def test_each_shares_most_with_the_one_before(seed: int) -> None:
    """So that matching it with the last sequence alone loses nothing."""
    rng = random.Random(seed)
    window = prompts(*("".join(rng.choices("ab", k=rng.randrange(1, 60))) for _ in range(30)))
    entries = plan(window, [], 32)
    assert sorted(entry.prompt for entry in entries if entry.prompt is not None) == list(range(30))
    for at in range(1, len(entries)):
        shared = [common_prefix_len(entry.tokens, entries[at].tokens) for entry in entries[:at]]
        assert shared[-1] == max(shared)


@pytest.mark.parametrize("seed", range(20))
def test_the_counter_counts_nodes_of_the_prefix_tree(seed: int) -> None:
    rng = random.Random(seed)
    texts = ["".join(rng.choices("ab", k=rng.randrange(1, 9))) for _ in range(20)]
    counter = UniqueTokenCounter([array_of(texts[0])])
    added = sum(counter.add(prompt) for prompt in prompts(*texts[1:]))
    requests = [TokenRequest(tuple(map(ord, text))) for text in texts]
    assert added == count_unique_tokens([requests]) - len(texts[0])
