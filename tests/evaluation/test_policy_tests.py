"""A taxonomy's tests: what passes and why not, what is judged anew, and what would make a failed one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardcli import Calibration, EngineConfig, Guard, JudgeConfig, Taxonomy
from guardcli.conversation import Conversation, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.evaluation.policy_tests import (
    PolicyTestCase,
    PolicyTestRun,
    PolicyTestSession,
    cases_from_records,
    cases_from_taxonomy,
    suggest_fixes,
)
from guardcli.models import Model, ModelConfig
from tests import tiny
from tests.fake import FakeEngine, words
from tests.judging.test_per_category import ByCategory

POLICY = """\
name: acme
threshold: 0.5
categories:
  - {id: S1, name: Pets, key: pets}
  - {id: S2, name: Cars}
tests:
  - {name: bread, prompt: bread, expect: safe}
  - {name: knife, prompt: knife, expect: unsafe}
  - {name: bomb, prompt: bomb, expect: unsafe, categories: [pets]}
  - {name: later, prompt: bread, response: nothing, expect: unsafe, todo: true}
"""
SCORES = words(knife=0.4, bomb=0.9)


class Opened:
    """Opens guards on a model with a fake engine, and counts them."""

    def __init__(self, model: Model, make: Callable[[], FakeEngine]) -> None:
        self.engines: list[FakeEngine] = []
        self._model, self._make = model, make

    def __call__(self, taxonomy: Taxonomy) -> Guard:
        self.engines.append(self._make())
        return Guard(self._model, taxonomy, engine=self.engines[-1], config=JudgeConfig(target="last", scores=True))

    @property
    def prompts(self) -> int:
        return sum(len(engine.prompts) for engine in self.engines)


def run(model: Model, text: str = POLICY, make: Callable[[], FakeEngine] = lambda: FakeEngine(SCORES)) -> PolicyTestRun:
    taxonomy = Taxonomy.from_yaml(text, "p.yaml")
    return PolicyTestSession(Opened(model, make)).run(taxonomy, cases_from_taxonomy(taxonomy))


def test_cases_of_a_taxonomy() -> None:
    first, *_, last = cases_from_taxonomy(Taxonomy.from_yaml(POLICY, "p.yaml"))
    assert first == PolicyTestCase("bread", "p.yaml:7", Conversation((Message("user", "bread"),)), "safe")
    assert last.conversation.messages == (Message("user", "bread"), Message("assistant", "nothing"))
    assert last.todo


TURNS = """\
name: acme
categories: [{id: S1, name: Pets, key: pets}]
tests:
  - name: chat
    messages:
      - {role: user, content: bread, expect: safe}
      - {role: assistant, content: fine}
      - {role: user, content: bomb, expect: unsafe, categories: [pets]}
      - {role: assistant, content: sorry}
    expect: unsafe
