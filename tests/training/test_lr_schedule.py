"""The learning rate: its warm-up, and what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardcli.training.config import TrainConfig
from guardcli.training.lr_schedule import learning_rate

CONSTANT = TrainConfig(learning_rate=1.0)
LINEAR = replace(CONSTANT, lr_schedule="linear")
COSINE = replace(CONSTANT, lr_schedule="cosine")


def rates(config: TrainConfig, num_steps: int) -> list[float]:
    return [learning_rate(step, num_steps, config) for step in range(1, num_steps + 1)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CONSTANT, [1, 1, 1, 1, 1, 1, 1, 1]),
        (replace(CONSTANT, warmup_ratio=0.5), [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        (LINEAR, [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        (replace(LINEAR, warmup_ratio=0.5), [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]),
        (COSINE, [1, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381]),
        (replace(COSINE, warmup_ratio=0.5), [0.25, 0.5, 0.75, 1, 1, 0.8536, 0.5, 0.1464]),
        (replace(COSINE, warmup_ratio=0.99), [1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1, 1]),
    ],
)
def test_schedule_of_eight_steps(config: TrainConfig, expected: list[float]) -> None:
    assert rates(config, 8) == pytest.approx(expected, abs=1e-4)


def test_one_step_has_the_full_rate() -> None:
    assert rates(replace(COSINE, warmup_ratio=0.5), 1) == [1.0]
