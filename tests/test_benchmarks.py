"""The comparison runs, on a model that it writes itself; its arithmetic and its picture are right."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import contenders, models, picture
from benchmarks.compare import _prompts, _result, _table, _with_verdicts
from benchmarks.contenders import Measured


@pytest.fixture(scope="module")
def model(models_folder: Path, tiny_path: Path) -> Path:
    shape = models.Shape(layers=1, width=64, heads=4, kv_heads=2, feed_forward=96)
    return models.write(models_folder / "random.gguf", shape, models.QUANTIZATIONS["q8_0"], tiny_path)


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


def test_guard_and_the_loop_judge_the_same_prompts(model: Path, models_folder: Path) -> None:
    (models_folder / "prompts.txt").write_text("".join(f"question number {n}?\n" for n in range(10)))
    prompts, head = _prompts(model, str(models_folder / "prompts.txt"), 10)
    assert [prompt.text for prompt in prompts] == [f"question number {n}?" for n in range(10)]
    assert all(prompt.tokens[:head] == prompts[0].tokens[:head] for prompt in prompts)
    marked, threshold = _with_verdicts(model, 1, prompts)
    assert 1 <= sum(prompt.unsafe for prompt in marked) <= 5
    for contender in (contenders.GuardItself(model, 1, threshold), contenders.PlainLoop(model, 1)):
        measured = contender.run(marked)
        contender.close()
        assert measured.seconds > 0
        assert len(prompts[0].tokens) < measured.evaluated < sum(len(prompt.tokens) for prompt in prompts)


ROUNDS = [
    {"guard": Measured(1.0, 100), "slow": Measured(2.0, 300), "llama-bench": Measured(1.0, 200)},
    {"guard": Measured(2.0, 200), "slow": Measured(8.0, 300), "llama-bench": Measured(1.0, 100)},
    {"guard": Measured(1.0, 100), "slow": Measured(3.0, 300), "llama-bench": Measured(1.0, 125)},
]


def test_ratios_are_medians_of_rounds() -> None:
    guard, slow, bench = _result(["guard", "slow", "llama-bench"], ROUNDS, 10)
    assert guard == {"name": "guard", "prompts_per_second": 10.0, "tokens_per_second": 100.0, "evaluated": 400,
                     "guard_faster": 1.0}  # fmt: skip
    assert (slow["guard_faster"], slow["prompts_per_second"]) == (3.0, 3.333)
    assert (bench["guard_faster"], bench["prompts_per_second"]) == (0.8, None)


def test_the_table_and_the_picture() -> None:
    result = _result(["guard", "slow", "llama-bench"], ROUNDS, 10)
    assert [line.split()[-1] for line in _table(result).splitlines()[1:]] == ["1.0", "3.0", "0.8"]
    drawing = ElementTree.fromstring(picture.bars(result, "a < b"))
    texts = [element.text for element in drawing.iter() if element.tag.endswith("text")]
    assert texts == ["Prompts judged a second (a < b)", "guard", "10.00", "slow", "3.33"]
