"""`guard doctor`: what is installed, what is offloaded, does the model answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from guardcli.cli import output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.guard_options import GuardOptions, model_options, taxonomy_option
from guardcli.errors import as_options
from guardcli.judging import diagnostics
from guardcli.judging.diagnostics import Check
from guardcli.judging.memory_checks import (
    AvailableMemory,
    free_memory_check,
    known_models_check,
    model_memory_check,
)
from guardcli.models.model_info import examine
from guardcli.models.registry import REGISTRY
from guardcli.text.escaping import escape_line


@click.command(
    cls=GuardCommand,
    exits={0: "no problem was found", 1: "the model has a problem", 2: "the model cannot be loaded"},
    examples=("guard doctor", "guard doctor -m smol"),
)
@model_options
@taxonomy_option
def doctor(**options: Any) -> int:
    """Check the installation, the memory and GPU offload, and say which models fit; with -m, whether the model fits and
    answers with verdicts, and how fast."""
    guard_options = GuardOptions(**options)
    available = AvailableMemory.measure(guard_options.gpu)
    passed = [_write_check(check) for check in (*diagnostics.installation(), free_memory_check(available))]
    if guard_options.model:
        passed += [_write_check(check) for check in _check_model(guard_options, available)]
    else:
        _write_check(known_models_check(REGISTRY.values(), available))
        output.write("model: not checked (name one with -m)\n")
    return OK if all(passed) else FINDINGS


def _check_model(guard_options: GuardOptions, available: AvailableMemory) -> Iterator[Check]:
    taxonomy = guard_options.load_taxonomy()  # its errors come before those of a model that takes long to examine
    config = guard_options.model_config()
    info = examine(config.model, adapters=config.adapters, cache=cache_path())
    yield model_memory_check(
        info, available, max_prompt_tokens=guard_options.max_prompt_tokens, gpu_layers=guard_options.gpu_layers
    )
    with replace(guard_options, allow_unverified_model=True).open(taxonomy) as guard:
        yield from diagnostics.model(guard)


def _write_check(check: Check) -> bool:
    """Write the line of a check, and return whether it passed."""
    mark = "" if check.good else "  <- WRONG"
    advice = "" if check.good and "\n" not in check.advice else f"\n  {as_options(check.advice)}"
    output.write(f"{check.name}: {escape_line(check.value)}{mark}{advice}\n")
    return check.good
