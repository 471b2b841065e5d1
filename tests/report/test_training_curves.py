"""The curves of a training run: coordinates by hand, and a file that any viewer reads."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from guardcli.report.training_curves import HEIGHT, WIDTH, draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def lines(svg: str) -> list[list[tuple[float, float]]]:
    root = ElementTree.fromstring(svg)
    points = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    return [[tuple(map(float, point.split(","))) for point in line] for line in points]  # type: ignore[misc]


def test_scores_span_their_lowest_and_1() -> None:
    svg = draw_curves([{"step": 0, "auprc": 0.5}, {"step": 50, "auprc": 0.75}, {"step": 100, "auprc": 1.0}])
    assert lines(svg) == [[(0, HEIGHT), (WIDTH / 2, HEIGHT / 2), (WIDTH, 0)]]
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts == ["AUPRC of the held-out examples", "1", "0.5", "0", "100 steps"]


def test_losses_are_drawn_on_a_logarithmic_scale_and_smoothed() -> None:
    entries = [{"step": step, "loss": 9.0, "verdict_loss": loss} for step, loss in enumerate((8, 4, 2, 1), start=1)]
    raw, smoothed = lines(draw_curves(entries))
    assert [round(y, 1) for _, y in raw] == [0, round(HEIGHT / 3, 1), round(2 * HEIGHT / 3, 1), HEIGHT]
    assert smoothed[0] == raw[0]
    assert all(left[1] < right[1] for left, right in pairwise(smoothed))
    assert smoothed[-1][1] < raw[-1][1]  # the mean of all four is above the last


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_one_step_and_a_loss_of_zero_can_be_drawn(loss: float) -> None:
    raw, _ = lines(draw_curves([{"step": 1, "loss": loss}]))
    assert raw == [(WIDTH, HEIGHT)]
