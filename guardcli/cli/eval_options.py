"""The values of `guard eval`'s options: a threshold objective, another tool's score, a map of categories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guardcli import formats
from guardcli.cli.options import ParsedOption
from guardcli.cli.probability import parse_fraction
from guardcli.evaluation.datasets import CategoryMap
from guardcli.evaluation.metrics import OBJECTIVE_METRICS, ObjectiveMetric, ThresholdObjective


@dataclass(frozen=True, slots=True)
class ScoreField:
    """Another tool: what it is called, where in a record its score is, and from which score on it means unsafe."""

    name: str
    path: str
    threshold: float


class ThresholdObjectiveOption(ParsedOption[ThresholdObjective]):
    """`f1`, or a metric with its target: `fpr=0.05`, `precision=0.9`, `recall=0.95`."""

    name = "objective"

    def parse(self, text: str) -> ThresholdObjective:
        name, equals, target = text.partition("=")
        if name == "f1" and not equals:
            return ThresholdObjective("f1")
        fraction = parse_fraction(target)
        metric: ObjectiveMetric | None = next((one for one in OBJECTIVE_METRICS if one == name != "f1"), None)
        if metric is None or fraction is None:
            raise ValueError(f"invalid objective {text!r}; expected f1, fpr=0.05, precision=0.9 or recall=95%")
        return ThresholdObjective(metric, float(fraction))


class ScoreFieldOption(ParsedOption[ScoreField]):
    """`NAME=PATH`, or `NAME=PATH@0.7` with the threshold of that tool."""

    name = "score field"

    def parse(self, text: str) -> ScoreField:
        name, equals, place = text.partition("=")
        path, _, threshold = place.partition("@") if equals else (name, "", "")
        try:
            formats.parse_path(path)
            limit = parse_fraction(threshold or "0.5")
            if not name or limit is None:
                raise ValueError("expected a name, and a threshold from 0 to 1")
            return ScoreField(name, path, float(limit))
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}; write NAME=PATH, or NAME=PATH@0.7 with a threshold") from error


class MapOption(ParsedOption[CategoryMap]):
    """`JSON`, or `TAXONOMY=JSON` with the name of the taxonomy that the map is for."""

    name = "map"

    def parse(self, text: str) -> CategoryMap:
        policy, equals, path = text.partition("=")
        whole = not equals or Path(text).exists()  # a file's name may hold the sign
        return CategoryMap.load(Path(text)) if whole else CategoryMap.load(Path(path), policy)
