"""Load a model and its adapters through llama.cpp, and capture llama.cpp's log."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import llama_cpp
from llama_cpp._ggml import libggml as _ggml

from guardcli.errors import ModelError, setting
from guardcli.models import amx
from guardcli.models.gguf import Value
from guardcli.models.memory import kv_bytes_by_layer

Gpu = Literal["auto", "require", "off"]

INSTALL_CUDA = (
    'CMAKE_ARGS="-DGGML_CUDA=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF" '
    "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
)

_NEEDED = (
    "llama_model_load_from_file", "llama_model_get_vocab", "llama_model_desc", "llama_init_from_model", "llama_decode",
    "llama_get_memory", "llama_memory_clear", "llama_memory_seq_cp", "llama_memory_seq_rm", "llama_get_logits_ith",
    "llama_tokenize", "llama_vocab_get_attr", "llama_vocab_get_text", "llama_vocab_n_tokens", "llama_log_set",
    "llama_adapter_lora_init", "llama_set_adapters_lora", "llama_model_meta_val_str", "llama_model_n_swa",
    "llama_model_is_recurrent", "llama_model_is_hybrid", "llama_model_meta_count", "llama_model_meta_key_by_index",
    "llama_model_quantize", "llama_model_quantize_default_params",
)  # fmt: skip


_ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
_ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
_ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
_ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_size_t)] * 2]
_GPU_TYPES = (1, 2)  # GGML_BACKEND_DEVICE_TYPE_GPU, _IGPU

_BUFFER = re.compile(r"(?:compute|output) buffer size *= *([0-9.]+) MiB")


class _Log:
    """llama.cpp's log: the last warnings and errors kept for messages, every line passed on if asked.

    `buffers` sums the compute and output buffers that a new context tells of, in MiB: there is no function to ask.
    """

    def __init__(self) -> None:
        self.recent: deque[str] = deque(maxlen=20)
        self.buffers = 0.0
        self.sink: Callable[[str], None] | None = None
        self.callback = llama_cpp.llama_log_callback(self._receive)  # ctypes does not keep it alive

    def _receive(self, level: int, text: bytes, _user_data: object) -> None:
        line = text.decode("utf-8", "replace")
        if level in (3, 4):  # GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR
            self.recent.append(line.strip())
        if match := _BUFFER.search(line):
            self.buffers += float(match[1])
        if self.sink is not None:
            self.sink(line)


_log = _Log()


def set_log_sink(sink: Callable[[str], None] | None) -> None:
    """Take over llama.cpp's log for the process; `sink` receives its text, None keeps it quiet."""
    _log.sink = sink
    llama_cpp.llama_log_set(_log.callback, ctypes.c_void_p(0))


def forget_errors() -> None:
    """Forget what llama.cpp has logged, so that `last_error` is about what follows."""
    _log.recent.clear()


def last_error() -> str:
    """Why llama.cpp failed, for the end of a message; "" if it said nothing.

    Its last line mostly says no more than that it failed; the reason is the last one marked as an error of its own.
    """
    reasons = [line for line in _log.recent if "error" in line] or list(_log.recent)
    return f": {reasons[-1]}" if reasons else ""


@contextmanager
def track_buffers() -> Iterator[Callable[[], int]]:
    """While a context is made: a function that tells how many bytes its compute and output buffers take."""
    before = _log.buffers
    yield lambda: int((_log.buffers - before) * (1 << 20))


@dataclass(frozen=True, slots=True)
class Build:
    """Which llama.cpp this is: the binding's version, the features it was compiled with, whether it can use a GPU."""

    version: str
    features: str
    offload: bool


def build() -> Build:
    """The installed llama.cpp."""
    features = llama_cpp.llama_print_system_info().decode("utf-8", "replace").strip(" |\n")
    return Build(llama_cpp.__version__, features, bool(llama_cpp.llama_supports_gpu_offload()))


@dataclass(frozen=True, slots=True)
class Offload:
    """Where the weights go. `layers` None is all of them, on a GPU if there is one."""

    gpu: Gpu = "auto"
    layers: int | None = None

    def check(self) -> None:
        """Raise ModelError, with the command that mends it, if a GPU is required and cannot be used."""
        if self.gpu == "require" and self.layers == 0:
            gpu, layers = setting("ModelConfig.gpu", "require"), setting("ModelConfig.gpu_layers", 0)
            raise ModelError(f"{gpu} and {layers} contradict each other", code="option/invalid")
        if self.gpu == "require" and not llama_cpp.llama_supports_gpu_offload():
            raise ModelError(
                "a GPU is required, and this build of llama-cpp-python cannot use one. Install it for CUDA with:",
                f"  {INSTALL_CUDA}",
                code="system/no-gpu",
            )


