"""How training begins: what was said is pooled, whatever is listed before it, and its words are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

import pytest
import torch

from guardcli.prompts import Renderer
from guardcli.taxonomy import Taxonomy
from starter.batches import Batches, Bodies, padded
from starter.data import HAZARDS
from starter.model import VERDICT, Batch, Block, Guard, Output, Shape
from starter.prompts import FULL, SAFE, UNSAFE, Listed, Prompts
from starter.spelling import Spelled, runs, spelling
from starter.tokens import TEMPLATE, train
from starter.train import Pooled, descend
from starter.warmup import WarmUp, Words, warm_up
from starter.wiring import looking
from tests.starter.test_drawing import example

SHORT = Listed((1, 2), (9, 3))


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    policy = Taxonomy.load("llama-guard-3")
    texts = ["How do I bake bread at home?", "kill and Kill, KILL; killing time", "bread baking for bakers"]
    return Prompts(train(texts * 9, Renderer(TEMPLATE, policy), size=1_000), policy)


def words(prompts: Prompts) -> Words:
    torch.manual_seed(0)
    guard = Guard(Shape(len(prompts.tokens.tokens), prompts.answers))
    torch.nn.init.normal_(block(guard, 1).ffn_down.weight, std=0.05)
    return Words(guard, prompts.tokens, prompts.marker)


def block(guard: Guard, at: int) -> Block:
    found = guard.blk[at]
    assert isinstance(found, Block)
    return found


def bodies(prompts: Prompts, said: Sequence[list[int]]) -> Bodies:
    shown = [[prompts.marker, *ids, *prompts.after("User")] for ids in said]
    return Bodies(*padded(shown), torch.zeros(len(said)), torch.zeros(len(said), HAZARDS))


@torch.no_grad()
def whole(guard: Guard, prompts: Prompts, said: Sequence[list[int]], listed: Listed) -> Output:
    """What the whole model, which sees the list, makes of it."""
    head = torch.tensor([prompts.head("User", listed)[0]])
    ids, lengths = padded([[*one, *prompts.after("User"), *prompts.listing(1)] for one in said])
    output: Output = guard(Batch(head, torch.tensor([head.shape[1]]), ids[None], lengths[None]))
    return output


def judged(guard: Guard, prompts: Prompts, said: Sequence[list[int]], listed: Listed) -> torch.Tensor:
    """The verdict's logits of the whole model."""
    return whole(guard, prompts, said, listed).logits[:, VERDICT]


def alike(table: torch.Tensor, first: int, second: int) -> float:
    return float(torch.cosine_similarity(table[first], table[second], dim=0))


def test_a_text_is_its_runs_of_letters() -> None:
    assert runs(" Cat") == ["^c", "^ca", "^cat", "at", "ca", "capital word", "cat", "new word", "whole cat"]
    assert spelling("Ġcat") == runs(" cat")
    assert spelling("âĤ¬") == runs("€")
    broken = [spelling(token) for token in ("âĤ", "ãģ", "ðŁĶ", "ðŁķ")]
    assert len({tuple(found) for found in broken}) == len(broken), "a part of a letter has its own"
    blanks = ("\n", "\n\n", "\t", " ", "  ", "   ")
    assert len({tuple(runs(blank)) for blank in blanks}) == len(blanks)


def test_tokens_that_share_letters_are_alike(prompts: Prompts) -> None:
    tokens = prompts.tokens
    torch.manual_seed(0)
    table = Spelled(tokens.tokens, 128, plain=tokens.normal)().detach()
    number = {token.replace("Ġ", " "): at for at, token in enumerate(tokens.tokens[: tokens.normal])}
    assert alike(table, number[" kill"], number["kill"]) > 0.4
    assert abs(alike(table, number[" kill"], number[" bread"])) < 0.3
    assert table.norm(dim=1).min() > 0, "what is not text has something of its own"


@pytest.mark.parametrize("listed", [FULL, SHORT])
def test_a_wired_guard_judges_by_the_words_alone(prompts: Prompts, listed: Listed) -> None:
    """The whole model, whose layers look at all that is before, and the short way over the mean agree."""
    made = words(prompts)
    said = prompts.tokens.texts(["User: How do I bake bread?\n\n", "User: kill time\n\nAgent: killing it at home\n\n"])
    short = made(bodies(prompts, said))[0].detach()
    assert not torch.allclose(short[0], short[1], atol=0.05)
    torch.testing.assert_close(judged(made.fold(), prompts, said, listed), short, atol=0.02, rtol=0.02)


def test_the_mean_in_the_warm_up_is_that_of_training(prompts: Prompts) -> None:
    made, said = words(prompts), [[300, 301, 302], [303] * 9]
    short = made(bodies(prompts, said))[1].detach()
    torch.testing.assert_close(short, whole(made.fold(), prompts, said, FULL).means[0])


def test_a_token_sees_the_one_before(prompts: Prompts) -> None:
    """What the second head of the first layer reads changes with the token before, and hardly with the others."""
    made = words(prompts)
    with torch.no_grad():
        made.fold()
        first = block(made.guard, 0)

        def read(ids: list[int]) -> torch.Tensor:
            hidden = made.guard.token_embd(torch.tensor([ids]))
            at = torch.arange(len(ids))
            queries, keys, values = made.guard._projected(first, hidden, at)
            return torch.nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)[0, 1, -1]

        same = read([260, 261, 262, 263, 264])
        others = ([260, 261, 262, 270, 264], [260, 271, 272, 263, 264], [260, 261, 262, 263, 274])
        before, *rest = (float((read(ids) - same).norm() / same.norm()) for ids in others)
    assert before > 0.2
    assert before > 5 * max(rest)


def test_words_are_learnt(prompts: Prompts) -> None:
    """In a few steps what is said in unsafe rows alone is told from what is not. The list is still no matter then, and
    the second layer looks as it did, however much embeddings have grown."""
    examples = [example(hazard, speaker) for hazard in (0, 1) for speaker in ("User", "Agent")]
    for one in examples:
        one.said[0][:] = [300 + int(one.unsafe)] * 3
    made, seen = words(prompts), []
    before = [part.weight.detach().clone() for part in looking(made.guard)]
    with torch.no_grad():
        made.spelled.runs *= 5
    batches = Batches(examples, [[310, 311]], prompts, seed=0)
    plan = WarmUp(steps=200, rows=16)
    guard = warm_up(made, Pooled(128), batches, plan, lambda _, found: seen.append(found["verdict"]))
    assert seen[-1] < 0.3, "what is not learnt costs 0.69"
    for old, part in zip(before, looking(guard), strict=True):
        assert torch.equal(part.weight, old)
    assert all(weight.requires_grad for weight in guard.parameters())
    found = [judged(guard, prompts, [[300] * 3, [301] * 3], listed) for listed in (FULL, SHORT)]
    torch.testing.assert_close(*found, atol=0.05, rtol=0.02)
    safe, unsafe = found[0][:, UNSAFE] - found[0][:, SAFE]
    assert unsafe > safe + 2


def test_the_average_is_what_training_returns() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    course = WarmUp(steps=40, rate=1.0, keep=0.9)
    average = descend(
        model, optimizer, course, repeat(torch.ones(1, 1)), lambda one: {"verdict": -model(one).sum()}, print
    )
    assert 0 < average.weight.item() < model.weight.item()
