"""The calibration of one model under one prompt: a temperature, and the threshold that goes with it, in a JSON file."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from guardcli.errors import GuardError, InputError
from guardcli.files.regular import open_regular
from guardcli.formats import describe_json_error
from guardcli.judging.decision import DecisionRule
from guardcli.judging.temperature import MAX_TEMPERATURE, MIN_TEMPERATURE, apply_temperature, fit_temperature
from guardcli.judging.verdict import Provenance, Scoring
from guardcli.judging.verdict_schema import SCORINGS
from guardcli.taxonomy import Taxonomy

_log = logging.getLogger(__name__)

CALIBRATION_SCHEMA = 1
_MAX_BYTES = 1 << 20  # of a file; one that `guard eval` writes has less than 1 KiB
_DIGESTS = re.compile(r"@([0-9a-f]+)(?::([^+]+))?(?=\+|$)")  # and the scales of adapters


class BeforeAfter(NamedTuple):
    """A metric of the raw scores, and of the calibrated ones."""

    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """The labeled records that a calibration was fitted on, and what it did for them.

    `data_digest` is of their messages and labels. `log_loss` is in nats; `calibration_error` is the expected
    calibration error (ECE). Both are of the records of the fit, and so a little too good.
    """

    num_samples: int
    num_unsafe: int
    data_digest: str
    log_loss: BeforeAfter
    calibration_error: BeforeAfter


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the scores of a model become probabilities that are right as often as they say.

    >>> calibration = Calibration.from_file("calibration.json")
    >>> with Guard(model, taxonomy, config=JudgeConfig(calibration=calibration)) as guard:
    ...     verdict = guard.check_one("How do I bake bread?")
    >>> verdict.score, verdict.calibrated
    (0.0021, 0.0174)

    It belongs to the model and its adapters by their digests, to the prompt's template and digest, and to the way of
    scoring. The names of the model and of the taxonomy are for people.

    Args:
        temperature: divides the log-odds of a score.
        threshold: of the calibrated score; None: the taxonomy's, or 0.5.
        objective: what the threshold was chosen for, such as "fpr=0.05".
        model: the identity of the model.
        scoring: "verdict" or "per_category", as in a verdict row.
        prompt_digest: of the taxonomy.
        fit_report: what it was fitted on; None if that is not known.
    """

    temperature: float
    model: str
    template: str
    scoring: Scoring
    taxonomy: str
    prompt_digest: str
    threshold: float | None = None
    objective: str | None = None
    fit_report: FitReport | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: a temperature or threshold out of range."""
        if not MIN_TEMPERATURE <= self.temperature <= MAX_TEMPERATURE:
            raise ValueError(
                f"expected a temperature from {MIN_TEMPERATURE} to {MAX_TEMPERATURE:g}, got {self.temperature}"
            )
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"expected a threshold from 0 to 1, got {self.threshold}")

    @classmethod
    def fit(cls, labels: Sequence[bool], scores: Sequence[float], *, provenance: Provenance) -> Calibration:
        """Fit a temperature to labels (n,), True is unsafe, and the raw scores (n,) of a guard.

        `guardcli.evaluation.fit_calibration` does this for an evaluated system, with a threshold and a report.

        Args:
            provenance: of the guard, or of its rows.

        Raises:
            GuardError: no temperature fits: labels of one kind only, or scores that separate them completely or not at
                all.
        """
        try:
            temperature = fit_temperature(labels, scores)
        except ValueError as error:
            raise GuardError(f"no temperature can be fitted: {error}", code="calibration/not-fitted") from None
        return cls(
            temperature=temperature,
            model=provenance.model,
            template=provenance.template,
            scoring=provenance.scoring,
            taxonomy=provenance.taxonomy,
            prompt_digest=provenance.prompt_digest,
        )

    @classmethod
    def from_file(cls, path: str | Path) -> Calibration:
        """Read a file that `guard eval --fit-calibration` wrote.

        Raises:
            InputError: it cannot be read, or is not a calibration.
        """
        try:
            with open_regular(path) as file:
                data = file.read(_MAX_BYTES)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file", code="input/not-found") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{path}: cannot be read: {reason}", code="input/unreadable") from error
        try:
            return cls.from_dict(json.loads(data))
        except (ValueError, RecursionError) as error:  # ValueError: neither JSON nor a calibration
            raise InputError(
                f"{path}: not a calibration: {describe_json_error(error)}", code="calibration/invalid"
            ) from None

    @classmethod
    def from_dict(cls, value: object) -> Calibration:
        """The calibration that `to_dict` made JSON values of.

        Raises:
            ValueError: it is not a calibration; the message names the key.
        """
        if not isinstance(value, dict) or value.get("schema") != CALIBRATION_SCHEMA:
            raise ValueError(f"expected an object with `schema: {CALIBRATION_SCHEMA}`")
        taxonomy = _read(value, "taxonomy", "an object", _is_object)
        fit = _read(value, "fit", "an object or null", lambda fit: fit is None or _is_object(fit))
        return cls(
            temperature=_read(value, "temperature", "a number", _is_number),
            threshold=_read(value, "threshold", "a number or null", lambda one: one is None or _is_number(one)),
            objective=_read(value, "objective", "text or null", lambda one: one is None or _is_text(one)),
            model=_read(value, "model", "text", _is_text),
            template=_read(value, "template", "text", _is_text),
            scoring=_read(value, "scoring", " or ".join(SCORINGS), SCORINGS.__contains__),
            taxonomy=_read(taxonomy, "name", "text", _is_text),
            prompt_digest=_read(taxonomy, "prompt", "text", _is_text),
            fit_report=None if fit is None else _read_fit_report(fit),
        )

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON values."""
        return {
            "schema": CALIBRATION_SCHEMA,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "objective": self.objective,
            "model": self.model,
            "template": self.template,
            "scoring": self.scoring,
            "taxonomy": {"name": self.taxonomy, "prompt": self.prompt_digest},
            "fit": None if self.fit_report is None else _fit_report_to_dict(self.fit_report),
        }

    def to_json(self) -> str:
        """The text of a file that `from_file` reads."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def apply(self, score: float) -> float:
        """The calibrated score of a raw one, both in [0, 1]."""
        return apply_temperature(score, self.temperature)

    def check_matches(self, judged_by: Provenance) -> None:
        """Check that scores were made by the model and the prompt of this calibration.

        Raises:
            GuardError: they were made by another model or another prompt.
        """
        if _model_digests(self.model) != _model_digests(judged_by.model):
            raise GuardError(
                f"the calibration was fitted for the model {self.model}, not for {judged_by.model}: fit one "
                "for it with guard eval --fit-calibration",
                code="calibration/other-model",
            )
        fitted_for, given = _describe_prompt(self), _describe_prompt(judged_by)
        if fitted_for != given:
            raise GuardError(
                f"the calibration was fitted for another prompt: {self.taxonomy} ({fitted_for}), and this one is "
                f"{judged_by.taxonomy} ({given}): fit one for it with guard eval --fit-calibration",
                code="calibration/other-prompt",
            )


def make_decision_rule(
    taxonomy: Taxonomy, *, threshold: float | None = None, calibration: Calibration | None = None
) -> DecisionRule:
    """The rule of a taxonomy for raw scores or, with a calibration, for calibrated ones.

    Thresholds are for the scores that are decided on: raw ones without a calibration, calibrated ones with it. The
    first of these is in force: `threshold`, that of the calibration, that of the taxonomy, 0.5. Categories keep their
    own.

    Raises:
        GuardError: the calibration and the taxonomy have thresholds that differ, and `threshold` is None.
    """
    if calibration is None:
        return DecisionRule.from_taxonomy(taxonomy, threshold)
    if threshold is None and calibration.threshold is not None:
        if taxonomy.threshold not in (None, calibration.threshold):
            raise GuardError(
                f"the taxonomy {taxonomy.name} has the threshold {taxonomy.threshold:g}, and the calibration "
                f"{calibration.threshold:g}: choose one with JudgeConfig.threshold, or remove that of the taxonomy",
                code="calibration/two-thresholds",
            )
        threshold = calibration.threshold
    rule = replace(DecisionRule.from_taxonomy(taxonomy, threshold), temperature=calibration.temperature)
    own = [f"{rule.threshold:g}"] if threshold is None and taxonomy.threshold is not None else []
    if own or rule.thresholds:
        thresholds = ", ".join([*own, *(f"{label} {value:g}" for label, value in rule.thresholds.items())])
        _log.warning("with a calibration, the thresholds of the taxonomy apply to calibrated scores: %s", thresholds)
    return rule


def _model_digests(identity: str) -> list[str]:
    """The digests of a model and its adapters, with their scales: names do not matter."""
    digests = [f"{digest}:{scale}" for digest, scale in _DIGESTS.findall(identity)]
    return digests or [identity]


def _describe_prompt(of: Calibration | Provenance) -> str:
    scoring = ", per category" if of.scoring == "per_category" else ""
    return f"prompt {of.prompt_digest}, template {of.template}{scoring}"


def _fit_report_to_dict(report: FitReport) -> dict[str, Any]:
    return {
        "records": report.num_samples,
        "unsafe": report.num_unsafe,
        "data": report.data_digest,
        "log_loss": report.log_loss._asdict(),
        "calibration_error": report.calibration_error._asdict(),
    }


def _read_fit_report(value: Mapping[str, Any]) -> FitReport:
    return FitReport(
        num_samples=_read(value, "records", "a number", _is_number),
        num_unsafe=_read(value, "unsafe", "a number", _is_number),
        data_digest=_read(value, "data", "text", _is_text),
        log_loss=_read_before_after(value, "log_loss"),
        calibration_error=_read_before_after(value, "calibration_error"),
    )


def _read_before_after(value: Mapping[str, Any], key: str) -> BeforeAfter:
    metric = _read(value, key, "an object", _is_object)
    return BeforeAfter(*(_read(metric, name, "a number", _is_number) for name in BeforeAfter._fields))


def _read(value: Mapping[str, Any], key: str, expected: str, fits: Callable[[Any], bool]) -> Any:
    if key not in value:
        raise ValueError(f"`{key}` is missing; expected {expected}")
    if not fits(value[key]):
        raise ValueError(f"expected {expected} for `{key}`")
    return value[key]


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
