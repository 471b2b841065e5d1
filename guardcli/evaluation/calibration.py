"""Fit the calibration of a system on labeled samples, and report what it did for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from guardcli.conversation import Malformed
from guardcli.errors import GuardError
from guardcli.evaluation.datasets import Sample
from guardcli.evaluation.metrics import ThresholdObjective, choose_threshold, reliability_diagram
from guardcli.evaluation.systems import System
from guardcli.judging import Calibration, FitReport
from guardcli.judging.calibration import BeforeAfter
from guardcli.judging.temperature import log_loss
from guardcli.judging.verdict import Provenance

_DIGITS = 16  # of a digest, as those of taxonomies have


def fit_calibration(
    samples: Sequence[Sample], system: System, *, objective: ThresholdObjective | None = None
) -> Calibration:
    """Fit a temperature on the samples that a system judged as a whole and, for an objective, a threshold.

    The threshold is for the calibrated score. Raw scores are used, also those of rows that were calibrated before.

    Raises:
        GuardError: the system was not judged by guard, no temperature fits, or no threshold meets the objective.
    """
    provenance = _provenance(system)
    labeled = [
        (sample, prediction.raw_score)
        for sample, prediction in zip(samples, system.predictions, strict=True)
        if not prediction.partial
    ]
    scored = [(sample, score) for sample, score in labeled if score is not None]
    labels, scores = [sample.unsafe for sample, _ in scored], [score for _, score in scored]
    fitted = Calibration.fit(labels, scores, provenance=provenance)
    calibrated = [fitted.apply(score) for score in scores]
    report = FitReport(
        num_samples=len(labels),
        num_unsafe=sum(labels),
        data_digest=_data_digest([sample for sample, _ in scored]),
        log_loss=BeforeAfter(log_loss(labels, scores), log_loss(labels, scores, temperature=fitted.temperature)),
        calibration_error=BeforeAfter(
            reliability_diagram(labels, scores).error, reliability_diagram(labels, calibrated).error
        ),
    )
    if objective is None:
        return replace(fitted, fit_report=report)
    choice = choose_threshold(labels, calibrated, objective)
    if choice is None:
        raise GuardError(f"{system.name}: no threshold reaches {objective}", code="calibration/not-fitted")
    return replace(fitted, fit_report=report, threshold=choice.threshold, objective=str(objective))


def _provenance(system: System) -> Provenance:
    """What the rows of a system were judged with. Raises GuardError if that is unknown."""
    rows = (row for prediction in system.predictions for row in prediction.verdicts)
    provenance = next((row.provenance for row in rows), None)
    if provenance is None or not (provenance.model and provenance.prompt_digest):
        raise GuardError(
            f"{system.name}: a calibration belongs to a model and a prompt, and these scores do not tell theirs",
            code="calibration/not-fitted",
        )
    return provenance


def _data_digest(samples: Sequence[Sample]) -> str:
    """The digest of the messages and labels of samples, in their order."""
    digest = hashlib.sha256()
    for sample in samples:
        record = sample.record
        messages = [] if isinstance(record, Malformed) else record.conversation.messages
        value = [sample.unsafe, [[message.role, message.content] for message in messages]]
        digest.update(json.dumps(value, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()[:_DIGITS]
