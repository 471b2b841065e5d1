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
        ("", "1:6: `name` has no value: write text, or remove it"),
        ("~", "1:7: `name` has no value: write text, or remove it"),
        ("[a]", "1:7: `name` is a list: write text"),
        ("{a: b}", "1:7: `name` is a mapping: write text"),
        ('""', "1:7: `name` is empty: write text, or remove it"),
        ('"  "', "1:7: `name` is empty: write text, or remove it"),
        ('"a\\nb"', "1:7: `name` has a line break: write it on one line"),
        ('"a\\Lb"', "1:7: `name` has a line break: write it on one line"),
        ('"a\\tb"', "1:7: `name` has the unprintable character U+0009: remove it"),
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
        ("2.5E-7", "`2.5E-7` is read as a number"),
        ("1.0e0", "`1.0e0` is read as text by YAML 1.1: write 1.0 or 1.0e+0"),
        ("1e3", f"`threshold` is text: {PROBABILITY}"),
        ("1:30", f"`1:30` is read as the number 90: {PROBABILITY}"),
        ('"0.5"', "`threshold` is text: remove the quotes"),
        ('"1e-3"', "`threshold` is text: remove the quotes"),
        ("50%", f"`threshold` is text: {PROBABILITY}"),
        ("yes", f"`threshold` is a boolean: {PROBABILITY}"),
        ("2024-01-31", f"`threshold` is a date: {PROBABILITY}"),
        ("[0.5]", f"`threshold` is a list: {PROBABILITY}"),
        ("~", f"`threshold` has no value: {PROBABILITY}, or remove it"),
        ("1.01", f"`threshold` is `1.01`: {PROBABILITY}"),
        ("-0.1", f"`threshold` is `-0.1`: {PROBABILITY}"),
        (".nan", f"`threshold` is `.nan`: {PROBABILITY}"),
        (".inf", f"`threshold` is `.inf`: {PROBABILITY}"),
        ("!!float nan", f"`threshold` is `nan`: {PROBABILITY}"),
        ("0x1", f"`threshold` is `0x1`: {PROBABILITY}"),
    ],
)
def test_threshold(threshold: str, expected: str) -> None:
    if "read as a number" in expected:
        assert Taxonomy.parse(f"{WHOLE}threshold: {threshold}\n").threshold == float(threshold)
    else:
        assert complaints(f"{WHOLE}threshold: {threshold}\n") == [f"4:12: {expected}"]
