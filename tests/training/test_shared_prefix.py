"""A prefix that is evaluated once gives the losses and gradients that each sequence has with a prefix of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.training import packed_rows
from guardcli.training.lora_model import LoraModel
from guardcli.training.prefix_groups import group_by_prefix
from guardcli.training.shared_prefix import SharedPrefix, _attend, register_attention
from guardcli.training.tokenizer import TokenizedExample
from tests.training.conftest import Bench

torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")
transformers = pytest.importorskip("transformers")

PREFIX = tuple(range(10, 30))
SHAPE = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip
# Relative to the largest gradient. In float32 the two ways differ by the order of their sums.
TOLERANCE = 1e-5

Gradients = dict[str, "torch.Tensor"]


def llama(attention: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SHAPE, attn_implementation=attention)
    return transformers.LlamaForCausalLM(config).model.train()


def bodies() -> tuple[torch.Tensor, torch.Tensor]:
    """The ids of sequences after the prefix, and random weights for their states. The last sequence is padded."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 100, (3, 7), generator=generator)
    weights = torch.randn(3, 7, 32, generator=generator)
    weights[2, 4:] = 0
    return ids, weights


def gradients(model: torch.nn.Module) -> Gradients:
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    return found


def gradients_apart(attention: str) -> Gradients:
    """Each sequence with a prefix of its own, as transformers evaluates it."""
    model = llama(attention)
    ids, weights = bodies()
    whole = torch.cat([torch.tensor([PREFIX]).expand(len(ids), -1), ids], dim=1)
    (model(input_ids=whole, use_cache=False).last_hidden_state[:, len(PREFIX) :] * weights).sum().backward()
    return gradients(model)


def gradients_shared(model: torch.nn.Module, batch_size: int, *, prefix_backward: bool = True) -> Gradients:
    prefix = SharedPrefix(model, PREFIX)
    for ids, weights in zip(*(tensor.split(batch_size) for tensor in bodies()), strict=True):
        (prefix.states(ids) * weights).sum().backward()
    if prefix_backward:
        prefix.backward()
    return gradients(model)


def difference(found: Gradients, expected: Gradients) -> float:
    """The largest difference of two gradients, relative to the largest value of its tensor; over all tensors."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).abs().max() / expected[name].abs().max()) for name in expected)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_gradients_are_those_of_sequences_with_their_own_prefix(batch_size: int) -> None:
    shared = gradients_shared(llama(register_attention()), batch_size)
    assert difference(shared, gradients_apart("sdpa")) < TOLERANCE


def test_gradients_need_the_way_back_through_the_prefix() -> None:
    """Without it the test above fails by orders of magnitude."""
    partial = gradients_shared(llama(register_attention()), 1, prefix_backward=False)
    assert difference(partial, gradients_apart("sdpa")) > 1000 * TOLERANCE


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable:FutureWarning")  # its successor is new
def test_gradient_checkpointing_changes_no_gradient() -> None:
    model = llama(register_attention())
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert difference(gradients_shared(model, 2), gradients_apart("sdpa")) < TOLERANCE


def test_gradient_of_many_batches_is_not_rounded_in_bfloat16() -> None:
    """256 equal gradients are 256 times one of them; a sum in bfloat16 stops growing at half of it."""
    model = llama(register_attention()).bfloat16()
    ids, weights = (tensor[:1] for tensor in bodies())
    sums = []
    for count in (1, 256):
        prefix = SharedPrefix(model, PREFIX)
        for _ in range(count):
            (prefix.states(ids) * weights).sum().backward()
        model.zero_grad()  # keep what comes through the prefix alone
        prefix.backward()
        sums.append(model.layers[0].self_attn.k_proj.weight.grad.float())
    assert torch.allclose(sums[1], 256 * sums[0], rtol=0.05, atol=0.05 * float(sums[1].abs().max()))


def test_without_a_prefix_attention_is_that_of_transformers() -> None:
    own, theirs = llama(register_attention()), llama("sdpa")
    ids, _ = bodies()
    assert torch.equal(SharedPrefix(own, ()).states(ids), theirs(input_ids=ids, use_cache=False).last_hidden_state)


@pytest.mark.parametrize("seen", [5, 9])
def test_attention_in_bfloat16_on_a_cpu_is_that_of_transformers(seen: int) -> None:
    """With a mask, as behind a prefix of four tokens, and without one. Four heads share two keys."""
    torch.manual_seed(0)
    tensors = [torch.randn(2, heads, tokens, 8) for heads, tokens in ((4, 5), (2, seen), (2, seen))]
    mask = None if seen == 5 else torch.ones(2, 1, 5, seen, dtype=torch.bool).tril(seen - 5)
    weights = torch.randn(2, 5, 4, 8)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        query, key, value = leaves = [tensor.to(dtype, copy=True).requires_grad_() for tensor in tensors]
        module = llama("sdpa").layers[0].self_attn
        attended, _ = _attend(module, query, key, value, mask, scaling=8**-0.5, is_causal=mask is None)
        (attended * weights.to(dtype)).sum().backward()
        found.append([attended.detach(), *(leaf.grad for leaf in leaves)])
    for exact, rounded in zip(*found, strict=True):
        assert rounded.dtype == torch.bfloat16
        assert torch.allclose(rounded.float(), exact, atol=0.02 * float(exact.abs().max()))


@pytest.fixture(autouse=True)
def no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate every shared prefix by itself, however short it is."""
    monkeypatch.setattr(packed_rows, "MAX_ROW", 0)


def unshared(examples: list[TokenizedExample]) -> list[TokenizedExample]:
    return [replace(example, prefix_length=0) for example in examples]


def test_loss_and_all_lora_gradients_are_equal(bench: Bench, model: LoraModel) -> None:
    """Of a step with one prefix that eight examples share, and eight that begin one example each."""
    examples = list(bench.data.train)
    assert sorted(len(group.prefix) > 0 for group in group_by_prefix(examples, 8)) == [False, True]
    found = []
    for step in (examples, unshared(examples)):
        loss = model.compute_gradients(step)
        found.append((loss.total, {name: parameter.grad.clone() for name, parameter in model.parameters.items()}))
    (shared_loss, shared), (loss, apart) = found
    assert shared_loss == pytest.approx(loss, rel=1e-6)
    assert len(apart) == 28  # A and B, two layers, seven matrices
    assert all(gradient.abs().max() > 0 for gradient in apart.values())
    assert difference(shared, apart) < 10 * TOLERANCE


def test_scores_are_equal(bench: Bench, model: LoraModel) -> None:
    examples = list(bench.data.train)
    scores = model.scores(examples, bench.data.verdict_ids)
    assert scores == pytest.approx(model.scores(unshared(examples), bench.data.verdict_ids), abs=1e-6)
    assert len({round(score, 4) for score in scores}) > 8
