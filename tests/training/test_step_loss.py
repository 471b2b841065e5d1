"""The weights of examples, verdicts and ids in the loss, and in the gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.training.config import TrainConfig
from guardcli.training.lora_model import LoraModel
from guardcli.training.step_loss import AnswerToken, StepLoss, answer_tokens
from guardcli.training.tokenizer import TokenizedExample
from tests.training.conftest import SETTINGS, Bench

torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")

Gradients = dict[str, "torch.Tensor"]


def test_answer_tokens() -> None:
    """Of a prompt of two tokens, a line break, a verdict of two tokens, and two more."""
    example = TokenizedExample(
        tokens=(0,) * 7, prefix_length=0, prompt_length=2, verdict_index=3, unsafe=True, verdict_length=2, weight=0.5
    )
    assert answer_tokens(example) == [AnswerToken(0.5, at in (3, 4)) for at in range(2, 7)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (TrainConfig(), StepLoss(total=(4 + 1 + 3 * 2) / 5, verdict=(4 + 3 * 2) / 4, ids=1.0)),
        (TrainConfig(verdict_weight=2.0), StepLoss(total=(2 * 4 + 1 + 6 * 2) / 9, verdict=2.5, ids=1.0)),
        (TrainConfig(ids_weight=0.0), StepLoss(total=2.5, verdict=2.5, ids=1.0)),
    ],
)
def test_weighted_means(config: TrainConfig, expected: StepLoss) -> None:
    """A verdict and an id of an example of weight 1, and the verdict of one of weight 3."""
    tokens = [(AnswerToken(1.0, True), 4.0), (AnswerToken(1.0, False), 1.0), (AnswerToken(3.0, True), 2.0)]
    assert StepLoss.from_tokens(tokens, config) == expected


def gradients(bench: Bench, examples: list[TokenizedExample], **weights: float) -> tuple[StepLoss, Gradients]:
    """Of a model after two steps, since at the start B is zero, and so is the gradient of A."""
    model = LoraModel(bench.base, replace(SETTINGS, **weights))  # type: ignore[arg-type]
    for _ in range(2):
        model.train_step(bench.data.train[:4], learning_rate=0.02)
    loss = model.compute_gradients(examples)
    return loss, {name: parameter.grad.clone() for name, parameter in model.parameters.items()}


def assert_same(one: Gradients, other: Gradients) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        scale = float(gradient.abs().max())
        assert scale > 0
        assert torch.allclose(gradient, other[name], rtol=0, atol=1e-5 * scale), name


def test_weight_of_two_is_an_example_given_twice(bench: Bench) -> None:
    first, second = bench.data.train[:2]
    weighted = gradients(bench, [replace(first, weight=2.0), second])
    twice = gradients(bench, [first, first, second])
    assert weighted[0].total == pytest.approx(twice[0].total, rel=1e-5)
    assert (weighted[0].verdict, weighted[0].ids) == pytest.approx((twice[0].verdict, twice[0].ids), rel=1e-5)
    assert_same(weighted[1], twice[1])


def test_only_the_ratio_of_weights_counts(bench: Bench) -> None:
    examples = list(bench.data.train[:3])
    plain = gradients(bench, examples)
    scaled = gradients(bench, [replace(example, weight=8.0) for example in examples])
    assert scaled[0].total == pytest.approx(plain[0].total, rel=1e-6)
    assert_same(scaled[1], plain[1])


def test_ids_of_weight_zero_do_not_train(bench: Bench) -> None:
    """The gradients are those of answers that are cut off after the verdict."""
    examples = list(bench.data.train[:3])
    cut = [
        replace(one, tokens=one.tokens[: one.verdict_index + 1], prompt_length=one.verdict_index) for one in examples
    ]
    loss, verdicts_only = gradients(bench, examples, ids_weight=0.0, learning_rate=0.02)
    assert loss.total == pytest.approx(loss.verdict)
    assert loss.ids > 0
    expected = LoraModel(bench.base, replace(SETTINGS, ids_weight=0.0))
    for _ in range(2):
        expected.train_step(bench.data.train[:4], learning_rate=0.02)
    assert expected.compute_gradients(cut).total == pytest.approx(loss.verdict, rel=1e-5)
    assert_same(verdicts_only, {name: parameter.grad for name, parameter in expected.parameters.items()})
