"""Slices: the values of a field, what has none, and the gap to English."""

from __future__ import annotations

import pytest

from guardcli.errors import InputError
from guardcli.evaluation.metrics import Bootstrap
from guardcli.evaluation.slices import MAX_SLICES, compute_slices, group_by_field
from tests.evaluation.planted import item, system


def test_values_are_grouped_and_what_has_none_is_one_group() -> None:
    values = ["en", " en ", "de", None, "", ["en"], 1]
    samples = [item(line, True, lang=value) for line, value in enumerate(values, start=1)]
    assert group_by_field(samples, "lang") == {"en": [0, 1], "de": [2], "-": [3, 4, 5], "1": [6]}


def test_the_most_frequent_value_comes_first_and_its_gap_is_to_english() -> None:
    """English is ranked without a fault; half of the German pairs are not."""
    rows = [("de", True, 0.4), ("de", False, 0.6), ("de", True, 0.9), ("en", True, 0.9), ("en", False, 0.1)]
    samples = [item(line, unsafe, lang=lang) for line, (lang, unsafe, _) in enumerate(rows, start=1)]
    found = compute_slices(
        samples,
        system([score for *_, score in rows]),
        "lang",
        Bootstrap(len(rows), num_resamples=50, seed=0),
        strict=False,
    )
    assert [(one.field, one.value, one.num_unsafe, one.metrics.num_samples) for one in found] == [
        ("lang", "de", 2, 3),
        ("lang", "en", 1, 2),
    ]
    german, english = found
    assert english.gap is None
    assert german.gap is not None
    assert german.gap.value == pytest.approx((1 + 2 / 3) / 2 - 1)


def test_the_gap_is_undefined_without_english() -> None:
    samples = [item(line, line % 2 == 0, lang="de" if line < 3 else "fr") for line in range(1, 5)]
    found = compute_slices(
        samples, system([0.2, 0.8] * 2), "lang", Bootstrap(4, num_resamples=10, seed=0), strict=False
    )
    assert [one.gap for one in found] == [None, None]


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        (
            ["en"],
            "language",
            'EvalConfig(slice_by=("language",)): no record has the field language; the first record has lang',
        ),
        ([None, []], "lang", 'EvalConfig(slice_by=("lang",)): no labeled record has a value there to slice by'),
        (
            range(MAX_SLICES + 1),
            "lang",
            'EvalConfig(slice_by=("lang",)): it has 201 values: slice by a field with at most 200',
        ),
    ],
)
def test_fields_that_cannot_be_sliced_by(values: list[object], path: str, message: str) -> None:
    samples = [item(line, True, lang=value) for line, value in enumerate(values, start=1)]
    with pytest.raises(InputError) as raised:
        group_by_field(samples, path)
    assert str(raised.value).startswith(message)


def test_as_many_values_as_there_may_be() -> None:
    samples = [item(line, True, lang=str(line)) for line in range(MAX_SLICES)]
    assert len(group_by_field(samples, "lang")) == MAX_SLICES
