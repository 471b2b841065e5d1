"""Fixtures: a tiny base model with its GGUF, prepared examples, and a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guardcli.prompts import TEMPLATES
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import AugmentConfig
from guardcli.training.augmentation.example import make_examples
from guardcli.training.base_model import BaseModel, open_base
from guardcli.training.config import TrainConfig
from guardcli.training.dataset import TokenizedDataset
from guardcli.training.loop import TrainingData, fine_tune
from guardcli.training.lora_model import LoraModel
from guardcli.training.run_dir import RunDir
from guardcli.training.tokenizer import Tokenizer
from tests.training.augmentation.samples import labeled, record

TEMPLATE = "llama-guard-3-8b"
SETTINGS = TrainConfig(lora_rank=4, lora_alpha=8.0, learning_rate=0.005, epochs=1.5, checkpoint_every=4)


@dataclass(frozen=True)
class Bench:
    """What training needs."""

    base: BaseModel
    tokenizer: Tokenizer
    data: TrainingData


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine two threads wait for each other much longer than the tiny matrices take."""
    try:
        import torch
    except ModuleNotFoundError:  # of the package, what needs no PyTorch is tested all the same
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny base model. The GGUF of the same weights is next to it."""
    from tests import tiny_base

    return tiny_base.write(tmp_path_factory.mktemp("base") / "tiny-guard")


def prepared(path: Path, words: tuple[str, ...], *, copies: int) -> Path:
    """Write a file of examples, of which every second one is unsafe."""
    template = TEMPLATES[TEMPLATE]
    policy = Taxonomy.load(template.taxonomy)
    lines = []
    for line, word in enumerate(words, start=1):
        label = {"label": "unsafe", "categories": ["S9"]} if line % 2 else {"label": "safe"}
        conversation = labeled(record(f"How do I make {word}?", line, **label), policy)  # type: ignore[arg-type]
        examples = make_examples([conversation], template, policy, AugmentConfig(), copies=copies, seed=0)
        lines += [f"{example.to_json()}\n" for example in examples]
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Examples to train on, and others that are held out."""
    folder = tmp_path_factory.mktemp("examples")
    train_words = ("a bomb", "bread", "a gun", "tea", "poison", "a cake", "a knife", "soup")
    held_out = prepared(folder / "held.jsonl", ("dynamite", "rice", "a sword", "jam"), copies=0)
    return prepared(folder / "train.jsonl", train_words, copies=1), held_out


@pytest.fixture(scope="session")
def bench(base: Path, files: tuple[Path, Path]) -> Bench:
    opened = open_base(base)
    tokenizer = opened.tokenizer()
    train, held_out = (TokenizedDataset.from_file(path, tokenizer, max_length=4096).examples for path in files)
    data = TrainingData(train, held_out, tokenizer.verdict_ids(TEMPLATE))
    return Bench(opened, tokenizer, data)


@pytest.fixture(scope="session")
def trained(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that was not interrupted."""
    run = RunDir(tmp_path_factory.mktemp("runs") / "run", {}, resume=False)
    for _ in fine_tune(LoraModel(bench.base, SETTINGS), bench.data, run, SETTINGS):
        pass
    return run


@pytest.fixture(scope="module")
def model(bench: Bench) -> LoraModel:
    """After some steps, since at the start B is zero, and so is the gradient of A."""
    model = LoraModel(bench.base, TrainConfig(lora_rank=4, lora_alpha=8.0, batch_size=3))
    for _ in range(3):
        model.train_step(bench.data.train[:4], learning_rate=0.02)
    return model
