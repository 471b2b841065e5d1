"""Labelled items and what systems say of them → the figures of an evaluation. It reads no file and writes nothing."""

from __future__ import annotations

from guardcli.evaluation.categories import CategoryFigures, Means, Natives
from guardcli.evaluation.evaluate import Asked, Comparison, Evaluation, Pick, Picks, Standing, evaluate
from guardcli.evaluation.figures import Figures
from guardcli.evaluation.follow import Following, follow
from guardcli.evaluation.outcomes import Outcome, System, of_field, of_rows, unscored
from guardcli.evaluation.slices import Slice, sliced

__all__ = [
    "Asked",
    "CategoryFigures",
    "Comparison",
    "Evaluation",
    "Figures",
    "Following",
    "Means",
    "Natives",
    "Outcome",
    "Pick",
    "Picks",
    "Slice",
    "Standing",
    "System",
    "evaluate",
    "follow",
    "of_field",
    "of_rows",
    "sliced",
    "unscored",
]
