"""How much memory a model takes: weights by layer, and the KV cache by the longest prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from guardcli.models.gguf import GgufHeader, TensorEntry, Value

DEFAULT_PROMPT_TOKENS = 8192  # the longest prompt unless the user sets one, if the model was trained on so many
MIN_PROMPT_TOKENS = 1024  # where memory is scarce
_CELL_MULTIPLE = 256  # llama.cpp pads the cache to it
_KV_ELEMENT = 2  # bytes: keys and values are cached as F16


def kv_cells(max_model_len: int, *, reproducible: bool = False, prefix_tokens: int = 0) -> int:
    """Cells for the longest prompt, as many again for others besides it, and the prefixes; a multiple of 256."""
    cells = max_model_len if reproducible else 2 * max_model_len + prefix_tokens
    return -(-cells // _CELL_MULTIPLE) * _CELL_MULTIPLE


def kv_bytes_by_layer(metadata: Mapping[str, Value], n_layers: int) -> tuple[int, ...]:
    """Bytes of the KV cache for one token in each layer, by a model's metadata; () if they lack what is needed.

    Layers with a sliding window may have heads of another width. They are cached as the others are (`swa_full`). The
    last layers may have no cache, and read that of earlier ones.
    """
    values = _AttentionMetadata(metadata)
    heads = _by_layer(values.get("head_count"), n_layers)
    kv_heads = _by_layer(values.get("head_count_kv"), n_layers) or heads
    embedding = metadata.get(f"{values.architecture}.embedding_length")
    if not (heads and kv_heads and isinstance(embedding, int) and heads[0]):
        return ()
    full = [values.get_int(f"{part}_length", embedding // heads[0]) for part in ("key", "value")]
    windowed = [values.get_int(f"{part}_length_swa", width) for part, width in zip(("key", "value"), full, strict=True)]
    pattern = values.get("sliding_window_pattern")
    if isinstance(pattern, list) and len(pattern) == n_layers:
        widths = [sum(windowed if has_window else full) for has_window in pattern]
    else:  # which layers have one is known to llama.cpp alone
        widths = [max(sum(full), sum(windowed))] * n_layers
    n_cached = n_layers - values.get_int("shared_kv_layers", 0)
    return tuple(
        _KV_ELEMENT * width * number if layer < n_cached else 0
        for layer, (width, number) in enumerate(zip(widths, kv_heads, strict=True))
    )


class _AttentionMetadata:
    """What a model's metadata say of its attention."""

    def __init__(self, metadata: Mapping[str, Value]) -> None:
        self.architecture = metadata.get("general.architecture")
        self._metadata = metadata

    def get(self, key: str) -> Value | None:
        return self._metadata.get(f"{self.architecture}.attention.{key}")

    def get_int(self, key: str, default: int) -> int:
        value = self.get(key)
        return value if isinstance(value, int) and value else default


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSizes:
    """Bytes of a model's weights. `layers` are those of each layer, in order, and `kv_per_token` the bytes of the KV
    cache for one token in each layer; () where the header does not say."""

    embedding: int
    layers: tuple[int, ...]
    output: int
    kv_per_token: tuple[int, ...]

    @classmethod
    def from_headers(cls, headers: Sequence[GgufHeader], *, unpacked: bool = False) -> WeightSizes:
        """Sum up the tensors of a model's files; what is cached is said in the first one.

        With `unpacked` they count as in `guardcli.models.unpacking`.
        """
        tensors = [tensor for header in headers for tensor in header.tensors]
        if unpacked:
            tensors = [_unpacked(tensor) for tensor in tensors]
        n_layers = 1 + max((tensor.layer for tensor in tensors if tensor.layer is not None), default=-1)
        layers = [0] * n_layers
        for tensor in tensors:
            if tensor.layer is not None:
                layers[tensor.layer] += tensor.n_bytes
        embedding = [tensor for tensor in tensors if tensor.name.startswith("token_embd.")]
        output = [tensor for tensor in tensors if tensor.layer is None and tensor not in embedding]
        has_output = any(tensor.name == "output.weight" for tensor in output)
        return cls(
            embedding=_n_bytes(embedding),
            layers=tuple(layers),
            # Without a matrix of its own the output is the embedding's, of which the device gets a copy.
            output=_n_bytes(output) + (0 if has_output else _n_bytes(embedding)),
            kv_per_token=kv_bytes_by_layer(headers[0].metadata, n_layers),
        )


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of weights and KV cache, in the machine's memory and on the GPU. Buffers come on top of it: some hundred
    megabytes."""

    main: int
    gpu: int

    @property
    def total(self) -> int:
        """Bytes of both."""
        return self.main + self.gpu


def estimate_memory(sizes: WeightSizes, max_prompt_tokens: int, gpu_layers: int = 0) -> MemoryEstimate:
    """Estimate what a model takes with prompts of up to so many tokens and so many layers on a GPU.

    llama.cpp offloads the last layers first, and the output after all layers; the embedding stays.
    """
    cells = kv_cells(max_prompt_tokens)
    cached = [cells * n_bytes for n_bytes in sizes.kv_per_token or [0] * len(sizes.layers)]
    first = max(0, len(sizes.layers) - gpu_layers)
    gpu = sum(sizes.layers[first:]) + sum(cached[first:])
    main = sizes.embedding + sum(sizes.layers[:first]) + sum(cached[:first])
    if gpu_layers > len(sizes.layers):
        return MemoryEstimate(main, gpu + sizes.output)
    return MemoryEstimate(main + sizes.output, gpu)


def _unpacked(tensor: TensorEntry) -> TensorEntry:
    """A matrix in F16; vectors are in F32 and stay so."""
    return tensor if tensor.type == "F32" else replace(tensor, type="F16", n_bytes=2 * tensor.n_weights)


def _n_bytes(tensors: Iterable[TensorEntry]) -> int:
    return sum(tensor.n_bytes for tensor in tensors)


def _by_layer(value: Value | None, n_layers: int) -> list[int]:
    """A number for each layer: some models write one for all of them. [] for anything else."""
    if isinstance(value, int):
        return [value] * n_layers
    if isinstance(value, list) and len(value) == n_layers:
        numbers = [number for number in value if isinstance(number, int)]
        return numbers if len(numbers) == n_layers else []
    return []
