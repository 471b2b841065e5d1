"""The option of commands that apply a calibration."""

from __future__ import annotations

from pathlib import Path

import click

calibration_option = click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Apply the calibration of guard eval --fit-calibration. Thresholds are then for calibrated scores.",
)
