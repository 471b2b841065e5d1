"""`guard models info`: what a model is, what it needs, and whether guard can judge with it."""

from __future__ import annotations

import json

import click

from guardcli.cli import output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.progress_line import ProgressLine
from guardcli.models.lookup import find_model
from guardcli.models.model_info import examine
from guardcli.report.model_report import format_model_info


@click.command(
    cls=GuardCommand,
    exits={
        0: "guard can judge with the model",
        1: "guard would refuse to judge with it",
        2: "wrong usage, or a file that cannot be read or is damaged",
    },
    examples=("guard models info smol", "guard models info smol --format json"),
)
@click.argument("model", metavar="MODEL")
@click.option("--gpu-layers", type=click.IntRange(min=0), metavar="N", help="Estimate memory for N layers on the GPU.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Write text for a terminal, or JSON.",
)
def info(*, model: str, gpu_layers: int | None, format_: str) -> int:
    """Show what MODEL is: a GGUF file, or a name that -m takes.

    Nothing is loaded; the file is read once to compute its digest.
    """
    path = find_model(model)
    with ProgressLine(lambda: f"reading {path} to compute its digest"):
        examined = examine(model, cache=cache_path())
    layers = [0, examined.n_layers + 1] if gpu_layers is None else [gpu_layers]
    if format_ == "json":
        output.write(f"{json.dumps(examined.to_dict(layers), indent=2)}\n")
    else:
        output.write(format_model_info(examined, layers, color=output.use_color(), width=output.table_width()))
    return FINDINGS if examined.problems else OK
