"""A picture of a training run: the loss of each step, and the AUPRC of the held-out examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log
from typing import Any

from guardcli.report.html_page import render

WIDTH, HEIGHT = 560, 160  # of a chart, in pixels

_LEAST_LOSS = 1e-6  # drawn for smaller ones

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a value over steps.

    `points` and `smoothed` are coordinates in pixels, from the upper left corner, in SVG's notation; `smoothed` is ""
    where every value is drawn as a dot. `low` and `high` are the values at the lower and the upper edge.
    """

    title: str
    points: str
    smoothed: str
    low: float
    high: float


def draw_curves(entries: Sequence[Mapping[str, Any]]) -> str:
    """Draw the entries of a run's log as an SVG file, with a chart of each kind of value that they have.

    Raises:
        ValueError: there are no entries.
    """
    last = max(entry["step"] for entry in entries)
    losses = _values(entries, "verdict_loss") or _values(entries, "loss")
    charts = []
    if losses:
        charts.append(_loss_chart(losses, last))
    if scores := _values(entries, "auprc"):
        title, low = "AUPRC of the held-out examples", min(value for _, value in scores)
        charts.append(Chart(title, _svg_points(scores, low, 1.0, last), "", low, 1.0))
    return render("curves.svg", {"charts": charts, "last": last, "width": WIDTH, "height": HEIGHT})


def _values(entries: Sequence[Mapping[str, Any]], name: str) -> list[Point]:
    return [(entry["step"], entry[name]) for entry in entries if name in entry]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of each value and those before it, over a twentieth of the run or five steps."""
    window = max(5, len(points) // 20)
    sums = [0.0, *accumulate(value for _, value in points)]
    firsts = [max(0, at - window + 1) for at in range(len(points))]
    return [
        (step, (sums[at + 1] - sums[first]) / (at + 1 - first))
        for at, (first, (step, _)) in enumerate(zip(firsts, points, strict=True))
    ]


def _loss_chart(losses: Sequence[Point], last: int) -> Chart:
    """The losses on a logarithmic scale: they fall by an order of magnitude while a model learns the answer's form."""
    positive = [(step, max(value, _LEAST_LOSS)) for step, value in losses]
    smoothed = _smooth(positive)
    low, high = min(value for _, value in positive), max(value for _, value in positive)
    points, curve = (
        _svg_points([(step, log(value)) for step, value in values], log(low), log(high), last)
        for values in (positive, smoothed)
    )
    return Chart("loss of the verdict (logarithmic)", points, curve, low, high)


def _svg_points(points: Sequence[Point], low: float, high: float, last: int) -> str:
    span = (high - low) or 1.0
    return " ".join(
        f"{WIDTH * step / max(last, 1):.1f},{HEIGHT * (1 - (value - low) / span):.1f}" for step, value in points
    )
