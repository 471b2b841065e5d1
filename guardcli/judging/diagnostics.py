"""What is here, and does it work: the installation, and with a model whether it answers as a guard does.

It finds and advises; it prints nothing and changes nothing.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass

from guardcli import __version__
from guardcli.judging.decision import LOW_MASS
from guardcli.judging.guard import Guard
from guardcli.judging.tolerance import CANARIES
from guardcli.models.llama import INSTALL_CUDA, build


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `good` is False where something is wrong; `advice` says what to do about it."""

    name: str
    value: str
    good: bool = True
    advice: str = ""


def installation() -> Iterator[Check]:
    """Versions, and whether a GPU can be used."""
    llama_build = build()
    yield Check("guard", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    yield Check("llama-cpp-python", llama_build.version)
    yield Check("llama.cpp", llama_build.features)
    advice = "" if llama_build.offload else f"for an NVIDIA GPU, install with:\n  {INSTALL_CUDA}"
    yield Check("GPU offload", "available" if llama_build.offload else "not in this build", advice=advice)


def model(guard: Guard) -> Iterator[Check]:
    """What a model is, what it needs, whether it answers with verdicts, and how fast. Takes some seconds.

    `guard` needs `allow_unverified_model`, or a wrong model ends the examination.
    """
    native = guard.model.llama
    yield Check("model", f"{guard.model.identity}, template {guard.template.name}, taxonomy {guard.taxonomy.name}")
    takes = guard.memory_usage
    yield Check(
        "memory",
        f"{native.size / 1e9:.2f} GB of weights, {takes.cache_bytes / 1e9:.2f} GB of cache for {takes.cells:,} tokens, "
        f"{takes.buffer_bytes / 1e9:.2f} GB of buffers",
    )
    safe, unsafe = guard.check(CANARIES)
    scores = [math.nan if one.decision_score is None else one.decision_score for one in (safe, unsafe)]
    mass = min(verdict.mass or 0.0 for verdict in (safe, unsafe))
    yield Check(
        "answers",
        f"P(safe) + P(unsafe) is {mass:.4f} where the verdict is written",
        good=mass >= LOW_MASS,
        advice="the model or ModelConfig.template may be wrong",
    )
    yield Check(
        "canaries",
        f"P(unsafe) is {scores[0]:.4f} for a safe prompt and {scores[1]:.4f} for an unsafe one",
        good=scores[0] < guard.threshold <= scores[1],
        advice="the model does not separate them: check the file, the model and the threshold",
    )
    tolerance = guard.measure_tolerance()
    yield Check("tolerance", f"a score may move by {tolerance:.2g} in log-odds, depending on what is in the same batch")
    yield Check("speed", _speed(guard))


def _speed(guard: Guard) -> str:
    stats = guard.stats
    before, start = stats.prefill_tokens, time.monotonic()
    number = sum(1 for _ in guard.check(f"{n}. {CANARIES[0]} " + "Tell me more about it. " * 20 for n in range(8)))
    seconds = time.monotonic() - start
    evaluated = stats.prefill_tokens - before
    return (
        f"{evaluated / seconds:,.0f} tokens/s, {number / seconds:,.1f} prompts/s of {evaluated // number} tokens each"
    )
