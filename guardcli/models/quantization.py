"""Quantizations: read from the name of a file, and one chosen by the memory that is free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from guardcli.errors import ModelError, setting

_NAMED = re.compile(
    r"(?:^|[./_-])((?:i?q|tq)\d(?:_[a-z0-9]+)*|bf16|f16|fp16|f32|mxfp4(?:_moe)?)(?=[./-]|$)", re.IGNORECASE
)
_SPLIT = re.compile(r"-\d{5}-of-\d{5}$")


def quantization_of(file: str) -> str:
    """The quantization that the path of a GGUF names, in capitals; "" if it names none.

    >>> quantization_of("Llama-Guard-3-8B.i1-IQ4_XS.gguf"), quantization_of("q8_0/model-00001-of-00002.gguf")
    ('IQ4_XS', 'Q8_0')
    """
    stem = _SPLIT.sub("", file.removesuffix(".gguf"))
    matches = _NAMED.findall(stem)
    return matches[-1].upper().replace("FP16", "F16") if matches else ""


UNQUANTIZED = ("F32", "F16", "BF16")
LOW_BITS = ("Q2_", "Q3_", "IQ1_", "IQ2_", "IQ3_", "TQ")  # less than 4 bits of a weight
_MEMORY_FRACTION = 0.75  # of what is free: the rest is for buffers and whoever else runs


class Candidate(NamedTuple):
    """A model that could be downloaded, with the bytes of memory that it needs."""

    name: str
    quantization: str
    memory: float


class ChosenModel(NamedTuple):
    """The model that is to be downloaded, and why, in a sentence."""

    name: str
    reason: str


def fits(memory: float, free_memory: int) -> bool:
    """Whether a model that needs so many bytes fits into those that are free, and leaves some for the rest."""
    return memory <= _MEMORY_FRACTION * free_memory


def choose(
    place: str, candidates: Sequence[Candidate], *, quantization: str | None = None, free_memory: int | None = None
) -> ChosenModel:
    """Choose a model of a repository: the one of a `quantization`, or else the best that fits into the free memory.

    More than 8 bits of a weight are not chosen unless there is nothing else: scores hardly change, and memory and time
    double.

    Raises:
        ModelError: there is no such quantization, several models have it, or none fits.
    """
    if quantization is not None:
        return _named(place, candidates, quantization.upper())
    if len(candidates) == 1:
        return ChosenModel(candidates[0].name, f"{candidates[0].name} is the only model of {place}")
    quantized = [candidate for candidate in candidates if candidate.quantization not in (*UNQUANTIZED, "")]
    by_memory = sorted(quantized or candidates, key=lambda candidate: candidate.memory)
    if free_memory is None:
        best = by_memory[len(by_memory) // 2]
        return ChosenModel(best.name, f"{_label(best)} is in the middle: how much memory is free is not known")
    fitting = [candidate for candidate in by_memory if fits(candidate.memory, free_memory)]
    free = f"of the {free_memory / 1e9:.1f} GB that are free"
    if not fitting:
        least = by_memory[0]
        raise ModelError(
            f"no model of {place} fits: the smallest, {_label(least)}, needs {least.memory / 1e9:.1f} GB {free}. "
            f"{setting('plan_download.quantization', least.quantization or 'Q4_K_M')} downloads it all the same",
            code="system/out-of-memory",
        )
    best = fitting[-1]
    return ChosenModel(best.name, f"{_label(best)} is the best that fits: it needs {best.memory / 1e9:.1f} GB {free}")


def _named(place: str, candidates: Iterable[Candidate], quantization: str) -> ChosenModel:
    candidates = list(candidates)
    names = [candidate.name for candidate in candidates if candidate.quantization == quantization]
    if not names:
        there = sorted({candidate.quantization for candidate in candidates} - {""})
        raise ModelError(f"{place} has no {quantization}; there are {', '.join(there)}", code="model/not-found")
    if len(names) > 1:
        raise ModelError(
            f"{place} has several models in {quantization}: name one of {', '.join(names)}", code="model/ambiguous"
        )
    return ChosenModel(names[0], f"{quantization} was asked for")


def _label(candidate: Candidate) -> str:
    return candidate.quantization or candidate.name
