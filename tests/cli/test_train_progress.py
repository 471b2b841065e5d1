"""What `guard tune train` shows while it trains: the bar, the last step's figures, the pace and the time left."""

from __future__ import annotations

import pytest

from guardcli.cli.tune.train import TrainStatus
from guardcli.training.loop import TrainProgress


def status(*steps: TrainProgress) -> TrainStatus:
    """What stands after these steps."""
    found = TrainStatus()
    for step in steps:
        found.update(step)
    return found


def test_before_the_first_step() -> None:
    assert TrainStatus().line() == "before the first step"


def test_a_run_in_its_midst() -> None:
    """1,000 steps since it began, 2 seconds each."""
    shown = status(TrainProgress(0, 4000, None, 0.5), TrainProgress(1000, 4000, 0.12345))
    assert shown.line(shown.began + 2000) == (
        "[#####...............] 1,000/4,000, loss 0.1235, 2.00 s a step, 1:40:00 left"
    )


def test_a_run_that_goes_on_counts_its_own_steps() -> None:
    shown = status(TrainProgress(90, 100, 0.5), TrainProgress(95, 100, 0.25, 0.75))
    assert shown.line(shown.began + 10) == (
        "[###################.] 95/100, loss 0.2500, held-out AUPRC 0.7500, 2.00 s a step, 0:00:10 left"
    )


@pytest.mark.parametrize(("step", "bar"), [(0, "." * 20), (50, "#" * 10 + "." * 10), (100, "#" * 20)])
def test_the_bar(step: int, bar: str) -> None:
    assert status(TrainProgress(step, 100, 1.0)).line().startswith(f"[{bar}] {step}/100, ")
