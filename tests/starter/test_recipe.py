"""The recipe from data to a GGUF, much shortened: what is trained is what llama.cpp evaluates."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from guardcli import Guard as Judge
from guardcli import Settings
from starter import evaluate, export
from starter.__main__ import Plan, make
from starter.card import card
from starter.data import Row, training, turn
from starter.model import Guard
from starter.prompts import Prompts
from tests.starter import sets

SHARE = 0.005
HARMLESS = "Explain, in a line or two, how bread is made."


class Made(NamedTuple):
    folder: Path
    gguf: Path
    model: Guard
    prompts: Prompts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("starter")
    data = sets.write(folder / "data")
    model, prompts = make(data, folder / "made.gguf", Plan().shortened(SHARE), seed=0)
    return Made(data, folder / "made.gguf", model, prompts)


def texts(count: int) -> list[str]:
    """Words, code and newlines, and any Unicode that is assigned."""
    chance = random.Random(1)
    letters = [chr(code) for code in range(0x20, 0x2FFF) if unicodedata.category(chr(code))[0] not in "C"]
    some = [
        "def f(x):\n    return x + 1\n",
        " two  blanks\t\n\n\nlines ",
        "don't 12345 €",
        "😀👩‍👩‍👧 日本語 العربية",
        "\n",
        HARMLESS,
    ]
    return some + ["".join(chance.choices(letters + ["\n", " ", "a"] * 300, k=40)) for _ in range(count - len(some))]


def test_token_ids_are_those_of_llama_cpp(made: Made) -> None:
    with Judge(made.gguf) as judge:
        for text, ids in zip(texts(1000), made.prompts.tokens.texts(texts(1000)), strict=True):
            assert list(judge.model.vocab.encode_text(text)) == ids, repr(text)


def test_the_same_seed_makes_the_same_file(made: Made) -> None:
    again = made.gguf.with_name("again.gguf")
    make(made.folder, again, Plan().shortened(SHARE), seed=0)
    assert again.read_bytes() == made.gguf.read_bytes()


def test_scores_are_those_of_llama_cpp(made: Made) -> None:
    """In F32 within 0.003 of P(unsafe), and in Q8_0 within 0.03."""
    rows = training(made.folder)[:200]
    trained = 1 / (1 + np.exp(-evaluate.logits(made.model, made.prompts, rows)))
    plain = export.write(
        made.gguf.with_name("f32.gguf"), made.model, made.prompts.tokens, made.prompts.renderer, quantized=False
    )
    for path, tolerance in ((plain, 0.003), (made.gguf, 0.03)):
        with Judge(path, settings=Settings(target="last", force=True)) as judge:
            said = [[{"role": each.role, "content": each.text} for each in row.turns] for row in rows]
            scores = [verdict.score for verdict in judge.check(said)]
        assert np.abs(np.array(scores) - trained).max() < tolerance


def test_a_shift_moves_every_score_by_as_much(made: Made) -> None:
    rows = [Row("x", "", (turn("User", text),), False) for text in texts(30)[5:]] + training(made.folder)[:100]
    before = evaluate.logits(made.model, made.prompts, rows)
    evaluate.shift(made.model, made.prompts, rows, 0.5)
    moved = before - evaluate.logits(made.model, made.prompts, rows)
    evaluate.shift(made.model, made.prompts, rows, -0.5)
    assert moved == pytest.approx(np.full(len(rows), 0.5), abs=0.1)


def test_the_card_is_made_of_the_file(made: Made) -> None:
    lines = list(card(made.folder, str(made.gguf), own=50, seed=1))
    text = "\n".join(lines)
    for name in ("openai_mod", "sst + benign", "held-out", "| mean |", "hatecheck", "benign_mt_bench", "own removed"):
        assert name in text
    assert "nan" not in text
