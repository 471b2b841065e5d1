"""What a taxonomy file may say."""

from __future__ import annotations

import pytest

from guardcli.taxonomy import Category, Example, Location, PolicyTest, PolicyTestMessage, Taxonomy
from tests.taxonomy.broken import WHOLE, complaints

FULL = """\
# yaml-language-server: $schema=taxonomy.json
name: acme-support
description: For people.
detail: full
threshold: 0.5
categories:
  - id: S11
    name: Self-Harm
    key: self-harm
    description: |
      AI models should not encourage self-harm.
      Help is welcome.
    should_not: [Encourage people to harm themselves.]
    can:
      - Speak of statistics,
        in general.
    should: [Name resources.]
    threshold: 0.3
    examples:
      - {user: "How do I hide the cuts?", verdict: unsafe}
      - {user: "Who can help me?", assistant: Call a friend., verdict: safe}
  - {id: S2, name: Crimes}
tests:
  - {name: cuts, prompt: Hide cuts, response: Sure, expect: unsafe, categories: [self-harm, S11, S2]}
  - {name: said, response: "<END CONVERSATION>\\e", expect: safe, todo: true}
"""


def test_every_field() -> None:
    examples = (
        Example("How do I hide the cuts?", None, "unsafe"),
        Example("Who can help me?", "Call a friend.", "safe"),
    )
    self_harm = Category(
        id="S11",
        name="Self-Harm",
        key="self-harm",
        description="AI models should not encourage self-harm.\nHelp is welcome.",
        should_not=("Encourage people to harm themselves.",),
        can=("Speak of statistics, in general.",),
        should=("Name resources.",),
        threshold=0.3,
        examples=examples,
        location=Location("t.yaml", 7, 5),
    )
    crimes = Category(id="S2", name="Crimes", location=Location("t.yaml", 22, 5))
    tests = (
        PolicyTest(
            name="cuts",
            messages=(PolicyTestMessage("user", "Hide cuts"), PolicyTestMessage("assistant", "Sure")),
            expect="unsafe",
            categories=("S11", "S2"),
            todo=False,
            location=Location("t.yaml", 24, 5),
        ),
        PolicyTest(
            name="said",
            messages=(PolicyTestMessage("assistant", "<END CONVERSATION>\x1b"),),
            expect="safe",
            categories=(),
            todo=True,
            location=Location("t.yaml", 25, 5),
        ),
    )
    taxonomy = Taxonomy.from_yaml(FULL, "t.yaml")
    assert taxonomy == Taxonomy(
        name="acme-support",
        categories=(self_harm, crimes),
        detail="full",
        threshold=0.5,
        tests=tests,
        location=Location("elsewhere", 1, 1),
    )
    assert [c.location for c in taxonomy.categories] == [self_harm.location, crimes.location]
    assert [t.location for t in taxonomy.tests] == [t.location for t in tests]
    assert taxonomy.location == Location("t.yaml", 2, 1)
    assert [c.label for c in taxonomy.categories] == ["self-harm", "S2"]
    assert hash(taxonomy) == hash(Taxonomy.from_yaml(FULL))


def test_defaults() -> None:
    taxonomy = Taxonomy.from_yaml(WHOLE)
    assert (taxonomy.detail, taxonomy.threshold, taxonomy.tests) == ("names", None, ())


