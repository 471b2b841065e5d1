"""Choose the sizes of a context from the model, the memory and the device, where the user has not set them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from guardcli.engine.plan import MAX_CACHED_PREFIXES
from guardcli.errors import EngineError, setting
from guardcli.models.memory import DEFAULT_PROMPT_TOKENS, MIN_PROMPT_TOKENS, kv_cells

FlashAttention = Literal["auto", "on", "off"]

MAX_SEQS = 256  # LLAMA_MAX_SEQ
MAX_PARALLEL = MAX_SEQS - MAX_CACHED_PREFIXES - 2  # others: the cached prefixes, the last sequence, and a new one

_MEMORY_FRACTION = 0.75  # of what is free, for the cache: the rest is for compute buffers and whoever else runs

# Prompts at a time. Attention computes every token of a batch against the cells of all sequences in it, masked or not:
# on a CPU that costs more than a larger batch gains. 170 M parameters in Q8_0 on 2 cores, time relative to 64 at once,
# medians of 5 interleaved rounds: prompts of 190 tokens 0.95 (1), 0.98 (2), 0.96 (4); of 80 tokens 1.09, 1.02, 0.97.
_PARALLEL_ON_CPU, _PARALLEL_ON_GPU = 4, 64

# For the same reason a batch on a CPU is not filled to its end: from some 100 rows on, more rows make the weights no
# cheaper, and more sequences make attention longer. The same model, time relative to full batches of 512, 5 interleaved
# rounds: prompts of 190 tokens 0.93 (96 rows), 0.99 (128), 0.98 (192), 0.91 (256); of 80 tokens 0.92 (64), 0.94 (96),
# 0.93 (128), 0.97 (192). llama-bench evaluates, at a depth of 143, 1,132 tokens/s in batches of 128, and 999 of 512.
_SOFT_BATCH_LIMIT_ON_CPU = 96

# And an answer is read to its end before the next prompt is admitted, in small batches of its own: beside others, the
# cells of its prompt make attention longer. With a fifth of the prompts unsafe, speed relative to llama-server in the
# same run (25 prompts, 4 rounds, three runs): 0.90 without this, 0.97 to 0.98 with it.
_BATCH_ON_CPU, _BATCH_ON_GPU = 512, 2048
_UBATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How an engine is opened; None or "auto" leaves it to `autotune`.

    `max_prompt_tokens` is the longest prompt, `parallel` how many prompts are evaluated at a time, `batch_size` how
    many tokens are in a batch, and `ubatch_size` how many of these are evaluated at once (llama.cpp's n_ubatch).

    `reproducible` takes the deterministic engine: a score is then the same to the bit with any other records in the
    same run. It is slower.
    """

    max_prompt_tokens: int | None = None
    parallel: int | None = None
    threads: int | None = None
    reproducible: bool = False
    batch_size: int | None = None
    ubatch_size: int | None = None
    flash_attention: FlashAttention = "auto"

    def __post_init__(self) -> None:
        """Raises ValueError: a number below 1, more prompts at a time than llama.cpp has sequences for, or an unknown
        value of `flash_attention`."""
        numbers = (self.max_prompt_tokens, self.parallel, self.threads, self.batch_size, self.ubatch_size)
        if any(number is not None and number < 1 for number in numbers):
            raise ValueError("max_prompt_tokens, parallel, threads, batch_size and ubatch_size are at least 1")
        if self.parallel is not None and self.parallel > MAX_PARALLEL:
            raise ValueError(f"invalid parallel {self.parallel}; expected at most {MAX_PARALLEL}")
        if self.flash_attention not in get_args(FlashAttention):
            raise ValueError(
                f"invalid flash_attention {self.flash_attention!r}; expected one of "
                f"{', '.join(get_args(FlashAttention))}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the sizes are chosen from.

    `n_ctx_train` is the context that the model was trained on, in tokens. `sliding_window` says whether some layers see
    a part of it only: each sequence then takes two of llama.cpp's (`LlamaContext`). `free_memory` is in bytes, on the
    GPU if the model is `offloaded` to one; None if it is not known.
    """

    n_ctx_train: int
    sliding_window: bool
    kv_bytes_per_token: int
    free_memory: int | None
    offloaded: bool
    cores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextParams:
    """The sizes of a context.

    `kv_cells` is the size of the KV cache in tokens, and `max_model_len` the longest sequence, answers included. Up to
    `max_prefixes` prefixes are cached, of `prefix_cache_tokens` together. Of the `max_seqs` sequences `reserved_seqs`
    are for these, for the last sequence and for a new one; the others are the prompts evaluated at a time.

    Once a batch has `soft_batch_limit` rows, no further prompt is admitted; with `decode_first`, none while an answer
    is read.
    """

    kv_cells: int
    max_model_len: int
    prefix_cache_tokens: int
    max_prefixes: int
    batch_size: int
    max_seqs: int
    max_outputs: int
    reserved_seqs: int = 0
    threads: int = 1
    ubatch_size: int = _UBATCH
    soft_batch_limit: int = _BATCH_ON_CPU
    decode_first: bool = False
    flash_attention: FlashAttention = "auto"

    def as_json(self) -> dict[str, int | bool | str]:
        """The sizes under names that do not change, since journals store them; those of options where there is one."""
        return {
            "max_prompt_tokens": self.max_model_len,
            "parallel": self.max_seqs - self.reserved_seqs,
            "threads": self.threads,
            "batch_size": self.batch_size,
            "ubatch_size": self.ubatch_size,
            "flash_attention": self.flash_attention,
            "cells": self.kv_cells,
            "head_cells": self.prefix_cache_tokens,
            "heads": self.max_prefixes,
            "sequences": self.max_seqs,
            "outputs": self.max_outputs,
            "enough_rows": self.soft_batch_limit,
            "answers_first": self.decode_first,
        }


def autotune(resources: Resources, options: EngineConfig, prefix_lens: Sequence[int] = ()) -> ContextParams:
    """Choose the sizes that `options` leave open; `prefix_lens` are the lengths of the prefixes known to come.

    Raises:
        EngineError: a longer prompt is asked for than the model was trained on.
    """
    if options.max_prompt_tokens is not None and options.max_prompt_tokens > resources.n_ctx_train:
        raise EngineError(
            f"{setting('EngineConfig.max_prompt_tokens', options.max_prompt_tokens)}: the model was trained on at most "
            f"{resources.n_ctx_train:,}",
            code="engine/context-failed",
        )
    most_seqs = MAX_SEQS // 2 if resources.sliding_window else MAX_SEQS
    max_prefixes = min(MAX_CACHED_PREFIXES + len(prefix_lens), most_seqs // 2)
    reserved_seqs = 0 if options.reproducible else max_prefixes + 2
    parallel = options.parallel or (_PARALLEL_ON_GPU if resources.offloaded else _PARALLEL_ON_CPU)
    max_seqs = reserved_seqs + (1 if options.reproducible else min(parallel, most_seqs - reserved_seqs))
    max_model_len = options.max_prompt_tokens or _prompt_tokens_that_fit(resources, options, sum(prefix_lens))
    n_cells = kv_cells(max_model_len, reproducible=options.reproducible, prefix_tokens=sum(prefix_lens))
    batch_size = min(options.batch_size or (_BATCH_ON_GPU if resources.offloaded else _BATCH_ON_CPU), n_cells)
    return ContextParams(
        kv_cells=n_cells,
        max_model_len=max_model_len,
        prefix_cache_tokens=n_cells if options.reproducible else max_model_len // 2 + sum(prefix_lens),
        max_prefixes=max_prefixes,
        batch_size=batch_size,
        max_seqs=max_seqs,
        max_outputs=2 * max_seqs,
        reserved_seqs=reserved_seqs,
        threads=options.threads or resources.cores,
        ubatch_size=min(options.ubatch_size or _UBATCH, batch_size),
        soft_batch_limit=batch_size if resources.offloaded else min(_SOFT_BATCH_LIMIT_ON_CPU, batch_size),
        decode_first=not resources.offloaded,
        flash_attention=options.flash_attention,
    )


def explain(params: ContextParams, resources: Resources) -> str:
    """What was chosen, and from what, in one line."""
    free = "" if resources.free_memory is None else f" of {resources.free_memory / 1e9:.1f} GB free"
    where = "on the GPU" if resources.offloaded else "in memory"
    return (
        f"prompts of up to {params.max_model_len:,} tokens (the model was trained on {resources.n_ctx_train:,}), "
        f"a cache of {params.kv_cells:,} tokens "
        f"({params.kv_cells * resources.kv_bytes_per_token / 1e9:.2f} GB{free}, {where}), "
        f"batches of {params.batch_size:,} tokens ({params.soft_batch_limit:,} are enough), "
        f"{params.ubatch_size:,} at once, {params.max_seqs - params.reserved_seqs} prompts at a time, "
        f"{params.threads} threads of {resources.cores} cores, flash attention {params.flash_attention}"
    )


def _prompt_tokens_that_fit(resources: Resources, options: EngineConfig, prefix_tokens: int) -> int:
    """The longest prompt: halved until the KV cache fits into the free memory."""
    max_prompt_tokens = min(resources.n_ctx_train, DEFAULT_PROMPT_TOKENS)
    while resources.free_memory is not None and max_prompt_tokens > MIN_PROMPT_TOKENS:
        cells = kv_cells(max_prompt_tokens, reproducible=options.reproducible, prefix_tokens=prefix_tokens)
        if cells * resources.kv_bytes_per_token <= _MEMORY_FRACTION * resources.free_memory:
            break
        max_prompt_tokens = max(max_prompt_tokens // 2, MIN_PROMPT_TOKENS)
    return max_prompt_tokens
