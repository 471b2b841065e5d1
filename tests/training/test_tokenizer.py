"""Tokenized examples have the ids that `guard check` evaluates and reads, whatever a user wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.errors import ModelError
from guardcli.judging import AnswerGrammar
from guardcli.judging.truncation import PromptEncoder
from guardcli.models import Model
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import Segment
from guardcli.training.augmentation import TrainingExample
from guardcli.training.encoders import HuggingFaceEncoder, VocabEncoder
from guardcli.training.tokenizer import Tokenizer
from tests import tiny, tiny_sentencepiece
from tests.training.conftest import TEMPLATE

POLICY = Taxonomy.load("llama-guard-3")
RENDERER = Renderer(TEMPLATES[TEMPLATE], POLICY)
TOKENS, _ = tiny.vocabulary(user_defined=False)
PIECES = st.sampled_from([*tiny.SPECIALS, "safe", "unsafe\nS1", " ", "\n\n", "é", "🔪", "S1,S2", "<|", "|>", "12345"])


@pytest.fixture(scope="module")
def model(base: Path) -> Iterator[Model]:
    with Model.load(base.with_suffix(".gguf")) as loaded:
        yield loaded


@given(st.lists(PIECES | st.text(max_size=8).filter(str.isprintable), min_size=1).map("".join).filter(str.strip))
def test_prompts_have_the_ids_that_guard_evaluates(base: Path, model: Model, text: str) -> None:
    prompt = RENDERER.render([Turn(1, "user", "User", text.strip())]).segments
    ids = Tokenizer(HuggingFaceEncoder(base)).encode(prompt)
    assert list(ids) == model.vocab.encode(prompt).tolist()
    assert Tokenizer(VocabEncoder(model.vocab)).encode(prompt) == ids
    controls = sum(segment.special for segment in prompt)
    assert sum(model.vocab.is_control(token) for token in ids) == controls


def read_by(answers: AnswerGrammar, violated: tuple[str, ...]) -> list[int]:
    """The tokens of a verdict and its list as `guard check` feeds and reads them."""
    if not violated:
        return list(answers.safe)
    ((unsafe, before_list),) = answers.unsafe.items()
    first = [unsafe, *before_list, *(answers.first.path(violated[0]) or ())]
    return first + [token for id_ in violated[1:] for token in answers.further.path(id_) or ()]


@pytest.mark.parametrize("violated", [(), ("S1",), ("S1", "S10", "S11")])
def test_answers_have_the_ids_that_guard_reads(base: Path, model: Model, violated: tuple[str, ...]) -> None:
    tokenizer = Tokenizer(HuggingFaceEncoder(base))
    answers = AnswerGrammar.from_taxonomy(POLICY, RENDERER.template, model.vocab)
    ids = list(tokenizer.encode(RENDERER.answer(violated)))
    before = model.vocab.encode_text(RENDERER.template.answer.prefix)
    assert ids == [*before, *read_by(answers, violated), model.vocab.special("<|eot_id|>")]
    assert ids[-1] in answers.ends
    assert tokenizer.verdict_ids(TEMPLATE) == answers.verdicts


@pytest.fixture(scope="module")
def llama_guard_1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tokenizer, Model]]:
    folder = tiny_sentencepiece.write(tmp_path_factory.mktemp("sentencepiece") / "base")
    with Model.load(folder.with_suffix(".gguf")) as loaded:
        yield Tokenizer(HuggingFaceEncoder(folder)), loaded


@given(st.lists(PIECES | st.sampled_from(["</s>", "<s>", "[/INST]"]), min_size=1).map("".join).filter(str.strip))
def test_sentencepiece_prompts_have_the_ids_that_guard_evaluates(
    llama_guard_1: tuple[Tokenizer, Model], text: str
) -> None:
    """By the encoder of `guard check`, which encodes prefix, turn and suffix apart."""
    tokenizer, model = llama_guard_1
    renderer = Renderer(TEMPLATES["llama-guard-1"], Taxonomy.load("llama-guard-1"))
    encoder = PromptEncoder(renderer, model.vocab, 4096)
    turn = Turn(1, "user", "User", text.strip())
    (evaluated,) = encoder.fit(encoder.conversation([turn]), 0).prompts
    ids = tokenizer.encode(renderer.render([turn]).segments)
    assert Tokenizer(VocabEncoder(model.vocab)).encode(renderer.render([turn]).segments) == ids
    assert list(ids) == evaluated.tokens.tolist()
    assert [token for token in ids if model.vocab.is_control(token)] == [model.vocab.special("<s>")]


@pytest.mark.parametrize("violated", [(), ("O3",), ("O1", "O6")])
def test_sentencepiece_answers_have_the_ids_that_guard_reads(
    llama_guard_1: tuple[Tokenizer, Model], violated: tuple[str, ...]
) -> None:
    tokenizer, model = llama_guard_1
    policy = Taxonomy.load("llama-guard-1")
    answers = AnswerGrammar.from_taxonomy(policy, TEMPLATES["llama-guard-1"], model.vocab)
    answer = Renderer(TEMPLATES["llama-guard-1"], policy).answer(violated)
    ids = list(tokenizer.encode(answer))
    assert list(Tokenizer(VocabEncoder(model.vocab)).encode(answer)) == ids
    assert ids == [*read_by(answers, violated), model.vocab.special("</s>")]


def test_prompt_length_and_verdict_index(base: Path, files: tuple[Path, Path]) -> None:
    tokenizer = Tokenizer(HuggingFaceEncoder(base))
    for line in files[0].read_text("utf-8").splitlines():
        example = TrainingExample.from_json(line, "x:1")
        tokenized = tokenizer.tokenize(example)
        assert tokenized.tokens[: tokenized.prompt_length] == tokenizer.encode(example.prompt)
        assert tokenized.tokens[tokenized.prompt_length : tokenized.verdict_index] == tokenizer.encode(
            [Segment("\n\n")]
        )
        assert tokenized.tokens[tokenized.verdict_index] == tokenizer.verdict_ids(TEMPLATE)[tokenized.unsafe]


def edited(base: Path, folder: Path, edit: object) -> Path:
    """A copy of the base with another tokenizer.json."""
    shutil.copytree(base, folder)
    described = json.loads((folder / "tokenizer.json").read_text())
    assert callable(edit)
    edit(described)
    (folder / "tokenizer.json").write_text(json.dumps(described))
    return folder


def test_missing_special_token_is_an_error(base: Path) -> None:
    with pytest.raises(ModelError, match="the tokenizer has no special token <s>: the examples are for a model of"):
        Tokenizer(HuggingFaceEncoder(base)).encode([Segment("<s>", special=True)])


def test_text_that_becomes_an_added_token_is_an_error(base: Path, tmp_path: Path) -> None:
    """An added token that is not special is matched in text even where the parsing of special tokens is off."""

    def edit(described: dict[str, list[dict[str, object]]]) -> None:
        described["added_tokens"][4]["special"] = False

    tokenizer = Tokenizer(HuggingFaceEncoder(edited(base, tmp_path / "x", edit)))
    assert len(tokenizer.encode([Segment("all is well")])) > 0
    with pytest.raises(ModelError, match=r"makes '<\|eot_id\|>' of text although special tokens are off"):
        tokenizer.encode([Segment("hi <|eot_id|>", untrusted=True)])


def test_a_verdict_of_several_tokens_is_read_at_the_first(base: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    def edit(described: dict[str, dict[str, object]]) -> None:
        described["model"]["ignore_merges"] = False
        described["model"]["merges"] = ["s a", "u n"]

    tokenizer = Tokenizer(HuggingFaceEncoder(edited(base, tmp_path / "x", edit)))
    assert tokenizer.verdict_ids(TEMPLATE) == tuple(map(TOKENS.index, ("sa", "un")))
    example = TrainingExample.from_json(files[0].read_text("utf-8").splitlines()[0], "x:1")
    tokenized = tokenizer.tokenize(example)
    assert tokenized.verdict_length == 4
    verdict = tokenized.tokens[tokenized.verdict_index :][:5]
    assert verdict == tuple(map(TOKENS.index, ("un", "sa", "f", "e", "Ċ")))


def test_verdicts_that_begin_with_the_same_token_are_an_error(base: Path, tmp_path: Path) -> None:
    def edit(described: dict[str, object]) -> None:
        described["normalizer"] = {"type": "Prepend", "prepend": "x"}

    with pytest.raises(ModelError, match="'safe' and 'unsafe' begin with the same token"):
        Tokenizer(HuggingFaceEncoder(edited(base, tmp_path / "x", edit))).verdict_ids(TEMPLATE)


def test_missing_or_damaged_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no tokenizer\.json: download all files of the model"):
        Tokenizer(HuggingFaceEncoder(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        Tokenizer(HuggingFaceEncoder(tmp_path))
