"""The figures of an evaluation as JSON: all of them, unrounded."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from guardcli.evaluation import Comparison, Figures, Pick, Picks, Slice, Standing
from guardcli.evaluation.metrics import Interval
from guardcli.report.evaluation.tables import Report


def as_json(report: Report) -> str:
    """One object; where a figure has no meaning it is null."""
    evaluation = report.evaluation
    labelled = evaluation.labelled
    value = {
        "data": {
            "source": report.source,
            "records": len(labelled.samples),
            "unsafe": labelled.num_unsafe,
            "unreadable": len(labelled.unreadable),
            "left_out": dict(labelled.left_out),
            "read_as": dict(labelled.schemas),
        },
        "strict": evaluation.asked.strict,
        "resamples": evaluation.asked.resamples,
        "seed": evaluation.asked.seed,
        "systems": [_standing(report, standing) for standing in evaluation.standings],
        "comparisons": [_comparison(one) for one in evaluation.comparisons],
    }
    return json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False) + "\n"


def _standing(report: Report, standing: Standing) -> dict[str, Any]:
    system = standing.system
    return {
        "system": system.name,
        "threshold": system.threshold,
        "tokens": system.tokens,
        "seconds": system.seconds,
        **_figures(standing.figures),
        "categories": {
            one.label: {
                "unsafe": one.positives,
                "auprc_one_vs_all": _interval(one.one_vs_all),
                "auprc_one_vs_benign": _interval(one.one_vs_benign),
                "listed": one.listed,
            }
            for one in standing.categories
        },
        "means": None if standing.means is None else asdict(standing.means),
        "categories_unknown": dict(standing.unknown),
        "slices": [_slice(part) for part in standing.slices],
        "thresholds": [_picks(picks) for picks in standing.picks],
        "following": [asdict(one) | {"share": one.share} for one in report.followed.get(system.name, ())],
        "missed": [_place(report, at) for at in standing.missed],
        "false_alarms": [_place(report, at) for at in standing.alarms],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    calibration = figures.calibration
    return {
        "records": figures.items,
        "errors": figures.errors,
        "counts": asdict(figures.counts),
        "auprc": _interval(figures.auprc),
        "auroc": _interval(figures.auroc),
        "f1": _interval(figures.f1),
        "precision": _interval(figures.precision),
        "recall": _interval(figures.recall),
        "fpr": _interval(figures.fpr),
        "calibration_error": None if calibration is None else calibration.error,
        "brier": None if calibration is None else calibration.brier,
        "reason": figures.reason,
    }


def _slice(part: Slice) -> dict[str, Any]:
    gap = {"gap_to_english": _interval(part.gap), "gap_p": part.gap_p}
    return {"field": part.field, "value": part.value, "unsafe": part.unsafe, **_figures(part.figures), **gap}


def _picks(picks: Picks) -> dict[str, Any]:
    all_of: list[tuple[str | None, Pick]] = [(None, picks.overall), *picks.categories.items()]
    return {
        "aim": picks.aim.words,
        "choices": [
            {
                "category": name,
                "threshold": None if pick.choice is None else pick.choice.threshold,
                "counts": None if pick.choice is None else asdict(pick.choice.counts),
                "reason": pick.reason,
            }
            for name, pick in all_of
        ],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first, "system": one.other, "records": one.items, "auprc": _interval(one.auprc),
        "auprc_p": one.auprc_p, "only_it_is_right": one.mended, "only_the_first_is_right": one.broken,
        "mcnemar_p": one.mcnemar_p,
    }  # fmt: skip


def _place(report: Report, at: int) -> dict[str, Any]:
    key = report.evaluation.labelled.samples[at].key
    return {"source": key.source, "line": key.line, "part": key.part, "id": key.id}


def _interval(figure: Interval | None) -> dict[str, float] | None:
    return None if figure is None else asdict(figure)
