"""A calibration: its file, whose scores it is for, which threshold is in force, and what a guard makes of it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guardcli import Calibration, Guard, GuardError, JudgeConfig, Taxonomy
from guardcli.errors import InputError
from guardcli.judging import DecisionRule, FitReport
from guardcli.judging.calibration import BeforeAfter, make_decision_rule
from guardcli.models import Model
from tests.fake import FakeEngine, words
from tests.judging.writers.verdicts import BY, PER_CATEGORY

FITTED = Calibration(
    temperature=2.5,
    threshold=0.4,
    objective="fpr=0.05",
    model=BY.model,
    template=BY.template,
    scoring=BY.scoring,
    taxonomy=BY.taxonomy,
    prompt_digest=BY.prompt_digest,
    fit_report=FitReport(
        num_samples=200,
        num_unsafe=80,
        data_digest="0123456789abcdef",
        log_loss=BeforeAfter(0.5, 0.4),
        calibration_error=BeforeAfter(0.2, 0.05),
    ),
)
VALUE = FITTED.to_dict()


@pytest.mark.parametrize("calibration", [FITTED, replace(FITTED, threshold=None, objective=None, fit_report=None)])
def test_reading_gives_what_was_written(tmp_path: Path, calibration: Calibration) -> None:
    (tmp_path / "c.json").write_text(calibration.to_json())
    assert Calibration.from_file(tmp_path / "c.json") == calibration


def test_the_file() -> None:
    assert VALUE == {
        "schema": 1,
        "temperature": 2.5,
        "threshold": 0.4,
        "objective": "fpr=0.05",
        "model": "llama-guard-3-8b@ab12cd34ef56",
        "template": "llama-guard-3-8b",
        "scoring": "verdict",
        "taxonomy": {"name": "acme", "prompt": "1f3c"},
        "fit": {
            "records": 200,
            "unsafe": 80,
            "data": "0123456789abcdef",
            "log_loss": {"before": 0.5, "after": 0.4},
            "calibration_error": {"before": 0.2, "after": 0.05},
        },
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a calibration: Expecting value"),
        ("[" * 5000, "not a calibration: "),
        ("[]", "expected an object with `schema: 1`"),
        (json.dumps(VALUE | {"schema": 2}), "expected an object with `schema: 1`"),
        (json.dumps({name: value for name, value in VALUE.items() if name != "model"}), "`model` is missing"),
        (json.dumps(VALUE | {"temperature": True}), "expected a number for `temperature`"),
        (json.dumps(VALUE | {"temperature": 0}), "expected a temperature from 0.05 to 20, got 0"),
        (json.dumps(VALUE | {"temperature": float("nan")}), "expected a temperature from 0.05 to 20, got nan"),
        (json.dumps(VALUE | {"threshold": 1.5}), "expected a threshold from 0 to 1, got 1.5"),
        (json.dumps(VALUE | {"threshold": float("nan")}), "expected a threshold from 0 to 1, got nan"),
        (json.dumps(VALUE | {"scoring": "each"}), "expected verdict or per_category for `scoring`"),
        (json.dumps(VALUE | {"taxonomy": "acme"}), "expected an object for `taxonomy`"),
        (json.dumps(VALUE | {"taxonomy": {"name": "acme"}}), "`prompt` is missing; expected text"),
        (json.dumps(VALUE | {"fit": {"records": 1}}), "`unsafe` is missing; expected a number"),
        (json.dumps(VALUE | {"fit": VALUE["fit"] | {"log_loss": {"before": 1}}}), "`after` is missing"),
    ],
)
def test_invalid_calibrations_are_rejected(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError) as raised:
        Calibration.from_file(tmp_path / "c.json")
    assert raised.value.code == "calibration/invalid"
    assert reason in str(raised.value)


@pytest.mark.parametrize(("name", "code"), [("no.json", "input/not-found"), (".", "input/unreadable")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(InputError) as raised:
        Calibration.from_file(tmp_path / name)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "renamed@ab12cd34ef56", "taxonomy": "renamed"}, None),
        ({"model": "llama-guard-3-8b@ab12cd34ef57"}, "calibration/other-model"),
        ({"model": "llama-guard-3-8b@ab12cd34ef56+mine@0a:1.0"}, "calibration/other-model"),
        ({"prompt_digest": "1f3d"}, "calibration/other-prompt"),
        ({"template": "llama-guard-3-1b"}, "calibration/other-prompt"),
        ({"scoring": "per_category"}, "calibration/other-prompt"),
    ],
)
def test_whose_scores_it_is_for(changes: dict[str, Any], code: str | None) -> None:
    judged_by = replace(BY, **changes)
    if code is None:
        FITTED.check_matches(judged_by)
        return
    with pytest.raises(GuardError) as raised:
        FITTED.check_matches(judged_by)
    assert raised.value.code == code
    name = "model" if code == "calibration/other-model" else "prompt_digest"
    assert all(str(getattr(of, name)) in str(raised.value) for of in (FITTED, judged_by))


ADAPTED = "base@00+one@01:0.5+two@02:1.0"


@pytest.mark.parametrize(
    ("identity", "same"),
    [
        ("b@se+@x@00+1@01:0.5+2@02:1.0", True),
        ("base@00+one@01:1.0+two@02:1.0", False),
        ("base@00+two@02:1.0+one@01:0.5", False),
        ("base@00+one@01:0.5", False),
    ],
)
def test_adapters_and_their_scales_count(identity: str, same: bool) -> None:
    calibration, judged_by = replace(FITTED, model=ADAPTED), replace(BY, model=identity)
    if same:
        calibration.check_matches(judged_by)
    else:
        with pytest.raises(GuardError, match="fitted for the model"):
            calibration.check_matches(judged_by)


def policy(*, threshold: float | None = None, of_category: float | None = None) -> Taxonomy:
    category = {"id": "S1", "name": "Pets"} | ({} if of_category is None else {"threshold": of_category})
    top = {} if threshold is None else {"threshold": threshold}
    return Taxonomy.from_dict({"name": "a", "categories": [category], **top})


@pytest.mark.parametrize(
    ("taxonomy", "given", "fitted", "expected", "warned"),
    [
        (None, None, None, 0.5, False),
        (None, None, 0.4, 0.4, False),
        (None, 0.7, 0.4, 0.7, False),
        (0.3, 0.7, 0.4, 0.7, False),
        (0.4, None, 0.4, 0.4, False),
        (0.3, None, None, 0.3, True),
        (0.3, 0.7, None, 0.7, False),
    ],
)
def test_which_threshold_applies(
    taxonomy: float | None,
    given: float | None,
    fitted: float | None,
    expected: float,
    warned: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "guardcli"):
        rule = make_decision_rule(
            policy(threshold=taxonomy), threshold=given, calibration=replace(FITTED, threshold=fitted)
        )
    assert rule == DecisionRule(expected, temperature=2.5)
    assert ("the thresholds of the taxonomy apply to calibrated scores: 0.3" in caplog.text) is warned


def test_thresholds_of_categories_are_for_calibrated_scores(caplog: pytest.LogCaptureFixture) -> None:
    rule = make_decision_rule(policy(of_category=0.2), calibration=FITTED)
    assert rule == DecisionRule(0.4, {"S1": 0.2}, temperature=2.5)
    assert "calibrated scores: S1 0.2" in caplog.text


def test_without_a_calibration_thresholds_are_for_raw_scores() -> None:
    assert make_decision_rule(policy(threshold=0.3)) == DecisionRule(0.3)


def test_two_thresholds_are_refused() -> None:
    with pytest.raises(
        GuardError, match=r"threshold 0\.3, and the calibration 0\.4: choose one with JudgeConfig"
    ) as raised:
        make_decision_rule(policy(threshold=0.3), calibration=FITTED)
    assert raised.value.code == "calibration/two-thresholds"


def test_fit() -> None:
    labels = [True, False, True, True, False, False, True, False]
    scores = [0.99, 0.01, 0.98, 0.1, 0.97, 0.02, 0.9, 0.05]
    fitted = Calibration.fit(labels, scores, provenance=PER_CATEGORY)
    assert fitted.temperature > 1
    assert (fitted.model, fitted.template, fitted.scoring) == (BY.model, BY.template, "per_category")
    assert (fitted.taxonomy, fitted.prompt_digest, fitted.threshold) == ("acme", "1f3c", None)
    with pytest.raises(GuardError, match=r"^no temperature can be fitted: expected safe and unsafe records") as raised:
        Calibration.fit([True], [0.5], provenance=BY)
    assert raised.value.code == "calibration/not-fitted"


def calibration_of(loaded: Model, **changes: Any) -> Calibration:
    with Guard(loaded, "llama-guard-3", engine=FakeEngine(lambda text: 0.5)) as guard:
        by = guard.provenance
    own = replace(FITTED, model=by.model, template=by.template, prompt_digest=by.prompt_digest)
    return replace(own, **changes)


@pytest.mark.parametrize(
    ("threshold", "verdict", "categories"), [(None, "unsafe", ("S1",)), (0.41, "safe", ()), (0.3, "unsafe", ("S1",))]
)
def test_a_guard_decides_on_calibrated_scores(
    model: Model, threshold: float | None, verdict: str, categories: tuple[str, ...]
) -> None:
    """A score of 0.27 is 0.40 at a temperature of 2.5; the categories of unsafe answers are read, as ever."""
    config = JudgeConfig(calibration=calibration_of(model), threshold=threshold)
    with Guard(model, "llama-guard-3", engine=FakeEngine(words(odd=0.27)), config=config) as guard:
        row = guard.check_one("odd")
        assert guard.moderate(["odd"]) == [row.calibrated]
    assert (row.verdict, row.categories, row.threshold) == (verdict, categories, threshold or 0.4)
    assert row.score == pytest.approx(0.27)
    assert row.calibrated == pytest.approx(1 / (1 + (0.73 / 0.27) ** 0.4))
    assert (row.judged_score, row.temperature) == (row.calibrated, 2.5)


def test_a_guard_refuses_the_calibration_of_another(model: Model) -> None:
    for changes, code in (({"model": "x@ff"}, "other-model"), ({"prompt_digest": "ff"}, "other-prompt")):
        config = JudgeConfig(calibration=calibration_of(model, **changes))
        with pytest.raises(GuardError) as raised:
            Guard(model, "llama-guard-3", engine=FakeEngine(lambda text: 0.5), config=config)
        assert raised.value.code == f"calibration/{code}"
