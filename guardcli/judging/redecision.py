"""Decide stored rows again with other thresholds or keys, without the model, as a new run would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from guardcli.errors import GuardError, InputError, setting
from guardcli.judging.calibration import Calibration, make_decision_rule
from guardcli.judging.decision import DecisionRule, TurnScores
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_terminal


def redecide(verdict: Verdict, rule: DecisionRule, *, provenance: Provenance | None = None) -> Verdict:
    """The row as `rule` decides it: what judging anew with that rule would give, to the flag and the category.

    With a `provenance` the row gets that one.

    Where the row does not tell what is needed, it gets a flag: "categories_not_read", "tolerance_unknown". Rows of
    schema 1 have one score for all messages of a record; their `turn` stays, and so do their categories.

    Raises:
        ValueError: thresholds by category, and the row has no score for each.
    """
    decided = verdict.redecided(rule, provenance=provenance)
    same_rule = DecisionRule(verdict.threshold, temperature=verdict.temperature) == rule
    if verdict.tolerance is None and same_rule:
        # The threshold is the one that "near_threshold" was said of.
        flags = [flag for flag in decided.flags if flag != "tolerance_unknown"]
        near = ["near_threshold"] if "near_threshold" in verdict.flags else []
        return replace(decided, flags=tuple(dict.fromkeys((*flags, *near))))
    return decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecision:
    """Decides the rows of a run again under an edited taxonomy.

    `labels` has the label that each label of the rows has now. Without a `calibration` the rows are decided on raw
    scores.
    """

    taxonomy: Taxonomy
    rule: DecisionRule
    labels: Mapping[str, str]
    calibration: Calibration | None = None

    @classmethod
    def from_taxonomy(
        cls,
        taxonomy: Taxonomy,
        *,
        threshold: float | None = None,
        before: Taxonomy | None = None,
        calibration: Calibration | None = None,
    ) -> Redecision:
        """Decide by an edited taxonomy; `before` is the one of the rows, where keys of categories were renamed.

        Raises:
            InputError: the model reads the two differently.
            GuardError: the calibration and the taxonomy have thresholds that differ, and `threshold` is None.
        """
        before = before or taxonomy
        if taxonomy.prompt_digest != before.prompt_digest:
            raise InputError(
                f"the policies {before.name} and {taxonomy.name} have different prompts, so stored scores cannot be "
                "used again: run guard check",
                code="row/other-policy",
            )
        return cls(
            taxonomy=taxonomy,
            rule=make_decision_rule(taxonomy, threshold=threshold, calibration=calibration),
            labels={category.label: taxonomy.labels[category.id] for category in before.categories},
            calibration=calibration,
        )

    def apply(self, verdict: Verdict) -> Verdict:
        """The row as the edited taxonomy decides it.

        Raises:
            InputError: the row was judged by another policy, or does not tell what is needed; or by another model or
                prompt than that of the calibration.
        """
        self._check_digest(verdict)
        self._check_calibration(verdict)
        self._check_complete(verdict)
        renamed = rename_labels(verdict, self.labels)
        try:
            return redecide(renamed, self.rule, provenance=_under(verdict.provenance, self.taxonomy))
        except ValueError as error:
            raise InputError(str(error), code="row/other-policy") from None

    def _check_complete(self, verdict: Verdict) -> None:
        """Refuse a row with scores by category that lacks one, and no error for it: nobody judged that category.

        Categories that are not asked about every message and every record may be missing.
        """
        always = [one for one in self.taxonomy.categories if one.role is None and one.needs is None]
        required = {old for old, new in self.labels.items() if new in {one.label for one in always}}
        for turn in verdict.scores.turns:
            if turn.category_scores is None or turn.error is not None:
                continue
            if missing := sorted(required - turn.category_scores.keys()):
                raise InputError(
                    f"it has no score for the category {missing[0]!r}: run guard check again", code="row/other-policy"
                )

    def _check_calibration(self, verdict: Verdict) -> None:
        if self.calibration is None:
            return
        try:
            self.calibration.check_matches(verdict.provenance)
        except GuardError as error:
            raise InputError(escape_terminal(str(error)), code=error.code) from None

    def _check_digest(self, verdict: Verdict) -> None:
        by = verdict.provenance
        if by.prompt_digest != self.taxonomy.prompt_digest:
            raise InputError(
                f"it was judged by another policy: expected the prompt digest {self.taxonomy.prompt_digest} of "
                f"{self.taxonomy.name}, got {escape_terminal(by.prompt_digest)} of {escape_terminal(by.taxonomy)}. "
                "Only thresholds can change without the model. After changes of names, descriptions, "
                "examples or the list of categories, run guard check again.",
                code="row/other-policy",
            )


def _under(provenance: Provenance, taxonomy: Taxonomy) -> Provenance:
    """The provenance with another taxonomy."""
    if (provenance.taxonomy, provenance.decision_digest) == (taxonomy.name, taxonomy.decision_digest):
        return provenance
    return replace(
        provenance,
        taxonomy=taxonomy.name,
        prompt_digest=taxonomy.prompt_digest,
        decision_digest=taxonomy.decision_digest,
    )


def rename_labels(verdict: Verdict, labels: Mapping[str, str]) -> Verdict:
    """The row with other labels for its categories.

    Raises:
        InputError: the row has a label that `labels` lacks.
    """
    known = labels_in_row(verdict)
    if unknown := sorted(known - labels.keys()):
        raise InputError(
            f"it names the category {unknown[0]!r}, which the policy lacks: name the old policy with "
            f"{setting('Redecision.from_taxonomy.before')}",
            code="row/other-policy",
        )
    if all(labels[label] == label for label in known):
        return verdict
    return replace(
        verdict,
        categories=_renamed(verdict.categories, labels),
        listed=_renamed(verdict.listed, labels),
        listed_scores=_renamed_scores(verdict.listed_scores, labels),
        category_scores=_renamed_scores(verdict.category_scores, labels),
        turns=tuple(
            replace(
                turn,
                listed=_renamed(turn.listed, labels),
                listed_scores=_renamed_scores(turn.listed_scores, labels),
                category_scores=_renamed_scores(turn.category_scores, labels),
            )
            for turn in verdict.turns
        ),
    )


def labels_in_row(verdict: Verdict) -> set[str]:
    """All labels of categories that a row has."""
    of_turns = (label for turn in verdict.turns for label in _labels_of(turn))
    return {*(verdict.categories or ()), *_labels_of(verdict), *of_turns}


def _labels_of(scores: Verdict | TurnScores) -> set[str]:
    return {*(scores.listed or ()), *(scores.listed_scores or ()), *(scores.category_scores or ())}


def _renamed(labels: tuple[str, ...] | None, names: Mapping[str, str]) -> tuple[str, ...] | None:
    return None if labels is None else tuple(names[label] for label in labels)


def _renamed_scores(scores: Mapping[str, float] | None, names: Mapping[str, str]) -> dict[str, float] | None:
    return None if scores is None else {names[label]: score for label, score in scores.items()}
