"""The moderation result: the taxonomy's categories, and no result at all where nothing was judged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from guardcli.conversation import Key
from guardcli.judging.writers import openai
from tests.judging.writers.test_jsonl import joined, read
from tests.judging.writers.test_text import HOSTILE
from tests.judging.writers.verdicts import VERDICTS


def test_a_score_is_the_verdicts_times_the_share() -> None:
    verdict = replace(VERDICTS["unsafe"], score=0.5, listed_scores={"weapons": 0.75}, category_scores=None)
    (result,) = json.loads(openai.line(verdict))["results"]
    assert result["category_scores"] == {"violence": 0.0, "weapons": 0.375, "self-harm": 0.0}


def test_a_category_that_was_scored_by_itself_has_that_score() -> None:
    (result,) = json.loads(openai.line(replace(VERDICTS["unsafe"], listed_scores=None)))["results"]
    assert result["category_scores"] == {"violence": 0.125, "weapons": 0.9, "self-harm": 0.3}


@pytest.mark.parametrize("kind", VERDICTS)
def test_flagged_means_unsafe_and_nothing_unjudged_is_a_result(kind: str) -> None:
    results = json.loads(openai.line(VERDICTS[kind]))["results"]
    assert [result["flagged"] for result in results] == {"safe": [False], "unsafe": [True], "error": []}[kind]


@pytest.mark.parametrize(
    ("key", "id_"),
    [
        (Key("a.jsonl", 3), "a.jsonl:3"),
        (Key("a.jsonl", 3, "chosen"), "a.jsonl:3:chosen"),
        (Key(None, 3), ":3"),
        (Key("a.jsonl", 3, "chosen", "c1"), "c1"),
    ],
)
def test_id(key: Key, id_: str) -> None:
    assert json.loads(openai.line(replace(VERDICTS["safe"], key=key)))["id"] == id_


@given(HOSTILE, HOSTILE)
def test_any_text(id_: str, error: str) -> None:
    verdict = replace(VERDICTS["error"], key=Key("a", 1, id=id_), error=error)
    assert read(openai.line(verdict)) == {
        "id": joined(id_) or "a:1",
        "model": "llama-guard-3-8b@ab12cd34ef56",
        "results": [],
        "error": {"type": "unjudged", "code": "record/not-json", "message": joined(error)},
    }
