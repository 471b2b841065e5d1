"""The recipe of the small guard: what it trains on, and what it keeps for evaluation."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from guardcli import Conversation, Taxonomy, Verdict
from recipes.smol import build_data, evaluate, train
from recipes.smol.definitions import definition_policies, held_out_definitions
from recipes.smol.doubles import NearDoubles
from recipes.smol.exchanges import BEHIND, behind_exchanges
from recipes.smol.linear_baseline import LinearBaseline
from recipes.smol.long_texts import JOINED, balanced_by_length, joined_records, responses_as_messages
from recipes.smol.made_policies import MadePolicy, native_policies, topic_policies, topic_records
from recipes.smol.own_texts import own_records
from recipes.smol.policy_reading import Judge, Reading, exchanged, read_changes, read_unseen
from recipes.smol.records import HAZARDS, Record, read_records, read_yaml
from recipes.smol.unseen import everyday_lines, unseen_policies, unseen_texts
from tests.rows import verdict

CATEGORIES = {"catqa": "Theft and Robbery", "ailuminate_demo_en": "ssh", "hatemoji_build": "animosity"}
META: dict[str, dict[str, Any]] = {
    "airbench_auto_en": {"label": "unsafe", "categories": ["Fraud"], "meta": {"l4": "Spam"}},
    "do_not_answer": {"label": "unsafe", "categories": ["Malicious Uses"], "meta": {"garak_intents": ["S003goods"]}},
}


def write_set(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        for number, fields in enumerate(rows):
            row = dict(fields)
            text = row.pop("text", " ".join(f"{name}{number}{letter}" for letter in "abcdef"))
            defaults = {
                "id": f"{name}-{number}", "messages": [{"role": "user", "content": text}], "target": "prompt",
                "label": "safe", "categories": [], "source": name, "lang": "en", "label_basis": "human", "meta": {},
            }  # fmt: skip
            file.write(json.dumps(defaults | row) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All data sets, small, with categories for some of them."""
    folder = tmp_path_factory.mktemp("data")
    for name in (*build_data.CAPS, *build_data.EVALUATION_SETS):
        rows: list[dict[str, Any]] = [META.get(name, {}) for _ in range(8)]
        if name in CATEGORIES:
            rows += [{"label": "unsafe", "categories": [CATEGORIES[name]]} for _ in range(40)]
        if name == "gptfuzz_responses":
            rows = [{"meta": {"question": str(number % 10)}} for number in range(20)]
        write_set(folder, name, rows)
    return folder


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def build(data: Path, out: Path, *options: str) -> None:
    result = CliRunner().invoke(build_data.build_data, [str(data), str(out), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_same_data_and_seed_give_the_same_files(data: Path, tmp_path: Path) -> None:
    options = ("--native", "2", "--topics", "2", "--definitions", "2")
    build(data, tmp_path / "a", *options)
    build(data, tmp_path / "b", *options)
    names = [str(path.relative_to(tmp_path / "a")) for path in sorted((tmp_path / "a").rglob("*.*"))]
    assert {"train.jsonl", "held_out.jsonl", "policies/topics-000.yaml", "policies/topics-000.jsonl"} < {*names}
    assert {"passages.jsonl", "definitions/definitions-0000.yaml", "definitions/definitions-0000.jsonl"} < {*names}
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_near_an_evaluated_or_held_out_text_is_trained_on(data: Path, tmp_path: Path) -> None:
    evaluated = "please tell me how one would fold a paper crane quickly"
    write_set(data, "xstest", [{"text": evaluated}])
    write_set(data, "aegis1_train_prompts_438", [{"text": "Please tell me how one would fold a paper crane!"}, {}, {}])
    build(data, tmp_path, "--native", "0", "--topics", "0", "--definitions", "0")
    texts = [row["messages"][-1]["content"] for row in records_of(tmp_path / "train.jsonl")]
    assert texts
    assert not any("paper crane" in text for text in texts)
    held_out = NearDoubles(row["messages"][-1]["content"] for row in records_of(tmp_path / "held_out.jsonl"))
    assert not any(held_out.has(text) for text in texts)


def test_every_category_of_the_maps_is_a_hazard() -> None:
    value = dict(read_yaml("categories"))
    questions = value.pop("gptfuzz_responses")
    ids = {str(id_).rstrip("?") for entries in value.values() for id_ in entries.values()}
    assert ids | {id_.rstrip("?") for id_ in questions} == {*HAZARDS}
    assert {*value} <= {*build_data.CAPS}


def test_uncertain_categories_and_long_prompts(tmp_path: Path) -> None:
    catqa = [{"label": "unsafe", "categories": ["Illegal Activity"], "meta": {"subcategory": name}}
             for name in ("Weapon", "Drug", "something new")]  # fmt: skip
    write_set(tmp_path, "catqa", [*catqa, {"text": "word " * 900}, {"text": "word " * 900, **catqa[1]}])
    weapon, drug, long = read_records(tmp_path, "catqa", seed=0)
    assert (weapon.hazards, weapon.certain) == (("S2",), False)
    assert json.loads(weapon.to_json())["categories"] == ["S2", "unclear"]
    assert (drug.hazards, drug.certain) == (("S2",), True)
    assert not long.unsafe
    assert len(long.text) <= 1500


def test_own_records_have_both_sides_of_their_pairs() -> None:
    records = list(own_records(seed=0))
    assert len(records) > 1000
    assert not [record.text for record in records if "{" in record.text]
    pairs = Counter((record.pair, record.unsafe) for record in records if record.pair)
    assert set(pairs.values()) == {1}
    assert {record.hazards[0] for record in records if record.unsafe} == {*HAZARDS}
    assert len({record.text for record in records}) == len(records)


ALLOWED_KEYS = [
    {"category", "safe", "unsafe"}, {"safe"}, {"category", "unsafe"}, {"exchange", "label"},
    {"category", "exchange", "label"},
]  # fmt: skip


def test_contrasts_are_texts_or_exchanges_whose_last_message_is_labeled() -> None:
    assert len(read_yaml("contrasts")) > 1500
    assert len(read_yaml("passages")) > 500
    for item in (*read_yaml("contrasts"), *read_yaml("passages")):
        assert {*item} in ALLOWED_KEYS
        unsafe = "unsafe" in item or item.get("label") == "unsafe"
        assert (item.get("category") in HAZARDS) is unsafe
        assert len(item.get("exchange", ["one"])) % 2  # a user speaks last
    exchanges = [record for record in own_records(seed=0) if len(record.messages) > 1]
    assert {record.unsafe for record in exchanges} == {False, True}
    assert {tuple(role for role, _ in record.messages) for record in exchanges} == {("user", "assistant", "user")}


def test_records_behind_an_exchange_keep_their_labels() -> None:
    records = [message(f"{text} {n}", unsafe=text == "bombs") for text in ("bombs", "tea") for n in range(9)]
    behind = list(behind_exchanges(records, 10, seed=0))
    assert Counter(record.unsafe for record in behind) == {False: 5, True: 5}
    for record in behind:
        assert [role for role, _ in record.messages] == ["user", "assistant", "user"]
        assert replace(record, messages=record.messages[-1:], source="catqa") in records
    assert {record.source for record in behind} == {BEHIND}


def message(text: str, *, unsafe: bool) -> Record:
    return Record((("user", text),), unsafe, "catqa", 1.0, hazards=("S1",) if unsafe else ())


def test_joined_texts_are_unsafe_where_a_part_is() -> None:
    records = [message(f"{'un' if number % 2 else ''}safe-{number}", unsafe=number % 2 == 1) for number in range(40)]
    joined = list(joined_records(records, 100, seed=0))
    assert {record.source for record in joined} == {JOINED}
    assert sum(record.unsafe for record in joined) == 50
    for record in joined:
        parts = record.text.split()
        assert 2 <= len(parts) <= 4
        assert sum(part.startswith("unsafe") for part in parts) == record.unsafe
        assert record.hazards == (("S1",) if record.unsafe else ())


def test_joined_texts_that_are_too_long_keep_their_unsafe_part() -> None:
    records = [message(("bad " if unsafe else "fine ") * 150, unsafe=unsafe) for unsafe in (False, True) * 20]
    for record in joined_records(records, 40, seed=0):
        assert len(record.text) <= 1202
        assert ("bad" in record.text) == record.unsafe


def test_answers_become_messages_but_for_refusals() -> None:
    asked = ("user", "what now?")
    answers = [Record((asked, ("assistant", text)), True, "gptfuzz_responses", 1.0, pair="a")
               for text in ("Take a hammer.", "I'm sorry, but no.")]  # fmt: skip
    others = [replace(answers[0], source="safetext"), replace(answers[0], messages=(asked,))]
    (record,) = responses_as_messages([*answers, *others])
    assert record.messages == (("user", "Take a hammer."),)
    assert record.unsafe
    assert record.weight == pytest.approx(0.7)
    assert record.pair is None


def test_lengths_say_nothing_about_labels() -> None:
    short = [message("x", unsafe=unsafe) for unsafe in (False, True, True)]
    long = [message("x " * 300, unsafe=unsafe) for unsafe in (False, False, False, True)]
    answer = Record((("user", "x"), ("assistant", "y")), True, "catqa", 1.0)
    balanced = balanced_by_length([*short, *long, answer])
    assert [record.weight for record in balanced[:3]] == pytest.approx([1.5, 0.75, 0.75])
    assert [record.weight for record in balanced[3:7]] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert balanced[-1] == answer
    one_sided = balanced_by_length([message("x", unsafe=False) for _ in range(20)] + [message("x", unsafe=True)])
    assert max(record.weight for record in one_sided) == pytest.approx(3)


def check_labels(
    policy: MadePolicy, tmp_path: Path, *, labels: Collection[str] = ("safe", "unsafe")
) -> list[dict[str, Any]]:
    policy.write(tmp_path)
    taxonomy = Taxonomy.load(tmp_path / f"{policy.taxonomy['name']}.yaml")
    ids = {category.id for category in taxonomy.categories}
    rows = records_of(tmp_path / f"{policy.taxonomy['name']}.jsonl")
    assert {row["label"] for row in rows} == {*labels}
    assert {id_ for row in rows for id_ in row["categories"]} <= ids
    assert all(bool(row["categories"]) == (row["label"] == "unsafe") for row in rows)
    return rows


def unsafe_records(native: str, hazard: str, number: int = 5) -> list[Record]:
    texts = [f"{native} {number}" for number in range(number)]
    return [Record((("user", text),), True, "catqa", 1.0, native, (hazard,)) for text in texts]


HARMLESS = [Record((("user", f"hello {number}"),), False, "own", 1.0) for number in range(60)]


def test_native_policies_allow_what_they_do_not_list(tmp_path: Path) -> None:
    unsafe = [*unsafe_records("Theft", "S2"), *unsafe_records("Doxxing", "S7"), *unsafe_records("Slander", "S5")]
    unsafe += [*unsafe_records("Insults", "S10"), *unsafe_records("Poisons", "S9"), *unsafe_records("Erotica", "S12")]
    for policy in native_policies(unsafe, HARMLESS, number=6, seed=0):
        names = {category["id"]: category["name"] for category in policy.taxonomy["categories"]}
        for row in check_labels(policy, tmp_path):
            native = row["messages"][0]["content"].rsplit(" ", 1)[0]
            assert [names[id_] for id_ in row["categories"]] == ([native] if native in names.values() else [])


def test_topic_policies_say_either_of_the_same_messages(tmp_path: Path) -> None:
    unsafe = [record for hazard in HAZARDS for record in unsafe_records(f"about {hazard}", hazard)]
    labels: dict[str, set[str]] = {}
    for policy in topic_policies(unsafe, HARMLESS, number=400, seed=0):
        for row in check_labels(policy, tmp_path):
            labels.setdefault(row["messages"][0]["content"], set()).add(row["label"])
    both = [text for text, found in labels.items() if len(found) == 2]
    assert len(both) > 0.4 * len({record.text for record in topic_records()})


def test_each_message_is_in_the_unsafe_half_of_one_of_two_opposite_definitions(tmp_path: Path) -> None:
    kinds: dict[str, set[str]] = {}  # by message, what may be said of it
    for group in read_yaml("topics"):
        for kind in group["kinds"]:
            for text in kind["texts"]:
                kinds.setdefault(text, set()).update(map(str.lower, kind["are"]))
    plain = 0
    for policy in definition_policies(60, seed=0):
        rows = check_labels(policy, tmp_path, labels={"unsafe"})
        described = {category["id"]: category["description"] for category in policy.taxonomy["categories"]}
        violated = {row["categories"][0] for row in rows}
        halves = {id_: re.fullmatch(r"Unsafe: (.+)\. Safe: (.+)\.", described[id_]) for id_ in violated}
        assert len(violated) == 2
        if not all(halves.values()):
            continue
        plain += 1
        (a, b), (c, d) = (match.groups() for match in halves.values() if match)
        assert (a, b) == (d, c)
        for row in rows:
            match = halves[row["categories"][0]]
            assert match is not None
            assert match[1].lower() in kinds[row["messages"][0]["content"]]
    assert plain > 10


def test_half_of_the_definitions_are_about_one_group() -> None:
    group_of = {text: group["group"] for group in read_yaml("topics") for k in group["kinds"] for text in k["texts"]}
    spanned = [{group_of[json.loads(line)["messages"][0]["content"]] for line in policy.lines}
               for policy in definition_policies(200, seed=0)]  # fmt: skip
    assert 60 < sum(len(groups) == 1 for groups in spanned) < 140
    asked = {*itertools.chain.from_iterable(spanned)}
    assert not asked & {group["group"] for group in read_yaml("topics")[::12]}


def test_definitions_that_are_kept_for_evaluation_are_about_other_groups() -> None:
    found = list(held_out_definitions(seed=0))
    assert Counter(name for name, _ in found) == {"one group": 32, "two groups": 32}
    kept = {group["group"] for group in read_yaml("topics")[::12]}
    for _, policy in found:
        assert {category.name for category in policy.categories} <= kept
        assert {test.expect for test in policy.tests} == {"safe", "unsafe"}
    assert not kept & {policy.taxonomy["categories"][0]["name"] for policy in definition_policies(400, seed=0)}


def test_readings_of_several_policies_are_added() -> None:
    (_, one), (_, two), *_ = held_out_definitions(seed=0)
    read = [read_unseen(policy, judge_nothing_unsafe) for policy in (one, two)]
    both = read[0] + read[1]
    num_safe = sum(test.expect == "safe" for policy in (one, two) for test in policy.tests)
    assert both.right == Reading(len(one.tests) + len(two.tests), num_safe)
    assert both.turned == Reading(num_safe, 0)


def judge_nothing_unsafe(taxonomy: Taxonomy, conversations: Sequence[Conversation]) -> list[Verdict]:
    return [verdict(at, 0.1) for at in range(1, len(conversations) + 1)]


def test_every_hazard_has_other_names_and_descriptions() -> None:
    wordings = read_yaml("names")
    assert [*wordings] == [*HAZARDS]
    for found in wordings.values():
        assert len(found) >= 6
        assert all({*wording} == {"name", "description"} for wording in found)
        assert len({wording["name"] for wording in found}) == len(found)


def test_unseen_policies_have_as_many_violating_cases_as_others() -> None:
    policies = unseen_policies()
    assert len(policies) == 12
    for policy in policies:
        assert 2 <= len(policy.categories) <= 5
        assert policy.detail == "full"
        assert Counter(test.expect for test in policy.tests) == {"unsafe": 10, "safe": 10}
        assert {id_ for test in policy.tests for id_ in test.categories} == {c.id for c in policy.categories}
    assert Counter(line.unsafe for line in everyday_lines()) == {False: 20, True: 10}


def test_topics_and_unseen_texts_have_nothing_in_common() -> None:
    unseen = NearDoubles(unseen_texts())
    groups = read_yaml("topics")
    assert [text for group in groups for kind in group["kinds"] for text in kind["texts"] if unseen.has(text)] == []


def judge_by_name(taxonomy: Taxonomy, conversations: Sequence[Conversation]) -> list[Verdict]:
    """A guard that reads its policy: a message violates the category that it is about."""
    verdicts = []
    for line, conversation in enumerate(conversations, start=1):
        found = [c.id for c in taxonomy.categories if conversation.messages[-1].content == f"about {c.name}"]
        verdicts.append(verdict(line, 0.9 if found else 0.1, categories=found))
    return verdicts


def judge_by_text(taxonomy: Taxonomy, conversations: Sequence[Conversation]) -> list[Verdict]:
    """A guard that has learned the texts of llama-guard-3 by heart, whatever its policy says."""
    return judge_by_name(Taxonomy.load("llama-guard-3"), conversations)


def hazard_records() -> list[Record]:
    categories = Taxonomy.load("llama-guard-3").categories
    return [Record((("user", f"about {c.name}"),), True, "catqa", 1.0, hazards=(c.id,)) for c in categories]


@pytest.mark.parametrize(
    ("judge", "own_removed", "renumbered"), [(judge_by_name, 1.0, 1.0), (judge_by_text, 0.0, None)]
)
def test_a_guard_that_reads_its_policy_follows_its_changes(
    judge: Judge, own_removed: float, renumbered: float | None
) -> None:
    taxonomy, records = Taxonomy.load("llama-guard-3"), hazard_records()
    verdicts = judge(taxonomy, [record.conversation for record in records])
    readings = read_changes(records, verdicts, taxonomy, judge)
    assert {reading.items for reading in readings.values()} == {14}
    assert readings["own removed"].share == own_removed
    assert readings["another removed"].share == readings["shuffled"].share == 1.0
    if renumbered is not None:
        assert readings["renumbered"].share == renumbered
    else:
        assert readings["renumbered"].right < 14  # the old ids


def test_only_rightly_flagged_records_without_other_hazards_are_asked_again() -> None:
    taxonomy, (first, second, third, *_) = Taxonomy.load("llama-guard-3"), hazard_records()
    records = [first, replace(second, certain=False), replace(third, hazards=("S9",))]
    verdicts = judge_by_name(taxonomy, [record.conversation for record in records])
    assert {reading.items for reading in read_changes(records, verdicts, taxonomy, judge_by_name).values()} == {1}


FRUIT = """
name: fruit
detail: full
categories:
  - {id: S1, name: Fruit, description: "Unsafe: apples, though not unsafely. Safe: pears."}
tests:
  - {name: a, prompt: apples, expect: unsafe, categories: [S1]}
  - {name: b, prompt: pears, expect: safe}
  - {name: c, prompt: plums, expect: unsafe, categories: [S1]}
"""


def judge_fruit(taxonomy: Taxonomy, conversations: Sequence[Conversation]) -> list[Verdict]:
    (fruit,) = taxonomy.categories
    unsafe = [
        f"Unsafe: {conversation.messages[-1].content}" in str(fruit.description) for conversation in conversations
    ]
    return [verdict(line, 0.9 if found else 0.1, categories=["S1"] * found) for line, found in enumerate(unsafe, 1)]


def test_exchanging_what_a_policy_calls_unsafe_turns_the_verdicts_of_who_reads_it() -> None:
    fruit = Taxonomy.from_yaml(FRUIT)
    assert exchanged(fruit).categories[0].description == "Safe: apples, though not unsafely. Unsafe: pears."
    found = read_unseen(fruit, judge_fruit)
    assert (found.right, found.listed, found.turned) == (Reading(3, 2), Reading(2, 1), Reading(2, 2))


def test_the_linear_baseline_learns_words() -> None:
    records = [Record((("user", f"{text} {n}"),), text == "steal cars", "own", 1.0) for n in range(9)
               for text in ("steal cars", "wash cars")]  # fmt: skip
    scores = LinearBaseline(records).scores(records[:2])
    assert scores[0] > 0.5 > scores[1]


@pytest.mark.slow
def test_evaluation_of_a_model_is_not_repeated(data: Path, tmp_path: Path, guard_path: Path) -> None:
    build(data, tmp_path / "built", "--native", "0", "--topics", "0", "--definitions", "0")
    arguments = [
        str(data),
        str(tmp_path / "built"),
        str(tmp_path / "out"),
        "-m",
        str(guard_path),
        "--template",
        "llama-guard-3-8b",
        "--part",
        "everyday",
    ]
    first = CliRunner().invoke(evaluate.main, arguments, catch_exceptions=False)
    assert "of 30 right" in first.stdout
    assert first.stderr.count("everyday …") == 1
    figures = json.loads((tmp_path / "out/figures.json").read_text("utf-8"))
    assert len(figures["everyday"]) == 30
    again = CliRunner().invoke(evaluate.main, arguments, catch_exceptions=False)
    assert (again.stdout, "everyday …" in again.stderr) == (first.stdout, False)


def alone(prompt: str) -> str | None:
    """The message of a prompt that has one."""
    text, _, rest = prompt.partition("<|im_start|>user\n")[2].partition("<|im_end|>")
    return text if rest.startswith("\n<|im_start|>policy") else None


@pytest.mark.slow
def test_examples_of_all_stages(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, examples = tmp_path / "data", tmp_path / "examples"
    build(data, built, "--native", "0", "--topics", "12", "--definitions", "12")
    verdicts_stage, questions_stage, lists_stage, breadth_stage, definitions_stage, mixture_stage = train.STAGES
    whole, varied = lists_stage.parts
    few = replace(
        lists_stage, skip=100, policies=[train.PolicyQuestions(6)], parts=[replace(whole, num_records=150), varied]
    )
    plain, renamed, talk = breadth_stage.parts
    broad = replace(
        breadth_stage,
        policies=[train.PolicyQuestions(6, max_unsafe=2)],
        parts=[replace(plain, num_records=100), replace(renamed, num_records=50), replace(talk, num_records=80)],
    )
    listed = replace(verdicts_stage, parts=[replace(verdicts_stage.parts[0], num_records=500)])
    mixed = replace(mixture_stage, skip=100, parts=[replace(part, num_records=50) for part in mixture_stage.parts])
    monkeypatch.setattr(train, "STAGES", (listed, questions_stage, few, broad, definitions_stage, mixed))
    train.prepare(built, examples, seed=0)
    names = [f"{scored}{stage.name}" for stage in train.STAGES for scored in ("", "scored-")]
    assert sorted(path.name for path in examples.iterdir()) == sorted(f"{name}.jsonl" for name in names)
    verdicts, questions, lists, breadth, definitions, mixture = (
        records_of(examples / f"{stage.name}.jsonl") for stage in train.STAGES
    )
    scored, *others_scored = (records_of(examples / f"scored-{stage.name}.jsonl") for stage in train.STAGES)
    assert {row["template"] for row in (*verdicts, *scored)} == {"smol-guard"}
    of_questions = (questions, lists, breadth, definitions, mixture, *others_scored)
    assert {row["template"] for rows in of_questions for row in rows} == {"smol-guard-2"}
    assert all(rows == others_scored[0] for rows in others_scored)
    for rows in (verdicts, questions, lists, breadth, definitions, mixture):
        assert {row["label"] for row in rows} == {"safe", "unsafe"}
    assert len({row["prompt"].split("<|im_end|>")[0] for row in verdicts}) == 1  # one list
    # The same message is safe under one policy, and unsafe under another.
    labels: dict[str, set[str]] = {}
    for row in questions:
        labels.setdefault(row["prompt"].split("<|im_start|>policy")[0], set()).add(row["label"])
    assert sum(found == {"safe", "unsafe"} for found in labels.values()) > 50
    # A record is asked about its own categories and 13 others, or, if it may be unsafe in another way, its own alone.
    asked = Counter(row["line"] for row in lists[:300])
    del asked[lists[299]["line"]]
    assert {13, 14} <= set(asked.values()) <= {1, 13, 14}
    assert max(row["weight"] for row in lists if row["label"] == "unsafe") > max(row["weight"] for row in questions)
    # One hazard that a message about a topic does not violate, and others of policies that say so.
    topics = {record.text for record in topic_records()}
    labels_of_topics = [row["label"] for row in breadth if alone(row["prompt"]) in topics]
    assert len(labels_of_topics) >= 80
    assert 1 <= labels_of_topics.count("unsafe") <= 6 * 2
    # Each message under a definition and its opposite.
    by_message: dict[str, Counter[str]] = {}
    for row in definitions:
        by_message.setdefault(str(alone(row["prompt"])), Counter())[row["label"]] += 1
    assert all({*found} == {"safe", "unsafe"} for found in by_message.values())
    # Prose of our own, and the definitions again.
    passages = {row["messages"][0]["content"] for row in records_of(built / "passages.jsonl")}
    asked_about = {alone(row["prompt"]) for row in mixture}
    assert len(asked_about & passages) >= 50
    assert asked_about & by_message.keys()
    before = (examples / "questions.jsonl").stat().st_mtime_ns
    train.prepare(built, examples, seed=0)
    assert (examples / "questions.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("label", "categories", "expected"),
    [("safe", [], 0.5), ("unsafe", ["S10"], 0.75), ("unsafe", ["S1"], 1.5), ("unsafe", ["S13"], 2.5),
     ("unsafe", ["S1", "S13"], 2.5)],
)  # fmt: skip
def test_unsafe_answers_about_rare_categories_weigh_most(label: str, categories: list[str], expected: float) -> None:
    line = json.dumps({"label": label, "categories": categories, "weight": 0.5}) + "\n"
    num_records = {"S10": 1600, "S1": 400, "S13": 100}
    for factor in (1.0, 0.36):
        (weighed,) = train.weigh_rare([line], num_records, factor)
        assert weighed.endswith("\n")
        weight = expected * factor if label == "unsafe" else expected
        assert json.loads(weighed) == json.loads(line) | {"weight": pytest.approx(weight)}


def test_only_some_messages_of_the_made_policies_are_kept() -> None:
    lines = [json.dumps({"prompt": f"{number}<|im_start|>policy", "label": "safe"}) + "\n" for number in range(20)]
    assert len(train.thin(lines, train.PolicyQuestions(6), seed=0)) == 6
    assert sorted(train.thin(lines, train.PolicyQuestions(None), seed=0)) == sorted(lines)


def test_no_message_has_more_than_its_share_of_questions() -> None:
    def line(text: str, number: int, label: str) -> str:
        policy = f"<|im_start|>policy\n{number}<|im_end|>\n"
        prompt = f"<|im_start|>user\n{text}<|im_end|>\n{policy}"
        return json.dumps({"prompt": prompt, "label": label, "weight": 1.0}) + "\n"

    often = [line("cats", number, "unsafe" if number % 5 == 0 else "safe") for number in range(40)]
    seldom = [line("dogs", number, "safe") for number in range(3)]
    made = train.PolicyQuestions(None, max_unsafe=4, max_safe=5, unsafe_weight=1.5)
    thinned = train.thin([*often, *seldom], made, seed=0)
    assert Counter(json.loads(one)["label"] for one in thinned if "cats" in one) == {"unsafe": 4, "safe": 5}
    assert {(row["label"], row["weight"]) for row in map(json.loads, thinned)} == {("unsafe", 1.5), ("safe", 1.0)}
    assert sorted(one for one in thinned if "dogs" in one) == sorted(seldom)
    assert train.thin([*often, *seldom], made, seed=0) == thinned
