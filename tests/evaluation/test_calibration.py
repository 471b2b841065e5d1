"""A calibration fitted on labeled samples: on which of them, on which scores, and with which threshold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from guardcli.errors import GuardError
from guardcli.evaluation import System, fit_calibration, system_from_field, system_from_rows
from guardcli.evaluation.datasets import Sample
from guardcli.evaluation.metrics import ThresholdObjective, reliability_diagram
from guardcli.evaluation.systems import with_threshold
from guardcli.judging import DecisionRule, Verdict
from guardcli.judging.redecision import redecide
from guardcli.judging.temperature import log_loss
from tests.evaluation.planted import item
from tests.rows import verdict

FPR = ThresholdObjective("fpr", 0.1)


def overconfident(number: int = 400) -> tuple[list[Sample], list[Verdict]]:
    """Scores whose log-odds are three times too large."""
    draw = random.Random(3)
    samples, rows = [], []
    for line in range(1, number + 1):
        score = draw.random()
        samples.append(item(line, draw.random() < score))
        rows.append(verdict(line, score**3 / (score**3 + (1 - score) ** 3)))
    return samples, rows


SAMPLES, ROWS = overconfident()
FALSE_ALARM, NO_FALSE_ALARM = item(401, False), ThresholdObjective("fpr", 0.0)


def run(rows: Sequence[Verdict], samples: Sequence[Sample] = SAMPLES) -> System:
    return system_from_rows("run", samples, rows)


def test_temperature_threshold_and_report() -> None:
    calibration = fit_calibration(SAMPLES, run(ROWS), objective=FPR)
    by = ROWS[0].provenance
    assert calibration.temperature == pytest.approx(3, rel=0.15)
    assert (calibration.model, calibration.prompt_digest) == (by.model, by.prompt_digest)
    labels, scores = [sample.unsafe for sample in SAMPLES], [row.score or 0.0 for row in ROWS]
    report = calibration.fit_report
    assert report is not None
    assert (report.num_samples, report.num_unsafe) == (400, sum(labels))
    assert report.log_loss == (log_loss(labels, scores), log_loss(labels, scores, temperature=calibration.temperature))
    assert report.calibration_error.before == reliability_diagram(labels, scores).error > 0.12
    assert report.calibration_error.after < 0.07
    assert calibration.objective == "fpr=0.1"
    assert calibration.threshold is not None
    rule = DecisionRule(calibration.threshold, temperature=calibration.temperature)
    false_alarms = sum(rule.is_unsafe(score) for score, unsafe in zip(scores, labels, strict=True) if not unsafe)
    assert 0.05 < false_alarms / labels.count(False) <= 0.1


def test_calibrated_rows_are_evaluated_as_calibrated_and_fitted_on_raw_scores() -> None:
    plain = fit_calibration(SAMPLES, run(ROWS))
    rule = DecisionRule(0.4, temperature=plain.temperature)
    calibrated = run([redecide(row, rule) for row in ROWS])
    assert [one.score for one in calibrated.predictions] == [plain.apply(row.score or 0.0) for row in ROWS]
    assert [one.raw_score for one in calibrated.predictions] == [row.score for row in ROWS]
    assert fit_calibration(SAMPLES, calibrated) == plain
    moved = with_threshold(calibrated, 0.6)
    assert [one.unsafe for one in moved.predictions] == [(one.score or 0.0) >= 0.6 for one in calibrated.predictions]


def test_scores_by_category_are_calibrated_where_the_row_is() -> None:
    row = verdict(1, 0.8, scoring="per_category", category_scores={"S1": 0.8, "S2": 0.2})
    found = run([redecide(row, DecisionRule(0.5, temperature=2.0))], [item(1, True)])
    assert found.predictions[0].category_scores == pytest.approx({"S1": 2 / 3, "S2": 1 / 3})


def test_what_was_not_judged_as_a_whole_is_left_out() -> None:
    partly = verdict(401, 0.9, error="message 3 was not judged", error_code="record/nothing-to-judge")
    more = [*SAMPLES, item(401, False), item(402, False), item(403, True)]
    rows = [*ROWS, partly, verdict(401, None, turn=2), verdict(402, None)]
    assert fit_calibration(more, run(rows, more)) == fit_calibration(SAMPLES, run(ROWS))


def test_the_digest_is_of_messages_and_labels() -> None:
    def digest(samples: Sequence[Sample]) -> str:
        report = fit_calibration(samples, run(ROWS, samples)).fit_report
        assert report is not None
        return report.data_digest

    first = SAMPLES[0]
    flipped = replace(first, ground_truth=replace(first.ground_truth, unsafe=not first.unsafe))
    other = replace(first, record=replace(first.record, conversation=SAMPLES[1].record.conversation))  # type: ignore[union-attr, call-arg]
    digests = [digest([one, *SAMPLES[1:]]) for one in (first, flipped, other)]
    assert len(set(digests)) == 3
    assert all(len(one) == 16 for one in digests)


@pytest.mark.parametrize(
    ("system", "objective", "reason"),
    [
        (run([*ROWS, verdict(401, 1 - 2**-53)], [*SAMPLES, FALSE_ALARM]), NO_FALSE_ALARM, "no threshold reaches fpr=0"),
        (run([verdict(line, 0.5) for line in range(1, 401)]), None, "do not tell unsafe records from safe ones"),
        (run([replace(row, provenance=replace(row.provenance, model="")) for row in ROWS]), None, "do not tell theirs"),
        (system_from_field("tool", [item(1, True, p=0.7)], "p"), None, "tool: a calibration belongs to a model"),
    ],
)
def test_what_cannot_be_fitted(system: System, objective: ThresholdObjective | None, reason: str) -> None:
    samples = [*SAMPLES, FALSE_ALARM][: len(system.predictions)]
    with pytest.raises(GuardError, match=reason) as raised:
        fit_calibration(samples, system, objective=objective)
    assert raised.value.code == "calibration/not-fitted"
