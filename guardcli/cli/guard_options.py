"""The options of commands that judge with a model, and the `Guard` that they configure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from guardcli.cli import inputs, output
from guardcli.cli.adapter_option import AdapterOption
from guardcli.cli.cache_path import cache_path
from guardcli.cli.calibration_option import calibration_option
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.options import add_options
from guardcli.cli.probability import Probability
from guardcli.conversation import Role
from guardcli.engine import MAX_PARALLEL, EngineConfig, FlashAttention
from guardcli.errors import ModelError
from guardcli.judging import Calibration, Guard, JudgeConfig
from guardcli.judging.preparation import MAX_RECORD_TOKENS
from guardcli.models import Adapter, Gpu, Model, ModelConfig, set_log_sink
from guardcli.models.interruption import default_sigint
from guardcli.prompts import TEMPLATES
from guardcli.prompts.turns import TARGETS, Target
from guardcli.taxonomy import Taxonomy

F = TypeVar("F", bound=Callable[..., Any])

NO_MODEL = (
    "no model named: give one with -m/--model, or in GUARD_MODEL.",
    "",
    "  guard models list                     the models that have a name, and what they need",
    "  guard models pull llama-guard-3-1b    download one; -m llama-guard-3-1b then judges with it",
    "guard never guesses who protects you. To try it out: -m starter, a demonstration model that comes with it.",
)


_taxonomy_name = click.option(
    "-t",
    "--taxonomy",
    envvar="GUARD_TAXONOMY",
    metavar="NAME|YAML",
    help="The policy: a shipped taxonomy or a file; the model's own if left out  [env: GUARD_TAXONOMY]",
)

_model_option = click.option(
    "-m",
    "--model",
    envvar="GUARD_MODEL",
    metavar="MODEL",
    help="A GGUF file, or a name of guard models list  [env: GUARD_MODEL]",
)

_ENGINE_OPTIONS = (
    click.option(
        "--lora",
        type=AdapterOption(),
        multiple=True,
        metavar="GGUF[:SCALE]",
        help="An adapter to put on it, as guard tune export writes them. Repeatable.",
    ),
    click.option("--template", type=click.Choice(list(TEMPLATES)), help="Say which prompt the model was trained on."),
    click.option(
        "--threshold", type=Probability(), metavar="P", help="Unsafe from this score on; else the taxonomy's, or 0.5."
    ),
    calibration_option,
    click.option(
        "--per-category",
        is_flag=True,
        help="Ask about one category at a time, by a prompt each; a taxonomy with thresholds by category does so.",
    ),
    click.option(
        "--max-record-tokens",
        type=click.IntRange(min=1),
        default=MAX_RECORD_TOKENS,
        show_default=True,
        metavar="N",
        help="A record that takes more evaluated tokens is an error.",
    ),
    click.option(
        "--gpu",
        type=click.Choice(["auto", "require", "off"]),
        default="auto",
        show_default=True,
        help="Use a GPU if there is one, or fail without, or never.",
    ),
    click.option("--gpu-layers", type=click.IntRange(min=0), metavar="N", help="Offload only so many layers."),
    click.option("--threads", type=click.IntRange(1, 512), metavar="N", help="CPU threads; all cores if left out."),
    click.option("--ctx-size", type=click.IntRange(256, 1 << 24), metavar="N", help="The longest prompt in tokens."),
    click.option("--batch-size", type=click.IntRange(1, 1 << 20), metavar="N", help="Tokens of a batch."),
    click.option("--ubatch-size", type=click.IntRange(1, 1 << 20), metavar="N", help="Of these, evaluated at once."),
    click.option(
        "--flash-attention",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="llama.cpp's faster attention, where the device has it.",
    ),
    click.option("--parallel", type=click.IntRange(1, MAX_PARALLEL), metavar="N", help="Prompts evaluated at a time."),
    click.option(
        "--reproducible",
        is_flag=True,
        help="Score each record in one and the same shape: the same bits in any file and order, and slower.",
    ),
    click.option("--force", is_flag=True, help="Judge with a model that does not answer with a verdict."),
    click.option("-v", "--verbose", is_flag=True, help="Tell what is chosen, and what llama.cpp says."),
)

_RECORD_OPTIONS = (
    click.option(
        "--target",
        type=click.Choice(TARGETS),
        default="any",
        show_default=True,
        help="What is judged: every message (any), the last one, the last of a role, or each in a row of its own.",
    ),
    inputs.as_user_option,
    click.option("--scores", is_flag=True, help="For every row, the probability of each category to be listed first."),
    click.option("--keep", multiple=True, metavar="FIELD", help="Copy a field of the record to meta. Repeatable."),
    click.option("--show-text", is_flag=True, help="Put the judged message into the row."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """The values of the options, by their names."""

    model: str | None
    template: str | None
    threshold: float | None
    per_category: bool
    max_record_tokens: int
    gpu: Gpu
    gpu_layers: int | None
    threads: int | None
    ctx_size: int | None
    batch_size: int | None
    ubatch_size: int | None
    flash_attention: FlashAttention
    parallel: int | None
    reproducible: bool
    force: bool
    verbose: bool
    calibration: Path | None = None
    lora: tuple[Adapter, ...] = ()
    taxonomy: str | None = None
    extends_root: Path | None = None
    target: Target = "any"
    as_user: tuple[Role, ...] = ()
    scores: bool = False
    keep: tuple[str, ...] = ()
    show_text: bool = False

    def open(self, taxonomy: Taxonomy | None = None, *, model: Model | None = None) -> Guard:
        """Return a guard; load the model and the taxonomy unless they are given. Raises GuardError."""
        model_config = self.model_config()
        with default_sigint():
            guard = Guard(
                model or model_config,
                taxonomy or self.load_taxonomy(),
                config=self.judge_config(),
                engine=self.engine_config(),
                cache=cache_path(),
            )
        self.show_settings(guard)
        return guard

    def load(self) -> Model:
        """Load the model alone, to share it between guards. Raises GuardError."""
        model_config = self.model_config()
        with default_sigint():
            return model_config.load(cache=cache_path())

    def files(self) -> list[Path]:
        """Return the files of the model, the adapters, the taxonomy and the calibration.

        Raises GuardError: no such taxonomy.
        """
        models = [self.model] if self.model else []
        files = guard_files(models, self.lora, list(filter(None, [self.load_taxonomy()])))
        return [*files, *([self.calibration] if self.calibration else [])]

    def load_taxonomy(self) -> Taxonomy | None:
        """Load the taxonomy; None stands for the model's own. Raises GuardError."""
        if self.taxonomy is None:  # an empty name is not "none", but an error
            return None
        return Taxonomy.load(self.taxonomy, extends_root=self.extends_root)

    def show_settings(self, guard: Guard) -> None:
        """Show what is chosen, with --verbose."""
        if self.verbose:
            settings = f"template {guard.template.name}, taxonomy {guard.taxonomy.name}"
            calibration = guard.config.calibration
            of = "" if calibration is None else f" of the score at temperature {calibration.temperature}"
            output.echo_err(f"guard: {guard.model.identity}, {settings}, threshold {guard.threshold}{of}")

    def model_config(self) -> ModelConfig:
        """Set up the log and return what is loaded. Raises ModelError if no model is named."""
        if not self.model:
            raise ModelError(*NO_MODEL, code="model/not-named")
        if self.verbose:
            set_log_sink(output.echo_err_log)
        output.show_log(verbose=self.verbose)
        return ModelConfig(
            self.model, template=self.template, adapters=self.lora, gpu=self.gpu, gpu_layers=self.gpu_layers
        )

    def engine_config(self) -> EngineConfig:
        """Return how an engine is opened."""
        return EngineConfig(
            ctx_size=self.ctx_size,
            parallel=self.parallel,
            threads=self.threads,
            reproducible=self.reproducible,
            batch_size=self.batch_size,
            ubatch_size=self.ubatch_size,
            flash_attention=self.flash_attention,
        )

    def judge_config(self) -> JudgeConfig:
        """Return what is judged of a record, and what its row contains. Raises InputError: no such calibration."""
        return JudgeConfig(
            target=self.target,
            threshold=self.threshold,
            calibration=Calibration.from_file(self.calibration) if self.calibration else None,
            as_user=frozenset(self.as_user),
            scores=self.scores,
            per_category=self.per_category,
            max_record_tokens=self.max_record_tokens,
            keep=self.keep,
            text=self.show_text,
            force=self.force,
        )


def guard_files(models: Iterable[str], adapters: Iterable[Adapter], policies: Iterable[Taxonomy]) -> list[Path]:
    """Return the files of models (all parts of a split one), adapters, and policies with those that they extend."""
    return [
        *(file for model in models for file in ModelConfig(model).files),
        *(adapter.path for adapter in adapters),
        *(Path(file) for policy in policies for file in policy.files),
    ]


def model_options(command: F) -> F:
    """Add the options of the model and the engine: the keyword arguments of `GuardOptions`."""
    return add_options(command, (_model_option, *_ENGINE_OPTIONS))


def engine_options(command: F) -> F:
    """Add the options of the engine without `--model`, for a command that takes several models."""
    return add_options(command, _ENGINE_OPTIONS)


def taxonomy_option(command: F) -> F:
    """Add the options of a command's one taxonomy."""
    return add_options(command, (_taxonomy_name, extends_root_option))


def record_options(command: F) -> F:
    """Add the options that say what is judged in a record, and what its row contains."""
    return add_options(command, _RECORD_OPTIONS)
