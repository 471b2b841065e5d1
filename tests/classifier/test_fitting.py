"""Prompts in pieces are the prompts in one piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardcli.classifier.fitting import Encoder
from guardcli.classifier.job import Settings, prepare
from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.models import Model
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from tests.models.test_vocab import HOSTILE

TEXT = HOSTILE.map(str.strip).filter(bool)


@given(st.lists(TEXT, min_size=1, max_size=4), st.sampled_from(["llama-guard-3-8b", "llama-guard-4"]))
def test_pieces_make_the_whole(model: Model, texts: list[str], template: str) -> None:
    renderer = Renderer(TEMPLATES[template], Taxonomy.load("llama-guard-3"))
    shown = [Turn(n, "user", "User" if n % 2 else "Agent", text) for n, text in enumerate(texts, start=1)]
    encoder = Encoder(renderer, model.vocab, 100_000)
    fitted = encoder.fit(encoder.conversation(shown), len(shown) - 1)
    prompt = renderer.render(shown)
    whole = model.vocab.encode(prompt.segments) + model.vocab.encode_text(prompt.answer)
    assert [list(encoded.tokens) for encoded in fitted.prompts] == [list(whole)]
    assert not fitted.truncated


def test_the_head_is_the_same_for_all_conversations_with_a_speaker(model: Model) -> None:
    encoder = Encoder(Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3")), model.vocab, 4096)
    turns = encoder.conversation([Turn(1, "user", "User", "a"), Turn(2, "assistant", "Agent", "b"),
                                  Turn(3, "user", "User", "c")])  # fmt: skip
    one, other, two = (encoder.fit(turns, at).prompts[0] for at in range(3))
    assert one.tokens[: one.head] == two.tokens[: two.head]
    assert one.tokens[: one.head] != other.tokens[: other.head]


def test_as_many_turns_as_fit_and_no_more(model: Model) -> None:
    renderer = Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"))
    shown = [Turn(n, "user", "User", "x" * (n % 7 + 1)) for n in range(1, 40)]
    whole = Encoder(renderer, model.vocab, 100_000)
    for limit in range(500, 900, 37):
        encoder = Encoder(renderer, model.vocab, limit)
        (kept,) = encoder.fit(encoder.conversation(shown), 38).prompts
        assert len(kept.tokens) <= limit
        starts = [whole.fit(whole.conversation(shown[start:]), 38 - start).prompts[0] for start in range(39)]
        (longest,) = {max(len(s.tokens) for s in starts if len(s.tokens) <= limit)}
        assert len(kept.tokens) == longest


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=5))
def test_prompts_are_the_same_however_many_records_are_encoded_at_once(model: Model, said: list[list[str]]) -> None:
    records = []
    for line, texts in enumerate(said, start=1):
        messages = (Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts))
        records.append(Record(Key(None, line), Conversation(tuple(messages))))
    renderer = Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"))
    encoders = {None: Encoder(renderer, model.vocab, 1_400)}
    together = list(prepare(records, encoders, Settings()))
    assert together == [job for record in records for job in prepare([record], encoders, Settings())]