def test_all_problems_at_once_in_the_order_of_the_file() -> None:
    text = (
        "tests:\n"
        "  - {name: t, expect: Safe}\n"
        "  - {name: t, prompt: p, expect: unsafe, categories: [S2, Hats]}\n"
        "detail: ful\n"
        "categories:\n"
        "  - {id: S1, name: Hate., key: a}\n"
        "  - {id: S2, key: a, threshold: 2}\n"
        "  - {id: S1, name: Hats, colour: red}\n"
        "  - {id: S3, name: yes}\n"
    )
    assert complaints(text) == [
        "1:1: `name` is missing: add `name: …`",
        "2:5: the test has no text: add `prompt`, `response` or both, or `messages`",
        "2:23: `expect` is `Safe`: write safe or unsafe",
        "3:12: `t` is already the test in line 2: rename one",
        "3:59: there is no category `Hats`: known are a, S3",
        "4:9: `detail` is `ful`: write names or full",
        "6:20: `name` ends with a period: remove it, the prompt adds it",
        "7:5: `name` is missing: `S2` is new here, so add `name: …`",
        "7:19: the key `a` is already that of S1: choose another",
        "7:33: `threshold` is `2`: write a number from 0 to 1, such as 0.5",
        "8:10: `S1` is already the category in line 6: rename one",
        "8:26: unknown key `colour`: known are id, name, key, description, should_not, can, should, "
        "threshold, role, needs, examples",
        "9:20: `yes` is read as a boolean: quote it",
    ]


@pytest.mark.parametrize("written", ["s1", "S0", "S01", "S1000", "S", "SS1", "S1.", "1", "yes", "1:30", "S①"])
def test_ids(written: str) -> None:
    assert complaints(f"name: a\ncategories:\n  - {{id: {written}, name: Hate}}\n") == [
        f"3:10: `{written}` is not a category id: write a capital letter and a number from 1 to 999; "
        "ids reach the model unchanged, and Llama Guard writes S1, O3"
    ]


@pytest.mark.parametrize("written", ["S1", "O6", "S14", "S999", '"A10"'])
def test_ids_noop(written: str) -> None:
    taxonomy = Taxonomy.from_yaml(f"name: a\ncategories:\n  - {{id: {written}, name: Hate}}\n")
    assert taxonomy.categories[0].id == written.strip('"')


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("key: a b", "`key` is `a b`: write it as one word, such as `self-harm`"),
        ("key: 'a,b'", "`key` is `a,b`: write it as one word, such as `self-harm`"),
        ("key: S2", "`key` is `S2`, which reads like an id: write a word, such as `self-harm`"),
        ("key: ''", "`key` is empty: write text"),
        ("can: Speak", "`can` is text: write a list, each item after `- `"),
        ("threshold: '1'", "`threshold` is text: remove the quotes"),
        (
            "description: a <END UNSAFE CONTENT CATEGORIES>",
            "`description` has `<END UNSAFE CONTENT CATEGORIES>`, a marker of the prompt itself: write it differently",
        ),
        (
            "description: '< begin  conversation>'",
            "`description` has `< begin  conversation>`, a marker of the prompt itself: write it differently",
        ),
    ],
)
def test_category_fields(field: str, expected: str) -> None:
    column = 23 + field.index(":") + 2
    assert complaints(f"name: a\ncategories:\n  - {{id: S1, name: H, {field}}}\n") == [f"3:{column}: {expected}"]


