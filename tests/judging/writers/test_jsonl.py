"""The row as JSON: one line of valid UTF-8 that reads back as what was written."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardcli.conversation import Key
from guardcli.judging.writers import jsonl
from tests.judging.writers.test_text import HOSTILE
from tests.judging.writers.verdicts import VERDICTS

SCORES = st.floats(0, 1)


def read(line: str) -> dict[str, object]:
    assert len(line.splitlines()) == 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]", line)
    row: dict[str, object] = json.loads(line.encode().decode())
    return row


def joined(text: str) -> str:
    """A high and a low surrogate side by side are one character to every JSON reader."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize("kind", VERDICTS)
def test_reading_gives_the_row_again(kind: str) -> None:
    assert read(jsonl.line(VERDICTS[kind])) == VERDICTS[kind].to_dict()


def test_every_row_has_every_field() -> None:
    fields = [list(read(jsonl.line(verdict))) for verdict in VERDICTS.values()]
    assert fields == [fields[0]] * 3
    assert len(fields[0]) == 31


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_any_text(source: str, id_: str, said: str, name: str) -> None:
    verdict = replace(VERDICTS["safe"], key=Key(source, 1, id_, id_), error=said, text=said, meta={name: [said]})
    row = read(jsonl.line(verdict))
    assert [row[field] for field in ("source", "id", "part", "text")] == [joined(t) for t in (source, id_, id_, said)]
    assert row["meta"] == {joined(name): [joined(said)]}


@given(SCORES, SCORES)
@example(5e-324, 1 - 2**-53)
@example(0.1 + 0.2, 2**-1022 - 5e-324)
@example(-0.0, 1.0)
def test_scores_are_the_same_float64(score: float, threshold: float) -> None:
    verdict = replace(VERDICTS["unsafe"], score=score, threshold=threshold, listed_scores={"a": score})
    row = json.loads(jsonl.line(verdict))
    read_again = [row["score"], row["threshold"], row["listed_scores"]["a"]]
    assert list(map(float.hex, read_again)) == list(map(float.hex, (score, threshold, score)))


def test_nan_and_infinity_become_null() -> None:
    assert jsonl.dumps({"meta": {"a": [1.5, math.nan, {"b": -math.inf}]}}) == '{"meta":{"a":[1.5,null,{"b":null}]}}'