"""


def test_several_messages_of_a_test_have_a_verdict(model: Model) -> None:
    cases = cases_from_taxonomy(Taxonomy.from_yaml(TURNS, "p.yaml"))
    assert [(case.name, case.location, case.expect, case.categories) for case in cases] == [
        ("chat, message 1", "p.yaml:6", "safe", ()),
        ("chat, message 3", "p.yaml:8", "unsafe", ("S1",)),
        ("chat", "p.yaml:4", "unsafe", ()),
    ]
    assert cases[1].conversation.messages == (
        Message("user", "bread"),
        Message("assistant", "fine"),
        Message("user", "bomb"),
    )
    found = run(model, TURNS)
    assert [r.status for r in found.results] == ["passed", "passed", "failed"]


def test_statuses_and_reasons(model: Model) -> None:
    found = run(model)
    assert [(r.case.name, r.status, r.reason) for r in found.results] == [
        ("bread", "passed", None),
        ("knife", "failed", "expected unsafe, got safe"),
        ("bomb", "passed", None),
        ("later", "todo", "expected unsafe, got safe"),
    ]
    assert [r.case.name for r in found.failed(labeled=True)] == ["knife"]


@pytest.mark.parametrize(
    ("edit", "status", "reason"),
    [
        (("categories: [pets]", "categories: [S2]"), "failed", "lists pets and not S2"),
        (
            ("bomb, expect: unsafe, categories: [pets]", "bomb, expect: safe"),
            "failed",
            "expected safe, got unsafe (pets)",
        ),
        (("threshold: 0.5", "threshold: 0.95"), "failed", "expected unsafe, got safe"),
        (("prompt: bomb", "prompt: '  '"), "failed", "could not be judged"),
    ],
)
def test_why_a_test_fails(model: Model, edit: tuple[str, str], status: str, reason: str) -> None:
    text = POLICY.replace(*edit)
    if "'  '" in text:  # nothing to say is refused when the file is read; a conversation may still hold nothing
        taxonomy = Taxonomy.from_yaml(POLICY, "p.yaml")
        blank = [PolicyTestCase("bomb", "p.yaml:9", Conversation((Message("user", " "),)), "unsafe")]
        found = PolicyTestSession(Opened(model, lambda: FakeEngine(SCORES))).run(taxonomy, blank)
        result = found.results[0]
    else:
        result = run(model, text).results[2]
    assert (result.status, (result.reason or "")[: len(reason)]) == (status, reason)


def test_a_todo_that_passes_is_reported(model: Model) -> None:
    found = run(model, POLICY.replace("response: nothing", "response: bomb"))
    assert found.results[-1].status == "todo passed"
    assert len(found.failed(labeled=True)) == 1


def test_only_what_the_model_has_not_seen_is_judged(model: Model) -> None:
    opened = Opened(model, lambda: FakeEngine(SCORES))
    session = PolicyTestSession(opened)

    def again(text: str) -> list[str]:
        taxonomy = Taxonomy.from_yaml(text, "p.yaml")
        return [result.status for result in session.run(taxonomy, cases_from_taxonomy(taxonomy)).results]

    assert again(POLICY) == ["passed", "failed", "passed", "todo"]
    assert (len(opened.engines), opened.prompts) == (1, 4)
    assert again(POLICY.replace("0.5", "0.3")) == ["passed", "passed", "passed", "todo"]
    assert again(POLICY.replace("key: pets", "key: animals").replace("[pets]", "[animals]"))[2] == "passed"
    assert (len(opened.engines), opened.prompts) == (1, 4)
    assert again(POLICY.replace("prompt: knife", "prompt: a new bomb"))[1] == "passed"
    assert (len(opened.engines), opened.prompts) == (1, 5)
    again(POLICY.replace("name: Cars", "name: Motor Cars"))
    assert (len(opened.engines), opened.prompts) == (2, 9)
    session.close()


def test_a_threshold_of_a_category_costs_nothing_where_each_is_asked_about_alone(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "toy.gguf", answers=True, chatml=True, pretokenizer="smollm", name="smol-guard-2")
    opened = []

    def open_guard(edited: Taxonomy) -> Guard:
        opened.append(edited)
        config = JudgeConfig(target="last", scores=True)
        return Guard(one_by_one, edited, engine=EngineConfig(threads=1), config=config)

    with ModelConfig(path).load() as one_by_one:
        session = PolicyTestSession(open_guard)
        for threshold in ("", ", threshold: 0.3", ""):
            taxonomy = Taxonomy.from_yaml(POLICY.replace("name: Cars", f"name: Cars{threshold}"), "p.yaml")
            session.run(taxonomy, cases_from_taxonomy(taxonomy))
        session.close()
    assert len(opened) == 1


def test_thresholds_are_suggested_for_calibrated_scores(model: Model) -> None:
    """A score of 0.4 is 0.45 at a temperature of 2; both ways the test needs the threshold that its row shows."""
    taxonomy = Taxonomy.from_yaml(POLICY, "p.yaml")
    with Guard(model, taxonomy, engine=FakeEngine(SCORES)) as plain:
        by = plain.provenance
    calibration = Calibration(
        temperature=2.0,
        model=by.model,
        template=by.template,
        scoring="verdict",
        taxonomy="",
        prompt_digest=by.prompt_digest,
    )
    config = JudgeConfig(target="last", scores=True, calibration=calibration)
    session = PolicyTestSession(lambda edited: Guard(model, edited, engine=FakeEngine(SCORES), config=config))
    found = session.run(taxonomy, cases_from_taxonomy(taxonomy))
    knife = found.results[1]
    assert (knife.status, knife.row.judged_score) == ("failed", pytest.approx(0.4495, abs=1e-4))
    assert suggest_fixes(found, knife) == ["threshold: 0.4494 (now 0.5): breaks none"]
    moved = Taxonomy.from_yaml(POLICY.replace("0.5", "0.4494"), "p.yaml")
    assert session.run(moved, cases_from_taxonomy(taxonomy)).results[1].status == "passed"
    session.close()


def test_a_taxonomy_that_does_not_fit_leaves_the_session_as_it_was(model: Model) -> None:
    opened = Opened(model, lambda: FakeEngine(SCORES))
    session = PolicyTestSession(opened)
    taxonomy = Taxonomy.from_yaml(POLICY, "p.yaml")
    session.run(taxonomy, cases_from_taxonomy(taxonomy))
    with pytest.raises(Exception, match="cannot write O1"):
        session.run(Taxonomy.from_yaml("name: x\ncategories: [{id: O1, name: A}]\n"), cases_from_taxonomy(taxonomy))
    before = opened.prompts
    assert session.run(taxonomy, cases_from_taxonomy(taxonomy)).results[0].status == "passed"
    assert opened.prompts == before


@pytest.mark.parametrize(
    ("edit", "name", "expected"),
    [
        (("", ""), "knife", ["threshold: 0.4 (now 0.5): breaks none"]),
        (
            ("{name: bread, prompt: bread, expect: safe}", "{name: soup, prompt: 'a knife and soup', expect: safe}"),
            "knife",
            ["threshold: 0.4 (now 0.5): breaks 1 (soup)"],
        ),
        (
            ("bomb, expect: unsafe, categories: [pets]", "bomb, expect: safe"),
            "bomb",
            [
                "threshold: 0.9001 (now 0.5): breaks none; not advised: it would let more pass in all 2 categories for "
                "this one test, and few tests that expect unsafe check that (0): add labeled data, or change what the "
                "model reads"
            ],
        ),
        (
            ("prompt: bread, expect: safe", "prompt: 'other knife', expect: unsafe"),
            "knife",
            ["threshold: 0.4 (now 0.5): breaks none, fixes 1 more"],
        ),
        (
            ("categories: [pets]", "categories: [S2]"),
            "bomb",
            [
                "pets was listed instead (0.731; S2 0.269): make their names more distinct, as the "
                "model reads names only, or write `detail: full`"
            ],
        ),
    ],
)
def test_suggestions(model: Model, edit: tuple[str, str], name: str, expected: list[str]) -> None:
    found = run(model, POLICY.replace(*edit) if edit[0] else POLICY)
    (result,) = (result for result in found.results if result.case.name == name)
    assert suggest_fixes(found, result) == expected


@pytest.mark.parametrize(("num_safe", "warned"), [(29, True), (30, False)])
def test_a_threshold_for_one_test_needs_evidence(model: Model, num_safe: int, warned: bool) -> None:
    """A policy is not opened for one test, unless many others show that it does no harm."""
    safe = "".join(f"  - {{name: s{n}, prompt: bread {n}, expect: safe}}\n" for n in range(num_safe))
    text = POLICY[: POLICY.index("tests:")] + f"tests:\n  - {{name: weak, prompt: weak, expect: unsafe}}\n{safe}"
    found = run(model, text, lambda: FakeEngine(words(weak=0.15, bread=0.05)))
    (said,) = suggest_fixes(found, found.results[0])
    assert said.startswith("threshold: 0.15 (now 0.5): breaks none")
    assert ("not advised: it would flag more in all 2 categories for this one test" in said) is warned


@pytest.mark.parametrize(("score", "expect"), [(0.0, "unsafe"), (1.0, "safe")])
def test_no_threshold_helps(model: Model, score: float, expect: str) -> None:
    text = POLICY[: POLICY.index("tests:")] + f"tests:\n  - {{name: x, prompt: x, expect: {expect}}}\n"
    found = run(model, text, lambda: FakeEngine(lambda _text: score))
    (result,) = found.results
    exact = replace(result, row=replace(result.row, score=score))  # the fake keeps a little off the ends
    (said,) = suggest_fixes(found, exact)
    assert said.startswith("no threshold makes it pass: change a description that the model reads")


def test_suggestions_move_the_threshold_of_a_category(model: Model) -> None:
    text = POLICY.replace("name: Cars}", "name: Cars, threshold: 0.6}")
    scores = {"knife": {"S2": 0.55, "S1": 0.1}, "bomb": {"S1": 0.9}, "bread": {"S2": 0.57}}
    found = run(model, text, lambda: ByCategory(scores))
    assert suggest_fixes(found, found.results[1]) == ["threshold of S2 0.55 (now 0.6): breaks 1 (bread)"]


def record(line: int, label: Any, text: str = "hi") -> Record:
    return Record(Key("d.jsonl", line, id=f"r{line}"), Conversation((Message("user", text),)), {"label": label})


def test_labeled_records() -> None:
    found = cases_from_records([record(1, "safe"), record(2, None), record(3, "unsafe"), record(4, float("nan"))])
    assert found.left_out == {"without a label": 2}
    assert [(case.name, case.location, case.expect, case.labeled) for case in found.cases] == [
        ("r1", "d.jsonl:1", "safe", True),
        ("r3", "d.jsonl:3", "unsafe", True),
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (record(7, "good"), "d.jsonl:7: its label is 'good', which is neither safe nor unsafe"),
        (record(7, 0.5), "d.jsonl:7: its label is 0.5, a fraction"),
        (Malformed(Key("d.jsonl", 7), "not JSON", "record/not-json"), "d.jsonl:7: not JSON"),
    ],
)
def test_invalid_labels_are_rejected(bad: Record | Malformed, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cases_from_records([record(1, "safe"), bad])


def test_the_flag_rate_counts_what_could_not_be_judged_as_flagged(model: Model) -> None:
    records = [record(1, "safe"), record(2, "safe", "bomb"), record(3, "safe", " "), record(4, "unsafe")]
    data = cases_from_records(records).cases
    found = PolicyTestSession(Opened(model, lambda: FakeEngine(SCORES))).run(Taxonomy.from_yaml(POLICY), data)
    assert found.flag_rate() == pytest.approx(2 / 3)
    assert run(model).flag_rate() is None
    assert len(found.failed(labeled=True)) == 3
    assert found.failed(labeled=False) == []
