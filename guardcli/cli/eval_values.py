"""What the options of `guard eval` hold: an aim for a threshold, another tool's score, a map of categories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guardcli import formats
from guardcli.cli.options import ParsedOption
from guardcli.evaluation.datasets import CategoryMap
from guardcli.evaluation.metrics import AIMS, Aim, Wish


@dataclass(frozen=True, slots=True)
class ScoreField:
    """Another tool: what it is called, where in a record its score is, and from which score on it means unsafe."""

    name: str
    path: str
    threshold: float


class AimOption(ParsedOption[Aim]):
    """`f1`, or a promise to keep: `fpr=0.05`, `precision=0.9`, `recall=0.95`."""

    name = "aim"

    def parse(self, text: str) -> Aim:
        wish, equals, limit = text.partition("=")
        if wish == "f1" and not equals:
            return Aim("f1")
        try:
            number = float(limit)
        except ValueError:
            number = -1.0
        promised: Wish | None = next((one for one in AIMS if one == wish != "f1"), None)
        if promised is None or not 0 <= number <= 1:
            raise ValueError(f"{text!r} is no aim: write f1, fpr=0.05, precision=0.9 or recall=0.95")
        return Aim(promised, number)


class ScoreFieldOption(ParsedOption[ScoreField]):
    """`NAME=PATH`, or `NAME=PATH@0.7` with the threshold of that tool."""

    name = "score field"

    def parse(self, text: str) -> ScoreField:
        name, equals, place = text.partition("=")
        path, _, threshold = place.partition("@") if equals else (name, "", "")
        try:
            formats.parse_path(path)
            limit = float(threshold or 0.5)
            if not name or not 0 <= limit <= 1:
                raise ValueError("expected a name, and a threshold from 0 to 1")
            return ScoreField(name, path, limit)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}; write NAME=PATH, or NAME=PATH@0.7 with a threshold") from error


class MapOption(ParsedOption[CategoryMap]):
    """`JSON`, or `TAXONOMY=JSON` with the name of the taxonomy that the map is for."""

    name = "map"

    def parse(self, text: str) -> CategoryMap:
        policy, equals, path = text.partition("=")
        whole = not equals or Path(text).exists()  # a file's name may hold the sign
        return CategoryMap.load(Path(text)) if whole else CategoryMap.load(Path(path), policy)
