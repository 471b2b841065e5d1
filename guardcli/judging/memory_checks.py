"""Compare what models need with the memory that is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardcli.engine.resources import free_memory
from guardcli.errors import setting
from guardcli.judging.diagnostics import Check
from guardcli.models.llama import Gpu, free_gpu_memory
from guardcli.models.memory import DEFAULT_PROMPT_TOKENS, MIN_PROMPT_TOKENS, MemoryEstimate, estimate_memory
from guardcli.models.model_info import ModelInfo
from guardcli.models.quantization import fits
from guardcli.models.registry import RegisteredModel

_GB = 1e9


@dataclass(frozen=True, slots=True)
class AvailableMemory:
    """Bytes that are free in the machine's memory and on its GPUs; None where that is not known, or there is no GPU."""

    main: int | None
    gpu: int | None = None

    @classmethod
    def measure(cls, gpu: Gpu = "auto") -> AvailableMemory:
        """What is free now; without the GPUs if they are not to be used."""
        return cls(free_memory(), None if gpu == "off" else free_gpu_memory())

    @property
    def largest(self) -> int | None:
        """Where a model would go as a whole: the GPUs, if there are any."""
        return self.main if self.gpu is None else self.gpu


def free_memory_check(available: AvailableMemory) -> Check:
    """How much memory is free."""
    if available.main is None and available.gpu is None:
        return Check("free memory", "not known")
    known = [f"{available.main / _GB:.1f} GB"] if available.main is not None else []
    known += [f"{available.gpu / _GB:.1f} GB on GPUs"] if available.gpu is not None else []
    return Check("free memory", ", ".join(known))


def known_models_check(models: Iterable[RegisteredModel], available: AvailableMemory) -> Check:
    """Which of the registered models fit, each with the smallest file that keeps 4 bits of a weight."""
    free = available.largest
    usable = [model for model in models if model.is_judged_with]
    if free is None:
        return Check("known models", ", ".join(model.name for model in usable))
    fitting = []
    for model in usable:
        file = model.smallest_file
        if file is not None and fits(model.memory(file[1]), free):
            fitting.append(f"{model.name} in {file[0]}")
    names = ", ".join(fitting) or "none"
    return Check(
        "known models",
        f"{names} {'fits' if len(fitting) < 2 else 'fit'} (guard models list; guard models pull takes the best file "
        "that fits)",
    )


def model_memory_check(
    info: ModelInfo, available: AvailableMemory, *, max_prompt_tokens: int | None = None, gpu_layers: int | None = None
) -> Check:
    """Whether a model fits into memory with prompts of a length in tokens; by default the shortest that guard uses.

    Args:
        gpu_layers: how many layers go to a GPU; all if None.
    """
    trained = info.n_ctx_train or DEFAULT_PROMPT_TOKENS
    lengths = [max_prompt_tokens] if max_prompt_tokens else [MIN_PROMPT_TOKENS, DEFAULT_PROMPT_TOKENS]
    lengths = list(dict.fromkeys(min(length, trained) for length in lengths))
    all_layers = info.n_layers + 1
    layers = 0 if available.gpu is None else all_layers if gpu_layers is None else gpu_layers
    needs = [f"{_amount(estimate_memory(info.sizes, n, layers))} for prompts of up to {n:,} tokens" for n in lengths]
    least = estimate_memory(info.sizes, lengths[0], layers)
    return Check(
        "needs",
        " and ".join(needs),
        good=_fits(least, available),
        advice=_advice(info, available, lengths[0]),
    )


def _fits(need: MemoryEstimate, available: AvailableMemory) -> bool:
    on_main = available.main is None or need.main <= available.main
    return on_main and (available.gpu is None or need.gpu <= available.gpu)


def _amount(need: MemoryEstimate) -> str:
    return f"{need.main / _GB:.2f} GB" + (f" and {need.gpu / _GB:.2f} GB on GPUs" if need.gpu else "")


def _advice(info: ModelInfo, available: AvailableMemory, max_prompt_tokens: int) -> str:
    """What to do where the model does not fit: fewer layers on the GPU, or a smaller model."""
    if available.gpu is not None:
        for layers in range(info.n_layers, -1, -1):
            if _fits(estimate_memory(info.sizes, max_prompt_tokens, layers), available):
                return f"more than is free: {setting('ModelConfig.gpu_layers', layers)} fits"
    return "more than is free: take a smaller quantization or model (guard models list)"
