"""The options of every command that judges with a model, and the `Guard` that they describe."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from guardcli.classifier import Guard, Settings, default_threshold
from guardcli.conversation import Role
from guardcli.engine import Options
from guardcli.errors import ModelError
from guardcli.model import Model, Offload, keep_log
from guardcli.prompt import TEMPLATES
from guardcli.taxonomy import Taxonomy
from guardcli.turns import TARGETS, Target

F = TypeVar("F", bound=Callable[..., Any])

NO_MODEL = """no model named: give one with -m/--model, or in GUARD_MODEL.

Llama Guard is published by Meta under its own licence. Accept it on the model's page on Hugging Face
(meta-llama/Llama-Guard-3-8B, or -3-1B), then take a GGUF of it, or make one with llama.cpp:
  python convert_hf_to_gguf.py Llama-Guard-3-8B --outtype q8_0 --outfile llama-guard-3-8b-q8_0.gguf
guard never guesses who protects you."""


class _Probability(click.FloatRange):
    """A number in [0, 1]. click's own range lets NaN pass, above which nothing would ever be unsafe."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


_OPTIONS = (
    click.option("-m", "--model", envvar="GUARD_MODEL", metavar="GGUF", help="The model  [env: GUARD_MODEL]"),
    click.option(
        "-t",
        "--taxonomy",
        envvar="GUARD_TAXONOMY",
        metavar="NAME|YAML",
        help="The policy: a shipped taxonomy or a file; the model's own if left out  [env: GUARD_TAXONOMY]",
    ),
    click.option("--template", type=click.Choice(list(TEMPLATES)), help="Say which prompt the model was trained on."),
    click.option(
        "--target",
        type=click.Choice(TARGETS),
        default="any",
        show_default=True,
        help="What is judged: every message (any), the last one, the last of a role, or each in a row of its own.",
    ),
    click.option(
        "--threshold", type=_Probability(), metavar="P", help="Unsafe from this score on; else the taxonomy's, or 0.5."
    ),
    click.option(
        "--as-user",
        type=click.Choice(["system", "tool"]),
        multiple=True,
        help="Judge system or tool text as if the user had written it; else it is left out and counted.",
    ),
    click.option("--scores", is_flag=True, help="For every row, the probability of each category to be listed first."),
    click.option("--keep", multiple=True, metavar="FIELD", help="Copy a field of the record into the row's meta."),
    click.option("--show-text", is_flag=True, help="Put the judged message into the row."),
    click.option(
        "--gpu",
        type=click.Choice(["auto", "require", "off"]),
        default="auto",
        show_default=True,
        help="Use a GPU if there is one, or fail without, or never.",
    ),
    click.option("--gpu-layers", type=click.IntRange(min=0), metavar="N", help="Offload only so many layers."),
    click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads; all cores if left out."),
    click.option("--ctx-size", type=click.IntRange(min=256), metavar="N", help="The longest prompt in tokens."),
    click.option("--parallel", type=click.IntRange(min=1, max=222), metavar="N", help="Prompts evaluated at a time."),
    click.option("--force", is_flag=True, help="Judge with a model that does not answer with a verdict."),
    click.option("-v", "--verbose", is_flag=True, help="Tell what is chosen, and what llama.cpp says."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judging:
    """The options' values, by the options' names."""

    model: str | None
    taxonomy: str | None
    template: str | None
    target: Target
    threshold: float | None
    as_user: tuple[Role, ...]
    scores: bool
    keep: tuple[str, ...]
    show_text: bool
    gpu: Any
    gpu_layers: int | None
    threads: int | None
    ctx_size: int | None
    parallel: int | None
    force: bool
    verbose: bool

    def open(self) -> Guard:
        """Load the taxonomy, then the model. Raises GuardError, with what to do."""
        if not self.model:
            raise ModelError(NO_MODEL)
        if self.verbose:
            keep_log(lambda text: click.echo(text, err=True, nl=False))
        taxonomy = Taxonomy.load(self.taxonomy) if self.taxonomy else None
        offload = Offload(self.gpu, self.gpu_layers)
        model = Model.load(self.model, generation=self.template, offload=offload, cache=_cache())
        taxonomy = taxonomy or Taxonomy.load(TEMPLATES[model.generation].taxonomy)
        guard = Guard(
            model,
            taxonomy,
            settings=self._settings(taxonomy),
            options=Options(self.ctx_size, self.parallel, self.threads),
            force=self.force,
        )
        if self.verbose:
            click.echo(f"guard: {model.identity}, template {guard.template.name}, taxonomy {taxonomy.name}", err=True)
        return guard

    def _settings(self, taxonomy: Taxonomy) -> Settings:
        return Settings(
            target=self.target,
            threshold=default_threshold(taxonomy) if self.threshold is None else self.threshold,
            as_user=frozenset(self.as_user),
            scores=self.scores,
            keep=self.keep,
            text=self.show_text,
        )


def judging_options(command: F) -> F:
    """Give a command the options; it takes them as keyword arguments, for `Judging(**options)`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _cache() -> Path:
    """Where digests of models are remembered."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "guardcli" / "models.json"
