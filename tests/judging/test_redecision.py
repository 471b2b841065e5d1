"""Stored rows decided again: as deciding at once, whatever the scores and the thresholds; and what only a run tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from guardcli.conversation import Key
from guardcli.errors import InputError
from guardcli.judging import Calibration, DecisionRule, Scores, TurnScores, Verdict
from guardcli.judging.decision import LOW_MASS
from guardcli.judging.redecision import Redecision, redecide, rename_labels
from guardcli.judging.verdict_schema import find_fault
from guardcli.judging.writers import jsonl
from guardcli.prompts.turns import NOTHING_TO_JUDGE
from guardcli.taxonomy import Taxonomy
from tests.judging.writers.verdicts import BY, PER_CATEGORY
from tests.rows import row, verdict

LABELS = ("pets", "S2", "S7")
PROBABILITIES = st.sampled_from((0.0, 0.1, 0.25, 0.3, 0.49, 0.5, 0.51, 0.9, 1.0)) | st.floats(0, 1)
ERRORS = st.sampled_from(
    (
        {},
        {"error": "the model's logits are not finite", "error_code": "model/not-finite"},
        {"error": "a row of an older version"},
    )
)
LISTS = st.none() | st.lists(st.sampled_from(LABELS), min_size=1, unique=True).map(tuple)


@st.composite
def turn_scores(draw: st.DrawFn, per_category: bool) -> TurnScores:
    number = draw(st.integers(1, 4))
    role: Any = draw(st.sampled_from(("user", "assistant")))
    error: dict[str, Any] = draw(ERRORS)
    if draw(st.integers(0, 5)) == 0:
        return TurnScores(turn=number, role=role, **(error or {"error": "no text", "error_code": NOTHING_TO_JUDGE}))
    mass = draw(PROBABILITIES)
    read: dict[str, Any] = {"mass": mass, "low_mass": mass < LOW_MASS}
    if per_category:
        by_category = draw(st.dictionaries(st.sampled_from(LABELS), PROBABILITIES, min_size=1))
        read |= {"score": max(by_category.values()), "category_scores": by_category, **error}
    else:
        listed_scores = st.none() | st.fixed_dictionaries(dict.fromkeys(LABELS, PROBABILITIES))
        read |= {"score": draw(PROBABILITIES), "listed": draw(LISTS), "listed_scores": draw(listed_scores)}
    return TurnScores(turn=number, role=role, **read)


@st.composite
def scored_rows(draw: st.DrawFn) -> tuple[Scores, DecisionRule, DecisionRule]:
    """The scores of a row, and two rules for them."""
    per_category = draw(st.booleans())
    turns = draw(st.lists(turn_scores(per_category), min_size=1, max_size=4))
    scores = Scores(turns=tuple(turns), tolerance=draw(st.sampled_from((0.0, 0.05, 1.5))), forced=draw(st.booleans()))
    thresholds = st.dictionaries(st.sampled_from(LABELS), PROBABILITIES) if per_category else st.just({})
    temperatures = st.none() | st.sampled_from((0.3, 1.0, 2.5)) | st.floats(0.05, 20)
    first, second = (
        DecisionRule(draw(PROBABILITIES), draw(thresholds), temperature=draw(temperatures)) for _ in range(2)
    )
    return scores, first, second


@given(scored_rows(), st.sampled_from(((), ("role_order", "windowed"))))
def test_deciding_again_is_deciding_at_once(
    drawn: tuple[Scores, DecisionRule, DecisionRule], flags: tuple[str, ...]
) -> None:
    """Live or stored: verdict, scores, turn, categories, flags and error with its code are those of the second rule.

    Rules may have temperatures: a row may be calibrated afterwards, calibrated otherwise, or decided on raw scores.
    """
    scores, first, second = drawn
    by = PER_CATEGORY if any(turn.category_scores for turn in scores.turns) else BY
    at_once, stored = (
        Verdict.from_scores(scores, rule, key=Key("a.jsonl", 1), provenance=by, flags=flags) for rule in (second, first)
    )
    line = jsonl.line(stored)
    assert find_fault(json.loads(line)) is None
    read = Verdict.from_dict(json.loads(line))
    assert read == stored
    event(f"{stored.verdict} → {at_once.verdict}")
    event("calibrated" if at_once.calibrated is not None else "raw")
    assert redecide(read, second) == at_once
    assert redecide(redecide(read, second), first) == stored


@pytest.mark.parametrize(
    ("before", "threshold", "changed"),
    [
        (verdict(1, 0.3), 0.5, {}),
        (verdict(1, 0.3), 0.31, {}),
        (verdict(1, 0.3), 0.3, {"verdict": "unsafe", "categories": None, "flags": ["categories_not_read"]}),
        (verdict(1, 0.3, listed=["S2", "S7"]), 0.2, {"verdict": "unsafe", "categories": ["S2", "S7"]}),
        (verdict(1, 0.6, categories=["S7", "pets"]), 0.55, {}),
        (verdict(1, 0.6), 0.61, {"verdict": "safe", "categories": []}),
        (verdict(1, None, error="bad"), 0.1, {}),
        (
            verdict(1, 0.52, tolerance=0.2),
            0.53,
            {"verdict": "safe", "categories": [], "flags": ["near_threshold"]},
        ),
    ],
)
def test_one_score(before: Verdict, threshold: float, changed: dict[str, Any]) -> None:
    after = redecide(before, DecisionRule(threshold))
    assert after.to_dict() == before.to_dict() | {"threshold": threshold} | changed


JUDGED: dict[str, Any] = {"turn": 1, "role": "user", "score": 0.2, "mass": 0.99}
UNJUDGED = "its verdict is error and all of it was judged; expected an error, a score of null or a mass below 0.5"


@pytest.mark.parametrize(
    "edited",
    [
        {"error": None},
        {"turns": [JUDGED]},
        {"turns": [JUDGED, JUDGED | {"turn": 2}], "flags": ["low_mass"]},
        {"error": None, "mass": 0.4, "flags": ["low_mass", "forced"]},
    ],
)
def test_an_error_that_would_be_decided_again_as_safe_is_refused(edited: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{UNJUDGED}$"):
        Verdict.from_dict(row(1, 0.2, verdict="error", error="a part was not judged") | edited)


@pytest.mark.parametrize(
    "edited",
    [
        {"error": "a part was not judged"},
        {"mass": 0.4},
        {"mass": None, "flags": ["low_mass"]},
        {"turns": [JUDGED, {"turn": 2, "role": "user"}]},
        {"turns": [JUDGED, JUDGED | {"mass": 0.4}]},
        {"turns": [JUDGED, JUDGED | {"error": "a part was not judged"}]},
        {"turns": [{"turn": 1, "role": "user", "score": 0.2}], "flags": ["low_mass"]},
    ],
)
def test_an_error_stays_one_below_the_threshold(edited: dict[str, Any]) -> None:
    assert redecide(verdict(1, 0.2, **{"verdict": "error"} | edited), DecisionRule(0.5)).verdict == "error"


@pytest.mark.parametrize(
    "edited",
    [
        {"category_scores": {}},
        {"category_scores": {"S1": 0.1}},
        {"turns": [JUDGED, JUDGED | {"category_scores": {"S1": 0.1}}]},
        {"turns": [JUDGED | {"category_scores": {}}]},
    ],
)
def test_scores_by_category_of_one_question_are_refused(edited: dict[str, Any]) -> None:
    """They would be decided by, whatever the score is."""
    with pytest.raises(ValueError, match=r"^its scoring is verdict and it has category_scores; expected null"):
        Verdict.from_dict(row(1, 0.9) | edited)


def test_low_mass_row_becomes_unsafe_at_a_lower_threshold() -> None:
    """The first case of two on which live and stored decisions once differed; the other is `tolerance` above."""
    scores = Scores(turns=(TurnScores(turn=1, role="user", score=0.4, mass=0.3, low_mass=True),), tolerance=0.0)
    before = Verdict.from_scores(scores, DecisionRule(0.5), key=Key("a", 1), provenance=BY)
    assert (before.verdict, before.score) == ("error", 0.4)
    after = redecide(Verdict.from_dict(json.loads(jsonl.line(before))), DecisionRule(0.3))
    assert (after.verdict, after.score, after.flags) == ("unsafe", 0.4, ("low_mass", "categories_not_read"))


def old(line: int, score: float | None, **fields: Any) -> Verdict:
    """A row of schema 1."""
    newer = ("error_code", "mass", "tolerance", "listed", "turns", "unread")
    kept = {name: value for name, value in row(line, score, **fields).items() if name not in newer}
    return Verdict.from_dict(kept | {"schema": 1})


@pytest.mark.parametrize("reason", [{"flags": ["low_mass"]}, {"error": "message 2 could not be judged"}])
def test_schema_1_row_that_was_not_judged_never_becomes_safe(reason: dict[str, Any]) -> None:
    before = old(1, 0.6, **reason)
    assert redecide(before, DecisionRule(0.55)).verdict == "unsafe"
    after = redecide(before, DecisionRule(0.9))
    assert (after.verdict, after.categories) == ("error", ())
    assert after.error


@pytest.mark.parametrize(
    ("threshold", "flags"),
    [(0.5, ("windowed", "near_threshold")), (0.6, ("windowed", "tolerance_unknown"))],
)
def test_schema_1_row_tells_what_is_near_for_its_own_threshold_only(threshold: float, flags: tuple[str, ...]) -> None:
    before = old(1, 0.3, flags=["windowed", "near_threshold"])
    assert redecide(before, DecisionRule(threshold)).flags == flags


def test_schema_1_row_of_an_unverified_model_stays_safe() -> None:
    after = redecide(old(1, 0.3, flags=["low_mass"]), DecisionRule(0.4))
    assert (after.verdict, after.flags) == ("safe", ("low_mass", "forced", "tolerance_unknown"))


def test_schema_1_row_by_category() -> None:
    scores = {"pets": 0.45, "S2": 0.3, "S7": 0.6}
    before = old(1, 0.6, scoring="each", category_scores=scores, categories=["S7"])
    after = redecide(before, DecisionRule(0.5, {"S2": 0.3}))
    assert (after.verdict, after.categories, after.provenance.scoring) == ("unsafe", ("S7", "S2"), "per_category")


BEFORE = Taxonomy.from_yaml("name: a\ncategories: [{id: S1, name: Pets}, {id: S2, name: Cars, key: cars}]\n")
AFTER = Taxonomy.from_yaml(
    "name: b\ncategories: [{id: S1, name: Pets, key: pets}, {id: S2, name: Cars, threshold: 0.2}]\n"
)


def test_edited_taxonomy_renames_its_keys() -> None:
    digests = {"name": "a", "prompt": BEFORE.prompt_digest, "decision": BEFORE.decision_digest}
    before = verdict(
        1,
        0.6,
        scoring="per_category",
        category_scores={"S1": 0.6, "cars": 0.25},
        categories=["S1"],
        listed=None,
        taxonomy=digests,
    )
    after = Redecision.from_taxonomy(AFTER, before=BEFORE).apply(before)
    assert (after.categories, after.category_scores) == (("pets", "S2"), {"pets": 0.6, "S2": 0.25})
    assert (after.provenance.taxonomy, after.provenance.decision_digest) == ("b", AFTER.decision_digest)


def test_rows_of_another_model_are_not_calibrated() -> None:
    digests = {"name": "a", "prompt": BEFORE.prompt_digest, "decision": BEFORE.decision_digest}
    judged = verdict(1, 0.2, taxonomy=digests)
    by = judged.provenance
    calibration = Calibration(
        temperature=4.0,
        threshold=0.4,
        model=by.model,
        template=by.template,
        scoring="verdict",
        taxonomy="a",
        prompt_digest=BEFORE.prompt_digest,
    )
    redecision = Redecision.from_taxonomy(BEFORE, calibration=calibration)
    decided = redecision.apply(judged)
    assert (decided.verdict, decided.score, decided.threshold, decided.temperature) == ("unsafe", 0.2, 0.4, 4.0)
    assert decided.calibrated == pytest.approx(1 / (1 + 4 ** (1 / 4)))
    assert Redecision.from_taxonomy(BEFORE).apply(decided).to_dict() == judged.to_dict()
    with pytest.raises(InputError) as raised:
        redecision.apply(verdict(1, 0.2, taxonomy=digests, model="other@ff"))
    assert raised.value.code == "calibration/other-model"


@pytest.mark.parametrize(
    "edited",
    [
        {"calibrated": 0.4},
        {"temperature": 2.0},
        {"score": None, "verdict": "error", "error": "not JSON", "calibrated": 0.4, "temperature": 2.0},
    ],
)
def test_a_calibrated_score_has_a_raw_one_and_a_temperature(edited: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^its calibrated is not by its temperature; expected both with a score"):
        Verdict.from_dict(row(1, 0.2) | edited)


def test_unknown_label() -> None:
    with pytest.raises(InputError, match="it names the category 'odd', which the policy lacks"):
        rename_labels(verdict(1, 0.6, categories=["odd"]), {"S9": "S9"})


def test_a_row_without_the_score_of_a_category_is_refused() -> None:
    taxonomy = Taxonomy.load("llama-guard-3")
    scores = dict.fromkeys((category.label for category in taxonomy.categories), 0.1)
    by = {"name": taxonomy.name, "prompt": taxonomy.prompt_digest, "decision": taxonomy.decision_digest}
    whole = row(1, 0.1, scoring="per_category", taxonomy=by, category_scores=scores)
    redecision = Redecision.from_taxonomy(taxonomy)
    assert redecision.apply(Verdict.from_dict(whole)).to_dict() == whole
    del scores["S5"]
    with pytest.raises(InputError, match=r"^it has no score for the category 'S5': run guard check again$"):
        redecision.apply(Verdict.from_dict(whole))
    failed = redecision.apply(Verdict.from_dict(whole | {"verdict": "error", "error": "S5 was not judged"}))
    assert failed.verdict == "error"


def test_a_row_may_lack_a_category_that_is_not_asked_about_every_record() -> None:
    taxonomy = Taxonomy.load("granite-guardian-4.1-rag")
    by = {"name": taxonomy.name, "prompt": taxonomy.prompt_digest, "decision": taxonomy.decision_digest}
    whole = row(1, 0.1, scoring="per_category", taxonomy=by, category_scores={"answer-relevance": 0.1})
    assert Redecision.from_taxonomy(taxonomy).apply(Verdict.from_dict(whole)).to_dict() == whole
