"""Prompts in pieces are the prompts in one piece."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli import EngineConfig, Guard
from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.judging.preparation import JudgeConfig, PreparedRecord, prepare
from guardcli.judging.truncation import MIN_KEPT, STEPS, PromptEncoder, PromptEncoders
from guardcli.models import Model
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Turn
from guardcli.prompts.turns import turns as turns_of
from guardcli.taxonomy import Taxonomy
from tests.models.test_vocab import HOSTILE

TEXT = HOSTILE.map(str.strip).filter(bool)


@given(st.lists(TEXT, min_size=1, max_size=4), st.sampled_from(["llama-guard-3-8b", "llama-guard-4"]))
def test_pieces_make_the_whole(model: Model, texts: list[str], template: str) -> None:
    renderer = Renderer(TEMPLATES[template], Taxonomy.load("llama-guard-3"))
    shown = [Turn(n, "user", "User" if n % 2 else "Agent", text) for n, text in enumerate(texts, start=1)]
    encoder = PromptEncoder(renderer, model.vocab, 100_000)
    windows = encoder.fit(encoder.conversation(shown), len(shown) - 1)
    prompt = renderer.render(shown)
    whole = [*model.vocab.encode(prompt.segments), *model.vocab.encode_text(prompt.answer_prefix)]
    assert [list(encoded.tokens) for encoded in windows.prompts] == [whole]
    assert not windows.truncated


def test_the_prefix_is_the_same_for_all_conversations_with_a_speaker(model: Model) -> None:
    encoder = PromptEncoder(Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3")), model.vocab, 4096)
    turns = encoder.conversation([Turn(1, "user", "User", "a"), Turn(2, "assistant", "Agent", "b"),
                                  Turn(3, "user", "User", "c")])  # fmt: skip
    one, other, two = (encoder.fit(turns, at).prompts[0] for at in range(3))
    prefixes = [prompt.tokens[: prompt.prefix_len].tolist() for prompt in (one, other, two)]
    assert prefixes[0] == prefixes[2] != prefixes[1]


def encoder_of(model: Model, *, room: int) -> PromptEncoder:
    """With room for so many tokens of turns."""
    renderer = Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"))
    whole = PromptEncoder(renderer, model.vocab, 100_000)
    (prompt,) = whole.fit(whole.conversation([user(1, "x")]), 0).prompts
    return PromptEncoder(renderer, model.vocab, len(prompt.tokens) - len(whole.encode_turn(user(1, "x"))) + room)


def user(number: int, text: str) -> Turn:
    return Turn(number, "user", "User", text)


def kept(encoder: PromptEncoder, turns: Sequence[Turn], at: int) -> int:
    """How many turns the prompt for one shows, it included."""
    encoded = encoder.conversation(turns)
    windows = encoder.fit(encoded, at)
    (prompt,) = windows.prompts
    alone = encoder.fit(encoder.conversation([turns[at]]), 0).prompts[0]
    left = len(prompt.tokens) - len(alone.tokens)
    start = at
    while left > 0:
        start -= 1
        left -= len(encoded[start])
    assert left == 0
    assert windows.truncated is (start > 0)
    return at + 1 - start


def test_earlier_turns_are_dropped_in_steps(model: Model) -> None:
    """The example of the module."""
    turns = [user(number, "x") for number in range(1, 14)]
    encoder = encoder_of(model, room=8 * len(encoder_of(model, room=1000).encode_turn(turns[0])))
    assert [kept(encoder, turns, at) for at in range(13)] == [1, 2, 3, 4, 5, 6, 7, 8, 7, 8, 7, 8, 7]


def test_a_turn_behind_one_that_does_not_fit_is_kept(model: Model) -> None:
    """Whatever the step: it may be all that the judged one answers."""
    turns = [user(1, "x"), user(2, "x" * 390), user(3, "y" * 40), user(4, "z" * 40)]
    assert [kept(encoder_of(model, room=400), turns, at) for at in (2, 3)] == [1, 2]


@given(st.lists(st.integers(1, 120), min_size=1, max_size=60), st.integers(140, 700))
def test_half_of_what_fits_is_kept_and_all_but_a_step(model: Model, lengths: list[int], room: int) -> None:
    turns = [user(number, "x" * length) for number, length in enumerate(lengths, start=1)]
    encoder = encoder_of(model, room=room)
    sizes = [len(encoder.encode_turn(turn)) for turn in turns]
    for at in range(len(turns)):
        count = kept(encoder, turns, at)
        most = next(n for n in range(at + 1, 0, -1) if sum(sizes[at + 1 - n : at + 1]) <= room)
        fits, shown = (sum(sizes[at + 1 - n : at]) for n in (most, count))
        assert count <= most
        assert shown >= MIN_KEPT * fits
        assert shown > fits - room / STEPS
        if most == at + 1:
            assert count == most


@pytest.mark.slow
@pytest.mark.parametrize("replies", [False, True])
def test_a_long_conversation_costs_in_proportion_to_its_length(model: Model, *, replies: bool) -> None:
    """Each of its tokens is evaluated once for each step that keeps it, and for each speaker that is asked about."""
    chat = [Message("assistant" if replies and n % 2 else "user", f"turn {n:03} is short") for n in range(150)]
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1, max_prompt_tokens=1024)) as guard:
        guard.measure_tolerance()
        guard.reset()
        (verdict,) = guard.check([Conversation(tuple(chat))])
        evaluated = guard.stats.prefill_tokens
    assert verdict.truncated
    encoder = encoder_of(model, room=10_000)
    (prompt,) = encoder.fit(encoder.conversation([user(1, "x")]), 0).prompts
    end = len(prompt.tokens) - prompt.prefix_len - len(encoder.encode_turn(user(1, "x")))  # behind the judged message
    said = [len(encoder.encode_turn(turn)) for turn in turns_of(Conversation(tuple(chat))).shown]
    assert evaluated <= (2 if replies else 1) * (STEPS * sum(said) + prompt.prefix_len) + 150 * end


def comparable(prepared: PreparedRecord) -> tuple[object, ...]:
    """A prepared record with its token ids as lists."""
    prompts = [(prompt.tokens.tolist(), prompt.prefix_len) for turn in prepared.turns for prompt in turn.prompts]
    turns = [(one.turn, one.flags, one.truncated) for one in prepared.turns]
    return prepared.record, turns, prompts, prepared.skipped, prepared.error


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=5))
def test_prompts_are_the_same_however_many_records_are_encoded_at_once(model: Model, said: list[list[str]]) -> None:
    records = []
    for line, texts in enumerate(said, start=1):
        messages = (Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts))
        records.append(Record(Key(None, line), Conversation(tuple(messages))))
    renderer = Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"))
    encoders = PromptEncoders({None: PromptEncoder(renderer, model.vocab, 1_400)})
    together = prepare(records, encoders, JudgeConfig())
    alone = (prepared for record in records for prepared in prepare([record], encoders, JudgeConfig()))
    assert list(map(comparable, together)) == list(map(comparable, alone))
