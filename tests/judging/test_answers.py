from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli.errors import ModelError
from guardcli.judging import AnswerGrammar
from guardcli.judging.answers import Trie
from guardcli.models import Model
from guardcli.prompts import TEMPLATES, AnswerFormat
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import Segment
from tests import tiny

LLAMA_GUARD_3 = TEMPLATES["llama-guard-3-8b"]
END = LLAMA_GUARD_3.answer.end
TOKENS, _ = tiny.vocabulary(user_defined=False)


def grammar(answer: AnswerFormat, model: Model) -> AnswerGrammar:
    """The answers of a Llama Guard 3 that answers in another format."""
    return AnswerGrammar.from_taxonomy(
        Taxonomy.load("llama-guard-3"), replace(LLAMA_GUARD_3, answer=answer), model.vocab
    )


def ids(*tokens: str) -> list[int]:
    return [TOKENS.index(token) for token in tokens]


def test_answers_of_llama_guard_3(model: Model) -> None:
    answers = AnswerGrammar.from_taxonomy(Taxonomy.load("llama-guard-3"), LLAMA_GUARD_3, model.vocab)
    assert answers.verdicts == tuple(ids("safe", "unsafe"))
    assert list(answers.unsafe.values()) == [tuple(ids("Ċ"))]
    forced, choice = answers.first.unique_path()
    assert forced == ids("S")
    assert {node.id for node in choice.children.values()} == {f"S{n}" for n in range(1, 15)}
    assert answers.first.path("S14") == ids("S", "14")
    assert answers.further.path("S3") == ids(",S", "3")
    assert answers.ends == tuple(ids("<|end_of_text|>", "<|eot_id|>"))


def test_a_trie_where_one_id_begins_another() -> None:
    trie = Trie.from_sequences({"O1": [5, 1], "O10": [5, 1, 0], "O2": [5, 2]})
    forced, choice = trie.unique_path()
    assert forced == [5]
    assert choice.children[1] == Trie({0: Trie(id="O10")}, "O1")
    assert trie.path("O10") == [5, 1, 0]
    assert trie.path("O3") is None


def test_without() -> None:
    trie = Trie.from_sequences({"O1": [5, 1], "O10": [5, 1, 0], "O2": [5, 2]})
    assert trie.without({"O1"}) == Trie.from_sequences({"O10": [5, 1, 0], "O2": [5, 2]})
    assert trie.without({"O10", "O2"}) == Trie.from_sequences({"O1": [5, 1]})
    assert trie.without({"O1", "O10", "O2"}) == Trie()


@given(st.dictionaries(st.text(min_size=1), st.lists(st.integers(0, 3), min_size=1, max_size=4), max_size=8))
def test_every_id_is_found_by_its_path(sequences: dict[str, list[int]]) -> None:
    unique = {str(tokens): tokens for tokens in sequences.values()}
    trie = Trie.from_sequences(unique)
    assert all(trie.path(id_) == tokens for id_, tokens in unique.items())


def test_verdicts_of_several_tokens_are_read_at_the_first_of_each(model: Model) -> None:
    answers = grammar(AnswerFormat(safe=("afe",), unsafe=("unsafeS",), end=END), model)
    assert answers.safe == tuple(ids("a"))
    assert answers.unsafe == {ids("unsafe")[0]: tuple(ids("S", "Ċ"))}


def test_verdicts_that_begin_with_the_same_token_are_refused(model: Model) -> None:
    answer = AnswerFormat(safe=("unsafe not",), unsafe=("unsafe",), end=END)
    with pytest.raises(ModelError, match="'unsafe not' and 'unsafe' begin with the same token") as caught:
        grammar(answer, model)
    assert caught.value.code == "model/wrong-template"


def test_the_end_of_the_template_ends_a_list_too(model: Model) -> None:
    answers = grammar(AnswerFormat(end=Segment("<|eot|>", special=True)), model)
    assert answers.ends == tuple(ids("<|end_of_text|>", "<|eot_id|>", "<|eot|>"))
