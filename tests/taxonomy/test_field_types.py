"""What YAML takes for something else, and values of the wrong kind."""

from __future__ import annotations

import pytest

from guardcli.taxonomy import Taxonomy
from tests.taxonomy.broken import WHOLE, complaints

PROBABILITY = "write a number from 0 to 1, such as 0.5"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no", "1:7: `no` is read as a boolean: quote it"),
        ("On", "1:7: `On` is read as a boolean: quote it"),
        ("12", "1:7: `12` is read as a number: quote it"),
        ("0x1F", "1:7: `0x1F` is read as a number: quote it"),
        ("1.5", "1:7: `1.5` is read as a number: quote it"),
        ("1:30", "1:7: `1:30` is read as the number 90: quote it"),
        ("-1:30:10", "1:7: `-1:30:10` is read as the number -5410: quote it"),
        ("1:30.5", "1:7: `1:30.5` is read as the number 90.5: quote it"),
        ("2024-01-31", "1:7: `2024-01-31` is read as a date: quote it"),
        ("", "1:6: `name` has no value: write text"),
        ("~", "1:7: `name` has no value: write text"),
        ("[a]", "1:7: `name` is a list: write text"),
        ("{a: b}", "1:7: `name` is a mapping: write text, in quotes if it has a colon or begins with a brace"),
        ('""', "1:7: `name` is empty: write text"),
        ('"  "', "1:7: `name` is empty: write text"),
        ('"a\\nb"', "1:7: `name` has a line break: write it on one line"),
        ('"a\\Lb"', "1:7: `name` has a line break: write it on one line"),
        ('"a\\tb"', "1:7: `name` has a tab: write a space"),
        ('"a\\eb"', "1:7: `name` has the unprintable character U+001B: remove it"),
        ('"\\ud800"', "1:7: `name` has the unprintable character U+D800: remove it"),
    ],
)
def test_text(name: str, expected: str) -> None:
    assert complaints(WHOLE.replace("name: a", f"name: {name}")) == [expected]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        ("1e-3", "`1e-3` is read as text by YAML 1.1: write 0.001 or 1.0e-3"),
        ("1.0e0", "`1.0e0` is read as text by YAML 1.1: write 1.0 or 1.0e+0"),
        ("1e3", f"`threshold` is `1e3`: {PROBABILITY}"),
        ("1:30", f"`1:30` is read as the number 90: {PROBABILITY}"),
        ('"0.5"', "`threshold` is text: remove the quotes"),
        ('"1e-3"', "`threshold` is text: remove the quotes"),
        ("50%", f"`threshold` is `50%`: {PROBABILITY}"),
        ("yes", f"`threshold` is a boolean: {PROBABILITY}"),
        ("2024-01-31", f"`threshold` is a date: {PROBABILITY}"),
        ("[0.5]", f"`threshold` is a list: {PROBABILITY}"),
        ("~", f"`threshold` has no value: {PROBABILITY}"),
        ("1.01", f"`threshold` is `1.01`: {PROBABILITY}"),
        ("-0.1", f"`threshold` is `-0.1`: {PROBABILITY}"),
        (".nan", f"`threshold` is `.nan`: {PROBABILITY}"),
        (".inf", f"`threshold` is `.inf`: {PROBABILITY}"),
        ("!!float nan", f"`threshold` is `nan`: {PROBABILITY}"),
        ("0x1", f"`threshold` is `0x1`: {PROBABILITY}"),
    ],
)
def test_threshold(threshold: str, expected: str) -> None:
    assert complaints(f"{WHOLE}threshold: {threshold}\n") == [f"4:12: {expected}"]


@pytest.mark.parametrize("threshold", ["0", "1", "0.5", ".5", "-0.0", "1.0e-3", "2.5E-7"])
def test_threshold_noop(threshold: str) -> None:
    assert Taxonomy.from_yaml(f"{WHOLE}threshold: {threshold}\n").threshold == float(threshold)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("detail: ful\n", "4:9: `detail` is `ful`: write names or full"),
        ("detail: no\n", "4:9: `detail` is `no`: write names or full"),
        ("detail:\n", "4:8: `detail` has no value: write names or full"),
        ("detail: [full]\n", "4:9: `detail` is a list: write names or full"),
        ("tests: {}\n", "4:8: `tests` is a mapping: write a list, each item after `- `"),
        ("tests: none\n", "4:8: `tests` is text: write a list, each item after `- `"),
        ("tests: 3\n", "4:8: `tests` is a number: write a list, each item after `- `"),
        ("tests: [a]\n", "4:9: an item of `tests` is text: write a mapping, `key: value` in each line"),
        ("test: []\n", "4:1: unknown key `test`: did you mean `tests`?"),
        (
            "version: 2\n",
            "4:1: unknown key `version`: known are name, extends, drop, detail, threshold, description, "
            "categories, tests",
        ),
    ],
)
def test_kinds_and_keys(lines: str, expected: str) -> None:
    assert complaints(WHOLE + lines) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "[]\n",
        "acme\n",
        "12\n",
        "root:*:20228:0:99999:7:::\ndaemon:*:20228:0:99999:7:::\n",
        "root:*:20228:0:99999:7::\n",
        "apiVersion: v1\nname: db\nsecret: !vault [1]\nsecret: hunter2\n",
    ],
)
def test_of_a_file_that_is_no_taxonomy_nothing_is_told(text: str) -> None:
    assert complaints(text) == [
        "1:1: not a taxonomy: write a mapping, `key: value` in each line, with `name`, and `categories` or `extends`"
    ]


@pytest.mark.parametrize("text", ["a: *hunter2\n", "- &hunter2 a\n- &hunter2 b\n", "!hunter2!x a\n", "@hunter2\n"])
def test_of_a_file_that_is_neither_yaml_nor_a_taxonomy_nothing_is_told(text: str) -> None:
    [last_error] = complaints(text)
    assert "hunter2" not in last_error
    assert "found" not in last_error


@pytest.mark.parametrize("key", ["Categories", "categorys", "extend", "TESTS", "treshold"])
def test_a_misspelt_key_makes_a_taxonomy(key: str) -> None:
    assert "did you mean" in "".join(complaints(f"{key}: x\nother: y\n"))


@pytest.mark.parametrize(("todo", "expected"), [("true", True), ("Yes", True), ("off", False)])
def test_boolean(todo: str, *, expected: bool) -> None:
    [test] = Taxonomy.from_yaml(f"{WHOLE}tests: [{{name: t, prompt: p, expect: safe, todo: {todo}}}]\n").tests
    assert test.todo is expected