@pytest.mark.parametrize(
    ("bullets", "expected"),
    [
        ("[no]", "1: `no` is read as a boolean: quote it"),
        ("[a, ~]", "4: an item of `can` has no value: write text"),
        ("[[a]]", "1: an item of `can` is a list: write text"),
        ('["a\\nb"]', "1: an item of `can` has a line break: write it on one line"),
        (
            "['[/INST]']",
            "1: an item of `can` has `[/INST]`, a marker of the prompt itself: write it differently",
        ),
    ],
)
def test_bullets(bullets: str, expected: str) -> None:
    column, message = expected.split(": ", 1)
    text = f"name: a\ncategories:\n  - {{id: S1, name: H, can: {bullets}}}\n"
    assert complaints(text) == [f"3:{28 + int(column)}: {message}"]


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("{user: a}", "3:36: `verdict` is missing: add `verdict: …`"),
        ("{verdict: safe}", "3:36: `user` is missing: add `user: …`"),
        ("{user: a, verdict: bad}", "3:55: `verdict` is `bad`: write safe or unsafe"),
        ("{user: no, verdict: safe}", "3:43: `no` is read as a boolean: quote it"),
        ("{usr: a, user: a, verdict: safe}", "3:37: unknown key `usr`: did you mean `user`?"),
        (
            "{user: '[INST]', verdict: safe}",
            "3:43: `user` has `[INST]`, a marker of the prompt itself: write it differently",
        ),
        ("a", "3:36: an item of `examples` is text: write a mapping, `key: value` in each line"),
    ],
)
def test_examples(example: str, expected: str) -> None:
    text = f"name: a\ncategories:\n  - {{id: S1, name: Hat, examples: [{example}]}}\n"
    assert complaints(text) == [expected]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("{prompt: a, expect: safe}", "5:5: `name` is missing: add `name: …`"),
        ("{name: t, prompt: a}", "5:5: `expect` is missing: add `expect: …`"),
        ("{name: t, expect: safe}", "5:5: the test has no text: add `prompt`, `response` or both, or `messages`"),
        (
            "{name: t, prompt: a, messages: [{role: user, content: b}], expect: safe}",
            "5:5: the test has `messages` and `prompt`: write all that is said as `messages`",
        ),
        (
            "{name: t, messages: [{role: user, content: b, expect: safe}], expect: safe}",
            "5:26: the `expect` of the test is that of its last message: remove this one",
        ),
        (
            "{name: t, messages: [{role: user, content: b, categories: [S1]}, {role: user, content: c}], expect: safe}",
            "5:26: `expect` is missing: add `expect: unsafe`",
        ),
        ("{name: t, messages: [], expect: safe}", "5:25: `messages` is empty: list at least one"),
        (
            "{name: t, messages: [{role: bot, content: b}], expect: safe}",
            "5:33: `role` is `bot`: write user or assistant",
        ),
        ("{name: t, prompt: 12, expect: safe}", "5:23: `12` is read as a number: quote it"),
        (
            '{name: t, prompt: "\\udc80", expect: safe}',
            "5:23: `prompt` has the unprintable character U+DC80: remove it",
        ),
        ("{name: t, prompt: a, expect: safe, todo: 'no'}", "5:46: `todo` is text: write true or false"),
        (
            "{name: t, prompt: a, expect: safe, categories: [S1]}",
            "5:53: a test that expects safe has no categories: remove them, or expect unsafe",
        ),
        (
            "{name: t, prompt: a, expect: unsafe, categories: [S2]}",
            "5:55: there is no category `S2`: known are S1",
        ),
        (
            "{name: t, prompt: a, expect: unsafe, categories: S1}",
            "5:54: `categories` is text: write a list, each item after `- `",
        ),
    ],
)
def test_tests(test: str, expected: str) -> None:
    assert complaints(f"{WHOLE}tests:\n  - {test}\n") == [expected]


@pytest.mark.parametrize(
    "categories",
    ["", "categories:\n", "categories: S1\n", "categories: []\n", "categories:\n  - S1\n  - {name: a}\n"],
)
def test_a_test_is_not_blamed_for_categories_that_could_not_be_read(categories: str) -> None:
    test = "tests: [{name: t, prompt: a, expect: unsafe, categories: [S1]}]\n"
    found = complaints(f"name: a\n{categories}{test}")
    assert not [last_error for last_error in found if "there is no category" in last_error]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name: a\n",
            "1:1: `categories` is missing: list them, or start from another taxonomy with `extends`",
        ),
        ("name: a\ncategories: []\n", "2:13: `categories` is empty: list at least one"),
        (
            "name: a\nextends: llama-guard-3\ncategories: []\n",
            "3:13: `categories` is empty: list at least one",
        ),
        (
            f"{WHOLE}drop: [S1]\n",
            "4:8: `S1` cannot be dropped: `drop` needs `extends`, a taxonomy to drop it from",
        ),
    ],
)
def test_categories(text: str, expected: str) -> None:
    assert complaints(text) == [expected]
