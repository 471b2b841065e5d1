"""Problems of a file that has too many of them: what is told is bounded, and so is what is looked up."""

from __future__ import annotations

from guardcli.taxonomy.problems import Problems, closest_match, list_known
from tests.taxonomy.broken import complaints

CATEGORIES = "".join(f"  - {{id: S{number}, name: x, key: category-{number:03}}}\n" for number in range(1, 301))


def test_a_hundred_problems_are_told_and_the_others_counted() -> None:
    keys = "".join(f"x{number}: a\n" for number in range(1234))
    *told, last = complaints(f"name: a\nextends: llama-guard-3\n{keys}")
    known = "known are name, extends, drop, detail, threshold, description, categories, tests"
    assert told == [f"{number + 3}:1: unknown key `x{number}`: {known}" for number in range(100)]
    assert last == "103:1: there are 1,134 more problems from here on: correct those above first"


def test_exactly_a_hundred_problems() -> None:
    keys = "".join(f"x{number}: a\n" for number in range(100))
    assert complaints(f"name: a\nextends: llama-guard-3\n{keys}")[-1].startswith("102:1: unknown key `x99`")


def test_twenty_words_are_looked_up_and_of_many_known_ones_thirty_are_listed() -> None:
    words = "".join(f"    - category-x{number}\n" for number in range(1, 23))
    tests = f"tests:\n- name: t\n  prompt: p\n  expect: unsafe\n  categories:\n{words}"
    found = complaints(f"name: a\ncategories:\n{CATEGORIES}{tests}")
    known = "".join(f"category-{number:03}, " for number in range(1, 31))
    assert len(found) == 22
    assert all("did you mean `category-" in last_error for last_error in found[:20])
    assert found[20:] == [
        f"328:7: there is no category `category-x21`: known are {known}and 270 more",
        f"329:7: there is no category `category-x22`: known are {known}and 270 more",
    ]


def test_look_ups_end() -> None:
    problems = Problems()
    assert [problems.closest_match("hats", ["hate"]) for _ in range(22)] == ["hate"] * 20 + [None] * 2


def test_a_near_word_is_found_among_many_that_begin_alike() -> None:
    assert closest_match("Violance", ["violence", *(f"h{number}" for number in range(5000))]) == "violence"


def test_long_words_are_not_compared_and_shown_in_part() -> None:
    assert closest_match("x" * 41, ["x" * 40]) is None
    assert closest_match("x" * 40, ["x" * 41]) is None
    assert closest_match("x" * 40, ["x" * 39]) == "x" * 39
    assert list_known(["x" * 100, "\x1b"]) == f"{'x' * 60}…, \\x1b"