class LlamaModel:
    """A loaded llama.cpp model; `close` frees it. `handle` is a llama_model pointer, `vocab` a llama_vocab one, and
    `adapters` are llama_adapter_lora pointers with their scales, which every context on it is to use."""

    def __init__(self, path: Path, offload: Offload, *, vocab_only: bool = False) -> None:
        """Load a file; with `vocab_only` nothing but its vocabulary: then there are no layers, and so no cache.

        Raises:
            ModelError: no usable GPU though required, llama.cpp refuses the file, or it is of an architecture that
                cannot share prefixes.
        """
        _check_symbols()
        offload.check()
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        # "off" must hold on a CUDA build too: with an empty list of devices none is even initialised.
        self._no_devices = (ctypes.c_void_p * 1)(None)
        if offload.gpu == "off":
            params.devices = ctypes.cast(self._no_devices, ctypes.c_void_p)
        params.n_gpu_layers = _layers(offload)
        params.vocab_only = vocab_only
        if _amx_crashes():
            params.use_extra_bufts = False  # the weights keep their layout, and the AMX kernels are not used
        _log.recent.clear()
        self.handle: Any = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if not self.handle:
            raise ModelError(f"llama.cpp cannot load {path}{last_error()}", *_hints(path), code="model/not-loaded")
        self._check_architecture(path)
        self.vocab: Any = llama_cpp.llama_model_get_vocab(self.handle)
        self.n_ctx_train: int = llama_cpp.llama_model_n_ctx_train(self.handle)
        self.size: int = llama_cpp.llama_model_size(self.handle)  # of all tensors, in bytes
        self.sliding_window: int = llama_cpp.llama_model_n_swa(self.handle)  # tokens; 0 without one
        self.description = _description(self.handle)
        self.kv_bytes_per_token = (
            0 if vocab_only else _kv_bytes_per_token(self.handle)
        )  # without layers llama.cpp aborts
        self.offloaded: bool = offload.gpu != "off" and bool(llama_cpp.llama_supports_gpu_offload())
        self.adapters: list[tuple[Any, float]] = []

    def _check_architecture(self, path: Path) -> None:
        """Raise ModelError if what was read leaves a state instead of cells, from which nothing can be removed."""
        if llama_cpp.llama_model_is_recurrent(self.handle) or llama_cpp.llama_model_is_hybrid(self.handle):
            architecture = _metadata(self.handle, "general.architecture")
            self.close()
            raise ModelError(
                f"{path} has the architecture {architecture!r}, which is recurrent: its state cannot be rewound to a "
                "shared beginning of two prompts. Use a model with attention in all of its layers.",
                code="model/unsupported",
            )

    def load_adapters(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Load adapters, each with its scale, for the contexts that are made from now on.

        Raises:
            ModelError: llama.cpp refuses one; the model is then closed.
        """
        for path, scale in adapters:
            _log.recent.clear()
            adapter = llama_cpp.llama_adapter_lora_init(self.handle, os.fsencode(path))
            if not adapter:
                self.close()
                raise ModelError(
                    f"llama.cpp cannot put the adapter {path} on this model{last_error()}", code="model/not-loaded"
                )
            self.adapters.append((adapter, scale))

    def close(self) -> None:
        """Free the model, and the adapters with it; engines on it must be closed before."""
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None


def free_gpu_memory() -> int | None:
    """Bytes that the GPUs still have free; None where no GPU tells."""
    free, total, free_total = ctypes.c_size_t(), ctypes.c_size_t(), 0
    for number in range(_ggml.ggml_backend_dev_count()):
        device = _ggml.ggml_backend_dev_get(ctypes.c_size_t(number))
        if _ggml.ggml_backend_dev_type(device) in _GPU_TYPES:
            _ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            free_total += free.value
    return free_total or None


def _kv_bytes_per_token(handle: Any) -> int:
    """Bytes of the KV cache for one token, in all layers."""
    metadata: dict[str, Value] = {}
    key = ctypes.create_string_buffer(256)
    for index in range(llama_cpp.llama_model_meta_count(handle)):
        llama_cpp.llama_model_meta_key_by_index(handle, index, key, len(key))
        name = key.value.decode("utf-8", "replace")
        if name.endswith((".architecture", ".embedding_length")) or ".attention." in name:
            metadata[name] = _parsed(_metadata(handle, name))
    return sum(kv_bytes_by_layer(metadata, llama_cpp.llama_model_n_layer(handle)))


def _parsed(text: str) -> Value:
    """A value of the metadata, which llama.cpp writes as JSON unless it is a string."""
    try:
        value: Value = json.loads(text)
    except ValueError:
        return text
    return value


def _metadata(handle: Any, key: str) -> str:
    """A value of the file's metadata as llama.cpp writes it; "" if the file has none."""
    length = llama_cpp.llama_model_meta_val_str(handle, key.encode(), None, 0)
    if length < 0:
        return ""
    text = ctypes.create_string_buffer(length + 1)
    llama_cpp.llama_model_meta_val_str(handle, key.encode(), text, len(text))
    return text.value.decode("utf-8", "replace")


def _description(handle: Any) -> str:
    """A model in llama.cpp's words, such as "llama 1B Q8_0"; the quantization is that of most of its tensors."""
    text = ctypes.create_string_buffer(256)
    llama_cpp.llama_model_desc(handle, text, len(text))
    return text.value.decode("utf-8", "replace")


def _layers(offload: Offload) -> int:
    if offload.gpu == "off":
        return 0
    return -1 if offload.layers is None else offload.layers


@cache
def _amx_crashes() -> bool:
    """See `amx.crashes`, of the ggml that is loaded."""
    libraries = sorted(Path(_ggml._name).parent.glob("libggml-cpu*.so"))
    return any(amx.crashes(build().features, library) for library in libraries or [Path(_ggml._name)])


def _hints(path: Path) -> list[str]:
    if any("zero experts" in line for line in _log.recent):
        return [f"{path.name} is a Llama Guard 4, which is a dense Llama 4: this llama.cpp cannot run those yet"]
    return []


def _check_symbols() -> None:
    missing = [name for name in _NEEDED if not hasattr(llama_cpp, name)]
    if missing:
        raise ModelError(
            f"this llama-cpp-python ({llama_cpp.__version__}) lacks {', '.join(missing)}: "
            "install a version that guardcli supports (see its requirements)",
            code="system/library-missing",
        )


set_log_sink(None)
