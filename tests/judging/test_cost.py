"""What a record costs is known before it is judged, and never less than what the engine evaluates for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from guardcli import EngineConfig, Guard, JudgeConfig
from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.engine import MAX_ANSWER_TOKENS
from guardcli.judging.cost import RecordCost
from guardcli.judging.preparation import prepare
from guardcli.judging.truncation import PromptEncoder, PromptEncoders
from guardcli.models import Model
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.taxonomy import Taxonomy
from tests.fake import FakeEngine, words

CTX = 1024
POLICY = "llama-guard-3"

CHATS = {
    "one": ["hi"],
    "two": ["how are you", "fine"],
    "turns": [f"turn {number}" for number in range(30)],
    "truncated": [f"turn {number} " + "x" * (number % 90) for number in range(60)],
    "windowed": ["before", " ".join(map(str, range(900))), "after"],
    "alike": ["hi"] * 20,
}


def chat(texts: Sequence[str], *, replies: bool) -> Conversation:
    return Conversation(
        tuple(Message("assistant" if replies and n % 2 else "user", text) for n, text in enumerate(texts))
    )


def cost(model: Model, conversation: Conversation, *, shares: bool) -> int:
    encoder = PromptEncoder(
        Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load(POLICY)), model.vocab, CTX - MAX_ANSWER_TOKENS
    )
    (prepared,) = prepare(
        [Record(Key(None, 1), conversation)], PromptEncoders({None: encoder}), JudgeConfig(max_record_tokens=10**9)
    )
    counted = RecordCost(shares=shares)
    for part in prepared.turns:
        for windows in part.windows_by_category.values():
            counted.add(windows)
    return counted.tokens


@pytest.mark.parametrize("reproducible", [False, True])
@pytest.mark.parametrize("replies", [False, True])
@pytest.mark.parametrize("kind", CHATS)
def test_no_more_is_evaluated_than_was_counted(model: Model, kind: str, *, replies: bool, reproducible: bool) -> None:
    conversation = chat(CHATS[kind], replies=replies)
    counted = cost(model, conversation, shares=not reproducible)
    engine = EngineConfig(threads=1, max_prompt_tokens=CTX, reproducible=reproducible)
    with Guard(model, POLICY, engine=engine, config=JudgeConfig(max_record_tokens=counted)) as guard:
        record = Record(Key(None, 1), conversation)
        guard.reset([record])
        before = guard.stats.prefill_tokens
        (verdict,) = guard.judge([record])
        evaluated = guard.stats.prefill_tokens - before
    prefixes = 2 * 305 if reproducible else 0  # evaluated anew in every record
    assert verdict.verdict != "error"
    assert counted * 0.95 <= evaluated <= counted + prefixes


@pytest.mark.parametrize("reproducible", [False, True])
def test_the_limit_is_exact(model: Model, *, reproducible: bool) -> None:
    conversation = chat(CHATS["truncated"], replies=False)
    counted = cost(model, conversation, shares=not reproducible)
    found = []
    for limit in (counted, counted - 1):
        config = JudgeConfig(max_record_tokens=limit)
        engine = FakeEngine(words(), max_model_len=CTX, reproducible=reproducible)
        with Guard(model, POLICY, engine=engine, config=config) as guard:
            found += [
                (verdict.verdict, verdict.error, verdict.error_code)
                for verdict in guard.check(["before", conversation, "after"])
            ]
        assert len(engine.prompts) == (62 if limit == counted else 2), "nothing of the record was evaluated"
    assert found == [
        *[("safe", None, None)] * 4,
        (
            "error",
            f"to judge it takes more than {counted - 1:,} evaluated tokens: raise JudgeConfig.max_record_tokens, "
            'or judge only the last message: JudgeConfig(target="last")',
            "record/prompt-too-long",
        ),
        ("safe", None, None),
    ]


def test_one_message_too_many(model: Model) -> None:
    """A megabyte of quotes is a million tokens, however alike its windows are."""
    engine = FakeEngine(words(), max_model_len=8192)
    with Guard(model, POLICY, engine=engine) as guard:
        first, second = guard.check(['"' * 1_000_000, "hi"])
    assert (first.verdict, second.verdict) == ("error", "safe")
    assert first.error == "to judge it takes more than 65,536 evaluated tokens: raise JudgeConfig.max_record_tokens"
    assert len(engine.prompts) == 1
