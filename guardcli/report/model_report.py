"""A model's files in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from guardcli.errors import as_options
from guardcli.models.local_models import LocalModel
from guardcli.models.memory import MemoryEstimate
from guardcli.models.model_info import ModelInfo
from guardcli.models.registry import BundledModel, RegisteredModel
from guardcli.report.terminal import Cell, format_styled, format_table
from guardcli.text.escaping import escape_terminal, pluralize
from guardcli.text.lists import join_words


def format_model_info(info: ModelInfo, gpu_layers: Sequence[int], *, color: bool = False, width: int = 120) -> str:
    """Format what is known of a model: a line a fact, a table of memory, and what is wrong with it."""
    facts = "".join(f"{name:<15}{escape_terminal(value)}\n" for name, value in _facts(info))
    problems = (format_styled(f"problem: {as_options(problem)}", "bold red", color=color) for problem in info.problems)
    warnings = (format_styled(f"warning: {as_options(warning)}", "yellow", color=color) for warning in info.warnings)
    return "".join((facts, "\n", _memory_table(info, gpu_layers, color=color, width=width), *problems, *warnings))


def format_registry(
    models: Iterable[RegisteredModel], bundled: Iterable[BundledModel] = (), *, color: bool = False, width: int = 120
) -> str:
    """Format the models that have a name: a row each, the bundled ones first."""
    headings = ["name", "file", "memory", "license", "reads", "judges", "files from"]
    return format_table(
        headings,
        [*map(_bundled_row, bundled), *map(_registered_row, models)],
        color=color,
        width=width,
        right=(1, 2),
        no_wrap=(0, 1, 2),
        optional=(6, 4),
    )


def format_local_models(models: Iterable[LocalModel], *, color: bool = False, width: int = 120) -> str:
    """Format models of the local caches: what `-m` takes, and what it is; and below what is wrong with any."""
    models = list(models)
    headings = ["-m", "name", "size", "quantization", "family"]
    rows = [
        [model.reference, model.name or "-", format_gb(model.n_bytes), model.quantization or "-", model.family or "-"]
        for model in models
    ]
    problems = (
        format_styled(f"problem: {as_options(model.problem)}", "bold red", color=color)
        for model in models
        if model.problem
    )
    return "".join((format_table(headings, rows, color=color, width=width, right=(2,), no_wrap=(0,)), *problems))


def _bundled_row(model: BundledModel) -> list[Cell]:
    return [
        model.name,
        f"{format_gb(model.n_bytes)} {model.quantization}",
        format_gb(model.memory),
        model.license,
        model.policy,
        ("yes", "green"),
        model.base.install,
    ]


def _registered_row(model: RegisteredModel) -> list[Cell]:
    """Sizes are those of the smallest published file that keeps at least 4 bits of a weight; "-" if none is known."""
    quantization, n_bytes = model.smallest_file or ("", 0.0)
    return [
        model.name,
        f"{format_gb(n_bytes)} {quantization}" if n_bytes else "-",
        format_gb(model.memory(n_bytes)) if n_bytes and model.kv_bytes_per_token else "-",
        f"{model.license}{', gated' if model.gate else ''}",
        model.policy,
        ("yes", "green") if model.is_judged_with else "not yet",
        next(iter(model.repositories), "-"),
    ]


def format_gb(n_bytes: float) -> str:
    """Format bytes as gigabytes, and what is less than 10 megabytes as megabytes.

    >>> format_gb(4.92e9), format_gb(7_600_000)
    ('4.92 GB', '7.6 MB')
    """
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e7 else f"{n_bytes / 1e6:.1f} MB"


def _facts(info: ModelInfo) -> Iterator[tuple[str, str]]:
    yield "model", info.name or info.path.name
    for part in info.parts:
        yield "file", str(part)
    yield "size", format_gb(info.n_bytes)
    yield "sha256", info.digest
    for adapter in info.adapters:
        yield "adapter", f"{adapter.path}, {format_gb(adapter.n_bytes)}, sha256 {adapter.digest}"
    if info.family:
        yield "family", f"{info.family}, recognized by {info.recognized_by}"
        yield "judges", f"messages of {join_words((f'{role}s' for role in info.judges), limit=9, conjunction='and')}"
    else:
        yield "family", "not recognized"
    yield "architecture", f"{info.architecture}, {pluralize(info.n_layers, 'layer')}, {_weights(info.n_weights)}"
    yield "quantization", _quantization(info)
    if info.n_ctx_train:
        yield "context", f"{info.n_ctx_train:,} tokens"
    yield "tokenizer", f"{info.tokenizer}, {info.pretokenizer or 'no pre-tokenizer'}, {info.n_tokens:,} tokens"
    yield "chat template", info.chat_template or "none"


def _weights(number: int) -> str:
    return f"{number / 1e9:.2f} B parameters" if number >= 1e7 else f"{number:,} parameters"


def _quantization(info: ModelInfo) -> str:
    shares = (f"{name} {number / max(info.n_weights, 1):.0%}" for name, number in info.tensor_types.items())
    imatrix = f"; importance matrix {info.imatrix}" if info.imatrix else ""
    unpacked = "; unpacked into F16 to judge with" if info.unpacked else ""
    return f"{info.quantization} ({', '.join(shares)}){imatrix}{unpacked}"


def _memory_table(info: ModelInfo, gpu_layers: Sequence[int], *, color: bool, width: int) -> str:
    headings = ["prompts of up to", *(_layers_heading(info, layers) for layers in gpu_layers)]
    needs = info.memory(gpu_layers)
    rows = [
        [f"{row[0].max_prompt_tokens:,} tokens", *(_need(need.estimate) for need in row)]
        for row in (needs[start : start + len(gpu_layers)] for start in range(0, len(needs), len(gpu_layers)))
    ]
    return format_table(headings, rows, color=color, width=width, right=range(1, len(headings)))


def _layers_heading(info: ModelInfo, layers: int) -> str:
    if layers == 0:
        return "memory"
    return "all on a GPU" if layers > info.n_layers else f"{pluralize(layers, 'layer')} on a GPU"


def _need(estimate: MemoryEstimate) -> str:
    if not estimate.gpu:
        return format_gb(estimate.main)
    return f"{format_gb(estimate.gpu)} + {format_gb(estimate.main)} of memory"
