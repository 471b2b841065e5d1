"""Examples in one row with their prefix have the losses, gradients and scores that each has by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from guardcli.training import packed_rows
from guardcli.training.config import TrainConfig, TrainDType
from guardcli.training.lora_model import LoraModel
from guardcli.training.packed_rows import PackedBatch, Row, split_rows
from guardcli.training.prefix_groups import PrefixGroup, group_by_prefix
from guardcli.training.tokenizer import TokenizedExample
from tests.training.conftest import Bench

torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")

TOLERANCE = 1e-4  # relative to the largest gradient of a tensor; float32, in another order of sums


def example(prefix: tuple[int, ...], body: int) -> TokenizedExample:
    tokens = (*prefix, *range(100, 100 + body))
    return TokenizedExample(
        tokens=tokens, prefix_length=len(prefix), prompt_length=len(tokens) - 1, verdict_index=len(tokens) - 1,
        unsafe=False,
    )  # fmt: skip


def test_short_groups_become_rows_of_similar_length_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_rows, "MAX_ROW", 38)
    a, b, c = tuple(range(10)), tuple(range(20)), tuple(range(30))
    examples = [
        example(a, 3),
        example(b, 4),
        example(a, 5),
        example(b, 6),
        example(c, 5),
        example(c, 6),
        example((), 9),
    ]
    groups = group_by_prefix(examples, 8)
    others, batches = split_rows(examples, groups, 8)
    assert others == [PrefixGroup(c, ((4, 5),)), PrefixGroup((), ((6,),))]  # 30 + 9 tokens, and no prefix at all
    assert batches == [(Row(a, (0, 2), 16), Row(b, (1, 3), 28))]


def test_each_example_sees_its_prefix_and_itself() -> None:
    a, b = (1, 2, 3), (4, 5)
    examples = [example(a, 3), example(a, 2), example(b, 2)]
    seen = {}

    class Recorder:
        device = torch.device("cpu")
        dtype = torch.float32

        def __call__(self, **inputs: object) -> None:
            seen.update(inputs)
            raise StopIteration

    rows = [Row(a, (0, 1), 6), Row(b, (2,), 3)]
    batch = PackedBatch(Recorder(), rows, examples)
    with pytest.raises(StopIteration):
        batch.states()
    assert seen["input_ids"].tolist() == [[1, 2, 3, 100, 101, 100], [4, 5, 100, 0, 0, 0]]
    assert seen["position_ids"].tolist() == [[0, 1, 2, 3, 4, 3], [0, 1, 2, 0, 0, 0]]
    mask = seen["attention_mask"][:, 0].int().tolist()
    assert mask[0] == [
        [1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]  # fmt: skip
    assert mask[1][2] == [1, 1, 1, 0, 0, 0]
    assert all(any(row) for rows_of in mask for row in rows_of)  # a token that sees nothing would have no state
    assert [batch.place(0, 4), batch.place(1, 3), batch.place(2, 2)] == [(0, 4), (0, 5), (1, 2)]


@pytest.fixture
def examples(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[TokenizedExample]:
    """A step in which eight examples share a prefix, and are put into one row with it."""
    monkeypatch.setattr(packed_rows, "MAX_ROW", 10_000)
    step = list(bench.data.train)
    _, batches = split_rows(step, group_by_prefix(step, 8), 8)
    assert [len(row.examples) for rows in batches for row in rows] == [8]
    return step


def apart(examples: list[TokenizedExample]) -> list[TokenizedExample]:
    return [replace(one, prefix_length=0) for one in examples]


def test_loss_and_all_lora_gradients_are_equal(model: LoraModel, examples: list[TokenizedExample]) -> None:
    found = []
    for step in (examples, apart(examples)):
        loss = model.compute_gradients(step)
        found.append((loss.total, gradients(model)))
    (packed_loss, packed), (loss, expected) = found
    assert packed_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in expected.items():
        largest = float(gradient.abs().max())
        assert largest > 0
        assert float((packed[name] - gradient).abs().max()) < TOLERANCE * largest


def test_threads_take_batches_of_their_own_and_change_nothing(bench: Bench) -> None:
    """Of 40 messages with two questions each. Twice on two threads is the same to the bit."""
    one = bench.data.train[0]
    cut = one.prompt_length - 4
    steps = [
        replace(
            one,
            tokens=(*one.tokens[:cut], number, *one.tokens[cut:]),
            prefix_length=cut + 1,
            prompt_length=one.prompt_length + 1,
            verdict_index=one.verdict_index + 1,
            unsafe=unsafe,
        )
        for number in range(40)
        for unsafe in (False, True)
    ]
    found = []
    for threads in (1, 2, 2):
        before = torch.get_num_threads()
        try:
            model = LoraModel(bench.base, TrainConfig(lora_rank=4, lora_alpha=8.0, batch_size=80), threads=threads)
            loss = model.compute_gradients(steps)
            assert torch.get_num_threads() == threads  # what a thread of its own sets is for itself
        finally:
            torch.set_num_threads(before)
        found.append((loss, model.scores(steps, bench.data.verdict_ids), gradients(model)))
    (loss, scores, expected), (loss_2, scores_2, two), (loss_3, scores_3, three) = found
    assert (loss_2, scores_2) == (loss_3, scores_3)
    assert all(torch.equal(two[name], three[name]) for name in two)
    assert loss_2.total == pytest.approx(loss.total, rel=1e-6)
    assert scores_2 == pytest.approx(scores, abs=1e-6)
    for name, gradient in expected.items():
        assert float((two[name] - gradient).abs().max()) <= TOLERANCE * float(gradient.abs().max())


@pytest.mark.parametrize("max_row", [0, 10_000])
def test_bfloat16_has_nearly_the_loss_scores_and_gradients_of_float32(
    bench: Bench, examples: list[TokenizedExample], monkeypatch: pytest.MonkeyPatch, max_row: int
) -> None:
    """In rows, and behind a prefix that is evaluated by itself."""
    monkeypatch.setattr(packed_rows, "MAX_ROW", max_row)
    dtypes: list[TrainDType] = ["float32", "bfloat16"]
    results = []
    for dtype in dtypes:
        model = LoraModel(bench.base, TrainConfig(lora_rank=4, lora_alpha=8.0, batch_size=3, dtype=dtype))
        assert str(model._llama.dtype) == f"torch.{dtype}"
        for name, parameter in model.parameters.items():  # B is zero at the start
            assert parameter.dtype == torch.float32
            torch.manual_seed(len(name))
            parameter.data.normal_(std=0.1)
        loss = model.compute_gradients(examples)
        results.append((loss.total, model.scores(examples, bench.data.verdict_ids), gradients(model)))
    (loss_32, scores_32, gradients_32), (loss_16, scores_16, gradients_16) = results
    assert loss_16 != loss_32
    assert loss_16 == pytest.approx(loss_32, rel=0.02)
    assert scores_16 == pytest.approx(scores_32, abs=0.02)
    for name, gradient in gradients_32.items():
        assert gradients_16[name].dtype == torch.float32
        cosine = torch.nn.functional.cosine_similarity(gradients_16[name].flatten(), gradient.flatten(), dim=0)
        assert float(cosine) > 0.95, name


def test_a_step_is_cut_for_threads() -> None:
    prefixes = [tuple(range(start, start + 10)) for start in range(0, 400, 10)]
    examples = [example(prefix, body) for prefix in prefixes for body in (3, 3 + prefix[0] % 7)]
    _, batches = split_rows(examples, group_by_prefix(examples, 80), 80, num_batches=8)
    assert len(batches) >= 8
    costs = [len(rows) * rows[-1].length for rows in batches]
    assert costs == sorted(costs, reverse=True)
    assert sorted(index for rows in batches for row in rows for index in row.examples) == list(range(80))


def gradients(model: LoraModel) -> dict[str, Any]:
    return {name: parameter.grad.clone() for name, parameter in model.parameters.items()}


def test_scores_are_equal(bench: Bench, model: LoraModel, examples: list[TokenizedExample]) -> None:
    scores = model.scores(examples, bench.data.verdict_ids)
    assert scores == pytest.approx(model.scores(apart(examples), bench.data.verdict_ids), abs=1e-6)
