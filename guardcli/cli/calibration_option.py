"""The option of commands that apply a calibration."""

from __future__ import annotations

from pathlib import Path

import click

calibration_option = click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Calibrate scores as guard eval --fit-calibration has written; thresholds are then for calibrated ones.",
)
