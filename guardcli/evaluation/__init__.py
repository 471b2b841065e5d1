"""Labelled items and what systems say of them → the figures of an evaluation. It reads no file and writes nothing."""

from __future__ import annotations

from guardcli.evaluation.ablation import Following, follow
from guardcli.evaluation.categories import CategoryFigures, Means, Natives
from guardcli.evaluation.evaluate import Asked, Comparison, Evaluation, Pick, Picks, Standing, evaluate
from guardcli.evaluation.slices import Slice, sliced
from guardcli.evaluation.system_metrics import Figures
from guardcli.evaluation.systems import Outcome, System, of_field, of_rows, unscored

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
