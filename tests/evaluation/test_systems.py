"""Stored rows joined to labeled records, and other tools' scores out of them."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.errors import InputError
from guardcli.evaluation import count_unscored, system_from_field, system_from_rows
from guardcli.evaluation.systems import NO_VERDICT, with_threshold
from tests.evaluation.planted import item, items
from tests.rows import verdict


def test_rows_are_joined_by_place_in_any_order() -> None:
    found = system_from_rows("run", items([True, False, True]), [verdict(3, 0.3), verdict(1, 0.9)])
    assert [(one.score, one.unsafe) for one in found.predictions] == [(0.9, True), (None, None), (0.3, False)]
    assert (found.predictions[1].error, found.num_errors) == (NO_VERDICT, 1)


def test_several_rows_of_a_record_count_by_the_worst() -> None:
    rows = [
        verdict(1, 0.2, turn=1),
        verdict(1, 0.8, turn=3),
        verdict(2, 0.2, turn=1),
        verdict(2, None, turn=2),
        verdict(3, 0.9),
        verdict(3, None),
    ]
    found = system_from_rows("run", items([True] * 3), rows)
    assert [(one.score, one.unsafe) for one in found.predictions] == [(0.8, True), (None, None), (0.9, True)]
    assert found.predictions[1].error == "not JSON"


def test_a_record_of_which_a_part_is_not_judged_is_never_safe() -> None:
    rows = [verdict(1, 0.6, turn=1), verdict(1, None, turn=2), verdict(2, 0.9)]
    found = system_from_rows("run", items([True, True]), rows)
    assert [one.unsafe for one in found.predictions] == [True, True]
    assert [one.unsafe for one in with_threshold(found, 0.8).predictions] == [None, True]
    assert [one.unsafe for one in with_threshold(found, 0.5).predictions] == [True, True]


def test_categories_are_those_of_all_messages_of_a_record_and_of_all_rows() -> None:
    rows = [verdict(1, None), verdict(2, 0.9, turn=1, listed_scores={"S1": 1.0, "S2": 0.0}, categories=["S1"])]
    rows += [verdict(2, 0.95, turn=2, listed_scores={"S1": 0.0, "S2": 1.0}, categories=["S2"])]
    found = system_from_rows("run", items([True, True]), rows)
    assert found.categories.labels == ("S1", "S2")
    assert found.predictions[1].category_scores == {"S1": 0.9, "S2": 0.95}
    assert found.predictions[1].listed == {"S1", "S2"}


@pytest.mark.parametrize("source", ["-", "other.jsonl"])
def test_the_name_of_the_one_source_does_not_matter(source: str) -> None:
    assert system_from_rows("run", items([True]), [verdict(1, 0.9, source=source)]).predictions[0].score == 0.9


def test_rows_of_other_data_are_an_error() -> None:
    with pytest.raises(InputError, match="the record has the id 'i1' and its row 'x'"):
        system_from_rows("run", items([True]), [verdict(1, 0.9, id="x")])
    with pytest.raises(InputError, match="run: no row belongs to the labeled data"):
        system_from_rows("run", items([True]), [verdict(7, 0.9)])
    with pytest.raises(InputError, match="has rows in two files"):
        system_from_rows("run", items([True]), [verdict(1, 0.9), verdict(2, 0.9), verdict(1, 0.1)])


def test_categories_are_what_the_rows_call_them() -> None:
    listed = system_from_rows("run", items([True]), [verdict(1, 0.8, listed_scores={"S1": 0.75, "S2": 0.25})])
    assert listed.predictions[0].category_scores == {"S1": pytest.approx(0.6), "S2": pytest.approx(0.2)}
    assert (listed.categories.labels, listed.per_category) == (("S1", "S2"), False)
    each = system_from_rows(
        "run", items([True]), [verdict(1, 0.8, scoring="per_category", category_scores={"S1": 0.8, "S2": 0.1})]
    )
    assert each.predictions[0].category_scores == {"S1": 0.8, "S2": 0.1}
    assert each.per_category


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (0.7, 0.7),
        (1, 1.0),
        (True, 1.0),
        ("False", 0.0),
        ("0.25", 0.25),
        (1.0000001, 1.0),  # a softmax in float32
        (-1e-9, 0.0),
        ({"hate": 0.1, "sexual": 0.6, "note": "x"}, 0.6),
        ({"hate": 0.1, "sexual": None}, 0.1),
        ('{"hate": 0.1, "sexual": 0.6}', 0.6),
        ("{'hate': 0.1, 'sexual': nan}", 0.1),
    ],
)
def test_another_tools_score(value: Any, score: float) -> None:
    found = system_from_field("tool", (item(1, True, tool={"score": value}),), "tool.score")
    assert found.predictions[0].score == score
    assert found.predictions[0].unsafe is (score >= 0.5)


def test_the_categories_of_another_tool() -> None:
    found = system_from_field(
        "tool", (item(1, True, x={"hate": 0.1, "sexual": 0.6}), item(2, True)), "x", threshold=0.05
    )
    assert found.categories.labels == ("hate", "sexual")
    assert found.predictions[0].listed == {"hate", "sexual"}
    assert found.predictions[1].score is None
    assert found.predictions[1].error == "there is no number at x"


@pytest.mark.parametrize("value", [None, "high", [], {}, {"hate": None}, float("nan"), "NaN", "N/A", "-", "None"])
def test_a_score_that_is_not_a_number_is_not_judged(value: Any) -> None:
    found = system_from_field("tool", (item(1, True, x=value), item(2, False, x=0.5)), "x")
    assert found.predictions[0].error == "there is no number at x"
    assert count_unscored(found) == {"a score": 1}
    with pytest.raises(InputError, match=r"path=\"tool=x\"\): no labeled record has a number at x"):
        system_from_field("tool", (item(1, True, x=value),), "x")


def test_a_field_that_no_record_has() -> None:
    with pytest.raises(InputError, match=r"path=\"tool=y\"\): no record has the field y; the first record has x"):
        system_from_field("tool", (item(1, True, x=0.5),), "y")


def test_what_has_no_score_is_counted_by_category() -> None:
    scores = [{"hate": 0.1, "sexual": 0.2}, {"hate": 0.1, "sexual": None}, None]
    found = system_from_field("tool", tuple(item(at, True, x=score) for at, score in enumerate(scores)), "x")
    assert count_unscored(found) == {"a score": 1, "sexual": 1}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([12, 97, 55], "scores from 12 to 97, .* if they are percentages, divide them by 100"),
        (["0.1", "97"], "scores from 0.1 to 97, .* divide them by 100"),
        ([-2.5, 3.1], "scores from -2.5 to 3.1, .* if they are logits, apply the logistic function"),
        ([0.2, 1.5], "scores from 0.2 to 1.5, "),
        ([0.2, 400], "scores from 0.2 to 400, .* logits"),
        ([{"hate": 0.2, "sexual": -0.1}], "scores from -0.1 to 0.2, "),
        ([0.2, float("inf")], "scores from 0.2 to inf, .* infinity is not a probability"),
        ([0.2, "-Infinity"], "scores from -inf to 0.2, .* infinity is not a probability"),
        ([0.2, 10**400], "scores from 0.2 to inf, "),
    ],
)
@pytest.mark.parametrize("threshold", [0.5, 0.0])
def test_a_score_that_is_not_a_probability_is_an_error(values: list[Any], told: str, threshold: float) -> None:
    found = tuple(item(line, True, x=value) for line, value in enumerate(values, start=1))
    with pytest.raises(InputError, match=rf"^system_from_field\(path=\"tool=x\"\): {told}"):
        system_from_field("tool", found, "x", threshold=threshold)


def test_the_first_score_that_is_not_a_probability_is_named() -> None:
    with pytest.raises(
        InputError, match=r"expected probabilities from 0 to 1 \(the first of the others: set.jsonl:2\)"
    ):
        system_from_field("tool", (item(1, True, x=0.5), item(2, True, x=55)), "x")
