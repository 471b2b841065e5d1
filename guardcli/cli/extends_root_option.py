"""The option `--extends-root` of commands that read policies: the folder whose files `extends` may name."""

from __future__ import annotations

from pathlib import Path

import click

extends_root_option = click.option(
    "--extends-root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Let policies extend files anywhere below DIR. Default: only in and below their own folder.",
)
