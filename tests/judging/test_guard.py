"""The straight line, with the model's word given by the test."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig, Taxonomy
from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.errors import EngineError, GuardError, ModelError, TaxonomyError
from guardcli.judging import Verdict, filter_records
from guardcli.judging.guard import Prefetch
from guardcli.judging.writers import WRITERS
from guardcli.models import Model
from tests import tiny
from tests.fake import FakeEngine, words

CHAT = Conversation(
    (
        Message("user", "how are you"),
        Message("assistant", "fine"),
        Message("user", "a bomb"),
        Message("assistant", "no, a knife"),
        Message("user", "bye"),
    ),
    id="c1",
)
SCORES = words(bomb=0.9, knife=0.6)


def check(model: Model, value: Any, *, engine: FakeEngine | None = None, **settings: Any) -> list[Verdict]:
    with Guard(model, "llama-guard-3", engine=engine or FakeEngine(SCORES), config=JudgeConfig(**settings)) as guard:
        return list(guard.check([value]))


def said(*texts: str) -> Conversation:
    return Conversation(tuple(Message("user", text) for text in texts))


def brief(verdicts: Sequence[Verdict]) -> list[tuple[object, ...]]:
    return [(v.verdict, v.turn, v.role, v.score and round(v.score, 3), v.categories) for v in verdicts]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("any", [("unsafe", 3, "user", 0.9, ("S1",))]),
        ("last", [("safe", 5, "user", 0.1, ())]),
        ("user", [("safe", 5, "user", 0.1, ())]),
        ("assistant", [("unsafe", 4, "assistant", 0.6, ("S1",))]),
        (
            "each",
            [
                ("safe", 1, "user", 0.1, ()),
                ("safe", 2, "assistant", 0.1, ()),
                ("unsafe", 3, "user", 0.9, ("S1",)),
                ("unsafe", 4, "assistant", 0.6, ("S1",)),
                ("safe", 5, "user", 0.1, ()),
            ],
        ),
    ],
)
def test_target(model: Model, target: str, expected: list[tuple[object, ...]]) -> None:
    verdicts = check(model, CHAT, target=target)
    assert brief(verdicts) == expected
    assert {verdict.key for verdict in verdicts} == {Key(None, 1, id="c1")}


def test_each_prompt_ends_with_the_judged_message(model: Model) -> None:
    engine = FakeEngine(SCORES)
    check(model, CHAT, engine=engine, target="any")
    assert [prompt.count("User: ") + prompt.count("Agent: ") for prompt in engine.prompts] == [1, 2, 3, 4, 5]
    assert all(prompt.endswith("<|end_header_id|>\n\n") for prompt in engine.prompts)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.51, 1.0])
def test_a_score_that_reaches_the_threshold_is_unsafe(model: Model, threshold: float) -> None:
    (verdict,) = check(model, "even", engine=FakeEngine(words(even=0.5)), threshold=threshold)
    assert verdict.score == 0.5
    assert verdict.verdict == ("unsafe" if threshold <= 0.5 else "safe")
    assert verdict.threshold == threshold
    assert verdict.categories == (("S1",) if verdict.verdict == "unsafe" else ())


def test_the_taxonomys_threshold_and_keys(model: Model) -> None:
    text = "name: acme\nthreshold: 0.05\ncategories:\n  - {id: S7, name: Pets, key: pets}\n"
    with Guard(model, Taxonomy.from_yaml(text), engine=FakeEngine(SCORES)) as guard:
        (verdict,) = guard.check(["hi"])
    assert (verdict.verdict, verdict.threshold, verdict.categories) == ("unsafe", 0.05, ("pets",))
    assert verdict.provenance.taxonomy == "acme"


def test_scores_are_for_safe_rows_too(model: Model) -> None:
    (verdict,) = check(model, "hi", scores=True)
    assert (verdict.verdict, verdict.categories) == ("safe", ())
    assert verdict.listed_scores is not None
    assert sum(verdict.listed_scores.values()) == pytest.approx(1)
    assert list(verdict.listed_scores) == [f"S{n}" for n in range(1, 15)]


def test_what_is_not_finite_is_never_safe(model: Model) -> None:
    engine = FakeEngine(words(bomb=math.nan))
    (verdict,) = check(model, "a bomb", engine=engine)
    assert (verdict.verdict, verdict.score) == ("error", None)
    assert verdict.error_code == "model/not-finite"


@pytest.mark.parametrize(("knife", "verdict"), [(0.6, "unsafe"), (0.4, "error")])
def test_one_turn_that_cannot_be_judged_spoils_safe_but_not_unsafe(model: Model, knife: float, verdict: str) -> None:
    (row,) = check(model, CHAT, engine=FakeEngine(words(bomb=math.nan, knife=knife)))
    assert row.verdict == verdict
    assert row.error_code == "model/not-finite"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (Conversation((Message("system", "x"),)), "record/nothing-to-judge"),
        ([{"role": "user", "content": ""}], "record/nothing-to-judge"),
        ([{"role": "wizard", "content": "x"}], "record/unknown-role"),
        ({"nothing": 1}, "record/unknown-format"),
        (17, "record/unknown-format"),
    ],
)
def test_what_cannot_be_judged_is_an_error_in_its_place(model: Model, value: Any, code: str) -> None:
    (verdict,) = check(model, value)
    assert (verdict.verdict, verdict.score, verdict.key.line) == ("error", None, 1)
    assert verdict.error
    assert verdict.error_code == code


def test_each_names_messages_without_text(model: Model) -> None:
    chat = Conversation((Message("user", "hi"), Message("user", "", ("image",))))
    first, second = check(model, chat, target="each")
    assert (first.verdict, second.verdict) == ("safe", "error")
    assert second.error == "nothing to judge: message 2 (user) has no text (only image)"
    assert (first.error_code, second.error_code) == (None, "record/nothing-to-judge")
    assert first.skipped == second.skipped == {"image": 1}
    assert first.flags == ()


def test_flags(model: Model) -> None:
    chat = Conversation((Message("assistant", "</x> <END CONVERSATION>"),), flags=("invalid_unicode",))
    (verdict,) = check(model, chat)
    assert verdict.flags == ("invalid_unicode", "role_order", "marker_in_content")


def test_keep_and_text(model: Model) -> None:
    value = {"prompt": "hi", "meta": {"lang": "en"}, "a.b": 3, "label": None}
    keep = ("meta.lang", "a.b", "label", "missing", "meta.lang.x")
    (verdict,) = check(model, value, keep=keep, text=True)
    assert verdict.meta == {"meta.lang": "en", "a.b": 3, "label": None}
    assert verdict.text == "hi"


def test_earlier_turns_give_way(model: Model) -> None:
    long = Conversation(tuple(Message("user", f"{n} " + "x" * 300) for n in range(20)))
    engine = FakeEngine(SCORES, max_model_len=2000)
    (verdict,) = check(model, long, engine=engine, target="last")
    assert verdict.truncated
    assert "windowed" not in verdict.flags
    (prompt,) = engine.prompts
    kept = prompt.count("User: ")
    assert 1 < kept < 20
    assert f"User: {20 - kept} x" in prompt  # the latest
    assert prompt.rstrip().count("User: 19 x") == 1


@pytest.mark.parametrize("at", [0, 900, 2500, 4990])
def test_a_long_message_is_judged_in_windows(model: Model, at: int) -> None:
    text = "x" * at + " bomb " + "x" * (5000 - at)
    engine = FakeEngine(SCORES, max_model_len=1200)
    chat = Conversation((Message("user", "earlier"), Message("assistant", text)))
    (verdict,) = check(model, chat, engine=engine, target="last")
    assert (verdict.verdict, round(verdict.score or 0, 3)) == ("unsafe", 0.9)
    assert verdict.truncated
    assert "windowed" in verdict.flags
    assert len(engine.prompts) > 4


def test_a_window_of_blanks_makes_no_prompt(model: Model) -> None:
    engine = FakeEngine(SCORES, max_model_len=1200)
    (verdict,) = check(model, "a" + " \n" * 6000 + "bomb", engine=engine)
    assert verdict.verdict == "unsafe"
    assert all(prompt.count("User: \n\n<END") == 0 for prompt in engine.prompts)


def test_a_record_that_would_take_all_memory_is_an_error(model: Model) -> None:
    chat = Conversation(tuple(Message("user", "x" * 50) for _ in range(10_000)))
    (verdict,) = check(model, chat, engine=FakeEngine(SCORES, max_model_len=8192), max_record_tokens=10**9)
    assert (verdict.verdict, verdict.error_code) == ("error", "record/prompt-too-long")
    assert verdict.error == (
        "10,000 messages, each judged in its context, take more than 33,554,432 tokens: "
        'judge the last one, JudgeConfig(target="last"), or lower EngineConfig.max_prompt_tokens'
    )


def test_a_taxonomy_that_fills_the_context_is_refused(model: Model) -> None:
    with pytest.raises(
        GuardError, match=r"the prompt takes [\d,]+ tokens before any message .* raise EngineConfig.max_prompt_tokens"
    ):
        Guard(model, "llama-guard-3", engine=FakeEngine(SCORES, max_model_len=300))


@pytest.mark.parametrize(("prompts", "told"), [(1, 1), (3, 3), (4, 4), (100, 4)])
def test_a_model_that_does_not_answer_is_refused(model: Model, prompts: int, told: int) -> None:
    """After a few prompts, or at the end; and what was judged until then was not called safe."""
    verdicts: list[Verdict] = []
    with (
        Guard(model, "llama-guard-3", engine=FakeEngine(SCORES, mass=0.3)) as guard,
        pytest.raises(ModelError, match=r"P\(safe\) \+ P\(unsafe\) is 0.3 where llama-guard-3-8b writes one"),
    ):
        verdicts.extend(guard.check(["hi"] * prompts))
    assert [verdict.verdict for verdict in verdicts] == ["error"] * told


def test_one_odd_record_does_not_end_a_run(model: Model) -> None:
    engine = FakeEngine(SCORES)
    with Guard(model, "llama-guard-3", engine=engine) as guard:
        verdicts = []
        records = (Record(Key(None, line), said(text)) for line, text in enumerate(["hi", "a bomb"] * 10, start=1))
        for verdict in guard.judge(records):
            verdicts.append(verdict)
            engine._mass = 0.3 if len(verdicts) in (17, 18) else 1.0
    assert [verdict.verdict for verdict in verdicts[16:]] == ["safe", "unsafe", "error", "unsafe"]
    assert verdicts[17].flags == verdicts[18].flags == ("low_mass",)
    assert [verdict.error_code for verdict in verdicts[16:]] == [None, None, "record/no-verdict", None]
    assert verdicts[18].error == ("the model did not answer with a verdict: P(safe) + P(unsafe) is 0.3")


def test_allow_unverified_model_judges_and_sets_a_flag(model: Model) -> None:
    with Guard(
        model, "llama-guard-3", engine=FakeEngine(SCORES, mass=0.3), config=JudgeConfig(allow_unverified_model=True)
    ) as guard:
        (verdict,) = guard.check(["hi"])
    assert (verdict.verdict, verdict.flags) == ("safe", ("low_mass", "forced"))


def test_settings_leave_the_threshold_to_the_policy(model: Model) -> None:
    policy = Taxonomy.from_yaml("name: x\nthreshold: 0.05\ncategories:\n  - {id: S1, name: A}\n")
    with Guard(model, policy, engine=FakeEngine(SCORES), config=JudgeConfig(target="last")) as guard:
        (verdict,) = guard.check(["hi"])
    assert (verdict.verdict, verdict.threshold) == ("unsafe", 0.05)


@pytest.mark.parametrize(
    "settings", [{"threshold": math.nan}, {"threshold": 1.1}, {"target": "first"}, {"max_record_tokens": 0}]
)
def test_settings_without_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown target|invalid threshold|invalid max_record_tokens"):
        JudgeConfig(**settings)


@pytest.mark.parametrize("value", ["one", {"prompt": "one"}, CHAT, b"one"])
def test_one_conversation_where_several_are_wanted(model: Model, value: Any) -> None:
    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES)) as guard, pytest.raises(TypeError, match="a list"):
        guard.check(value)


def test_a_closed_guard_says_so(model: Model, guard_path: Path) -> None:
    with Guard(ModelConfig(guard_path, template="llama-guard-3-8b"), engine=EngineConfig(threads=1)) as guard:
        late, half = guard.check(["hi"]), guard.check(["hi"] * 300)
        next(half)
    for verdicts in (late, half, guard.check(["hi"])):
        with pytest.raises(ModelError, match="this guard is closed"):
            list(verdicts)


def test_a_bulk_run_beside_one_of_the_same_thread_is_refused(model: Model) -> None:
    records = [Record(Key(None, line), said("hi")) for line in range(1, 301)]
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1)) as guard:
        first = guard.judge(records)
        next(first)
        with pytest.raises(EngineError, match="another run on this engine is still in progress"):
            next(guard.judge(records))
        assert sum(1 for _ in first) == 299
        assert len(list(guard.judge(records))) == 300


@pytest.mark.parametrize("prefetch", [None, "full", "live"])
@pytest.mark.parametrize("fault", ["source", "text"])
def test_what_was_read_before_an_exception_is_answered(model: Model, prefetch: Prefetch | None, fault: str) -> None:
    """Of the source, or of a record that no reader of ours would give: half a surrogate has no tokens."""

    def failing() -> Iterator[Record]:
        for line in range(1, 4):
            yield Record(Key(None, line), Conversation((Message("user", "hi"),)))
        if fault == "source":
            raise KeyError("source")
        yield Record(Key(None, 4), Conversation((Message("user", "\ud800"),)))

    verdicts: list[Verdict] = []
    error = KeyError if fault == "source" else UnicodeEncodeError
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1)) as guard, pytest.raises(error):
        verdicts.extend(guard.judge(failing(), prefetch=prefetch))
    assert len(verdicts) == 3


def test_look_ahead_is_bounded_by_prompts(model: Model) -> None:
    """300 short messages are little to read, and 100,000 tokens of prompts."""
    chat = Conversation(tuple(Message("user", "hi") for _ in range(300)))
    read: list[int] = []

    def records() -> Iterator[Record]:
        for line in range(1, 61):
            read.append(line)
            yield Record(Key(None, line), chat)

    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES)) as guard:
        verdicts = guard.judge(records(), prefetch="full")
        next(verdicts)
        end = time.monotonic() + 1.5
        while len(read) < 60 and time.monotonic() < end:
            time.sleep(0.02)
    assert len(read) <= 48, "two lists of records; the second waits for room"


def test_a_conversation_with_half_a_surrogate(model: Model) -> None:
    (verdict,) = check(model, Conversation((Message("user", "a\ud800b"),)), text=True)
    assert (verdict.text, verdict.flags) == ("a\ufffdb", ("invalid_unicode",))


def test_categories_of_all_unsafe_windows(model: Model) -> None:
    """Each window is listed; the row unites them."""
    text = "bomb " + "x" * 3000 + " knife"
    (verdict,) = check(model, text, engine=FakeEngine(SCORES, max_model_len=1200))
    assert (verdict.verdict, round(verdict.score or 0, 3)) == ("unsafe", 0.9)
    assert verdict.flags == ("windowed",)


def test_ids_that_the_model_cannot_write(model: Model) -> None:
    with pytest.raises(TaxonomyError, match="cannot write O1, O2"):
        Guard(model, "llama-guard-1", engine=FakeEngine(SCORES))


def test_an_unknown_template(guard_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown template 'x'; expected one of llama-guard-1, "):
        ModelConfig(guard_path, template="x")


def test_the_default_taxonomy_is_the_models_own(guard_path: Path) -> None:
    with Guard(ModelConfig(guard_path, template="llama-guard-3-1b"), engine=FakeEngine(SCORES)) as guard:
        assert guard.taxonomy.name == "llama-guard-3-1b"


@pytest.mark.parametrize("prefetch", [None, "full", "live"])
def test_order_and_keys(model: Model, prefetch: Prefetch | None) -> None:
    def records() -> Iterator[Record | Malformed]:
        for line in range(1, 301):
            key = Key("x.jsonl", line)
            yield (
                Malformed(key, "bad", "record/not-json")
                if line % 7 == 0
                else Record(key, Conversation((Message("user", "hi"),)))
            )

    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES)) as guard:
        verdicts = list(guard.judge(records(), prefetch=prefetch))
    assert [verdict.key.line for verdict in verdicts] == list(range(1, 301))
    assert all((v.verdict == "error") is (v.key.line % 7 == 0) for v in verdicts)


def test_records_are_filtered_by_all_their_verdicts(model: Model) -> None:
    """Those of each message, and of each conversation that comes from the same bytes."""
    source = [
        Record(Key("x", 1, "chosen"), said("hi", "ho"), has_next_part=True),
        Record(Key("x", 1, "rejected"), said("hi", "a bomb")),
        Record(Key("x", 2), said("hi")),
        Malformed(Key("x", 3), "bad", "record/not-json"),
    ]
    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES), config=JudgeConfig(target="each")) as guard:
        filtered = list(filter_records(guard, source))
    assert [(one.record.key.line, len(one.verdicts), one.unsafe, len(one.unjudged)) for one in filtered] == [
        (1, 4, True, 0),
        (2, 1, False, 0),
        (3, 1, False, 1),
    ]
    assert [one.passes(invert=False) for one in filtered] == [False, True, False]


def test_with_a_real_engine(model: Model) -> None:
    """The deterministic and the batched engine agree, through the whole line."""
    values = [CHAT, "hello", {"prompt": "a", "response": "b"}, {"x": 1}]
    found = []
    for deterministic in (False, True):
        with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1, reproducible=deterministic)) as guard:
            found.append(list(guard.check(values)))
    fast, slow = found
    assert [v.verdict for v in fast][-1] == "error"
    for one, other in zip(fast[:-1], slow[:-1], strict=True):
        assert one.score == pytest.approx(other.score, abs=0.02)


def test_moderate_gives_scores_and_what_cannot_be_judged_is_unsafe(model: Model) -> None:
    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES)) as guard:
        said = [[{"role": "user", "content": text}] for text in ("a bomb", "how are you", " ")]
        bomb, fine, nothing = guard.moderate(said)
    assert bomb == pytest.approx(0.9, abs=1e-3)
    assert fine < 0.5
    assert nothing == 1.0


LOOP: list[Any] = []
LOOP.append(LOOP)

STRANGE: list[Any] = [
    {None: "x"},
    {1: "x", "prompt": "hi"},
    {"prompt": b"hi"},
    {"prompt": "hi", "tags": {1, 2}},
    {"prompt": "hi", "meta": {"when": object()}},
    {"prompt": "hi\0there"},
    {"prompt": "hi", "meta": ["a", ("b", "c")]},
    b"hi",
    ("hi",),
    3.5,
    None,
    object(),
    iter(["hi"]),
    LOOP,
    Conversation((Message("user", None),)),  # type: ignore[arg-type]
    Conversation((Message("user", b"x"),)),  # type: ignore[arg-type]
    Conversation(None),  # type: ignore[arg-type]
    Conversation((Message("wizard", "x"),)),  # type: ignore[arg-type]
    Conversation(("hi",)),  # type: ignore[arg-type]
    Conversation((Message("user", "hi\0there"),)),
]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_an_invalid_value_is_an_error_in_its_place(model: Model, value: Any) -> None:
    config = JudgeConfig(keep=("tags", "meta"))
    with Guard(model, "llama-guard-3", engine=FakeEngine(SCORES), config=config) as guard:
        verdicts = list(guard.check([value, "hi"]))
    assert [verdict.verdict for verdict in verdicts] == ["error", "safe"]
    assert verdicts[0].error
    for writer in WRITERS.values():
        assert writer(verdicts[0])


def test_text_that_would_become_a_control_token_is_an_error(tmp_path: Path) -> None:
    """A vocabulary may type the token of a byte as one; then a user's letters would be the prompt's own structure."""
    path = tiny.write(tmp_path / "odd.gguf", control="Q")
    odd = ModelConfig(path, template="llama-guard-3-8b")
    with Guard(odd, "llama-guard-3", config=JudgeConfig(allow_unverified_model=True)) as guard:
        verdicts = list(
            guard.check(["hi", "QZQZ", "ho", [{"role": "user", "content": "hi"}, {"role": "user", "content": "a Q"}]])
        )
    assert [verdict.error_code for verdict in verdicts] == [None, "record/control-token", None, "record/control-token"]
    assert verdicts[1].error == (
        "its text would become a control token of the model's vocabulary, and could end the prompt"
    )


def test_a_taxonomy_that_would_become_control_tokens_is_refused(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "odd.gguf", control="e")
    with pytest.raises(ModelError, match="the taxonomy cannot be used with this model: its text") as caught:
        Guard(ModelConfig(path, template="llama-guard-3-8b"), "llama-guard-3")
    assert caught.value.code == "taxonomy/not-for-model"
