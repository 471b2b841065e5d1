"""`guard models list`: the models that have a name, and those that are in the local caches."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from guardcli import environment
from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.models.local_models import LocalModel, local_models
from guardcli.models.registry import BUNDLED_MODELS, REGISTRY, BundledModel, RegisteredModel
from guardcli.report.model_report import format_local_models, format_registry


@click.command(
    "list",
    cls=GuardCommand,
    exits={0: "the list is written", 2: "wrong usage"},
    examples=("guard models list", "guard models list --local", "guard models list --format json"),
)
@click.option("--local", is_flag=True, help="List the models in the local caches of the Hugging Face hub and Ollama.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Write text for a terminal, or JSON.",
)
def list_(*, local: bool, format_: str) -> int:
    """List the models that have a name: get one with guard models pull NAME, and judge with -m NAME.

    Sizes are those of the smallest file that keeps 4 bits of a weight. Memory is for prompts of up to 8,192 tokens.
    A file of "-": no GGUF copy is known, and guard models pull NAME says what to convert.
    """
    if local:
        return _list_local(format_)
    if format_ == "json":
        output.write(_json([*BUNDLED_MODELS.values(), *REGISTRY.values()]))
    else:
        output.write(
            format_registry(
                REGISTRY.values(), BUNDLED_MODELS.values(), color=output.use_color(), width=output.table_width()
            )
        )
    return OK


def _list_local(format_: str) -> int:
    models = list(local_models())
    if format_ == "json":
        output.write(_json(models))
    elif models:
        output.write(format_local_models(models, color=output.use_color(), width=output.table_width()))
    else:
        output.echo_err(f"guard: no models in {environment.hub_cache()}, and none in {environment.ollama_models()}")
    return OK


def _json(models: Iterable[BundledModel | RegisteredModel | LocalModel]) -> str:
    return f"{json.dumps([model.to_dict() for model in models], indent=2)}\n"
