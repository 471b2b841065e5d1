"""The door to llama.cpp's evaluation: one context, its batch as numpy arrays, sequences copied and removed.

It does what it is told, a row at a time; what to evaluate, and when, is decided above it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from guardcli.engine.request import Logits, MemoryUsage
from guardcli.engine.sizing import Shape
from guardcli.errors import EngineError
from guardcli.models.llama import LlamaModel, last_error, track_buffers

Rows = npt.NDArray[np.int32]

_FLASH = {"auto": -1, "off": 0, "on": 1}  # llama_flash_attn_type


class Context:
    """A llama.cpp context and the batch that is being filled for it."""

    def __init__(self, model: LlamaModel, shape: Shape) -> None:
        """Raises EngineError: llama.cpp cannot make a context of this shape (memory)."""
        self.shape = shape
        with track_buffers() as buffers:
            self._handle: Any = llama_cpp.llama_init_from_model(model.handle, _params(model, shape))
        if not self._handle:
            raise EngineError(
                f"llama.cpp cannot make a context of {shape.cells:,} tokens{last_error()}; try a smaller --ctx-size"
            )
        self._adapt(model)
        self.memory_usage = MemoryUsage(shape.cells, shape.cells * model.kv_bytes_per_token, buffers())
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(model.vocab)
        self._allocate(shape)

    def _adapt(self, model: LlamaModel) -> None:
        if not model.adapters:
            return
        handles, scales = zip(*model.adapters, strict=True)
        n = len(handles)
        array = (llama_cpp.llama_adapter_lora_p_ctypes * n)(*handles)
        if llama_cpp.llama_set_adapters_lora(self._handle, array, n, (ctypes.c_float * n)(*scales)) != 0:
            self.close()
            raise EngineError(f"llama.cpp cannot use the adapters{last_error()}")

    def _allocate(self, shape: Shape) -> None:
        """The arrays of a llama_batch as numpy arrays, so that it is filled by slices; they are empty."""
        self.rows = self.outputs = 0
        self._tokens = np.zeros(shape.batch, dtype=np.int32)
        self._positions = np.zeros(shape.batch, dtype=np.int32)
        self._n_sequences = np.ones(shape.batch, dtype=np.int32)
        self._sequences = np.zeros((shape.batch, shape.sequences), dtype=np.int32)
        self._wanted = np.zeros(shape.batch, dtype=np.int8)
        self._numbers = np.arange(max(shape.batch, shape.cells), dtype=np.int32)
        self._numbers.flags.writeable = False  # parts of it are handed out
        stride = self._sequences.strides[0]
        addresses = self._sequences.ctypes.data + stride * np.arange(shape.batch + 1, dtype=np.uintp)
        addresses[-1] = 0
        self._addresses = addresses.astype(np.uintp)
        self._batch = llama_cpp.llama_batch(
            0,
            _pointer(self._tokens, llama_cpp.llama_token),
            None,
            _pointer(self._positions, llama_cpp.llama_pos),
            _pointer(self._n_sequences, ctypes.c_int32),
            _pointer(self._addresses, ctypes.POINTER(llama_cpp.llama_seq_id)),
            _pointer(self._wanted, ctypes.c_int8),
        )

    @property
    def closed(self) -> bool:
        return not self._handle

    def clear(self) -> None:
        """Empty the batch. A row that is not used yet is of one sequence, and its logits are not wanted."""
        self._n_sequences[: self.rows] = 1
        self._wanted[: self.rows] = 0
        self.rows = 0
        self.outputs = 0

    @property
    def room(self) -> int:
        """Rows that the batch still has."""
        return self.shape.batch - self.rows

    def add(self, tokens: npt.NDArray[np.int32], position: int, sequence: int) -> Rows:
        """Put tokens of one sequence into the batch, from `position` on; the rows that they got."""
        here = slice(self.rows, self.rows + len(tokens))
        self._tokens[here] = tokens
        self._positions[here] = self._numbers[position : position + len(tokens)]
        self._sequences[here, 0] = sequence
        self.rows += len(tokens)
        rows: Rows = self._numbers[here]
        return rows

    def tag(self, rows: Rows, sequence: int) -> None:
        """Let rows belong to one more sequence, which must stand where their other sequences stand."""
        if not len(rows):
            return
        self._sequences[rows, self._n_sequences[rows]] = sequence
        self._n_sequences[rows] += 1

    def want(self, row: int) -> None:
        """Ask for the logits after a row."""
        self.outputs += 1 - int(self._wanted[row])
        self._wanted[row] = 1

    def decode(self) -> None:
        """Evaluate the batch. Raises EngineError, with llama.cpp's own words, whatever goes wrong."""
        self._batch.n_tokens = self.rows
        code = llama_cpp.llama_decode(self._handle, self._batch)
        if code != 0:
            raise EngineError(f"llama.cpp could not evaluate {self.rows} tokens (llama_decode: {code}){last_error()}")

    def read(self, row: int, tokens: Sequence[int]) -> Logits:
        """Logits of `tokens` after a row that was asked for, and the logsumexp over the vocabulary."""
        pointer = llama_cpp.llama_get_logits_ith(self._handle, row)
        if not pointer:
            raise EngineError(f"llama.cpp has no logits for row {row}{last_error()}")
        logits = np.ctypeslib.as_array(pointer, shape=(self._n_vocab,))
        highest = logits.max()
        with np.errstate(all="ignore"):  # what is not finite is for the verdict to judge
            total = float(highest) + float(np.log(np.exp(logits - highest).sum()))
        return Logits(tuple(float(logits[token]) for token in tokens), total)

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` hold the first `length` tokens of `source` as well."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def remove(self, sequence: int, start: int = 0) -> None:
        """Take a sequence's tokens from `start` on out of the cache."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def forget(self) -> None:
        """Empty the cache."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Free the context."""
        if self._handle:
            llama_cpp.llama_free(self._handle)
            self._handle = None


def _params(model: LlamaModel, shape: Shape) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = shape.cells
    params.n_batch = shape.batch
    params.n_ubatch = shape.ubatch
    params.n_seq_max = shape.sequences
    # Each output row of a Llama 3 vocabulary takes half a megabyte; fewer than sequences abort the process.
    params.n_outputs_max = max(shape.outputs, shape.sequences)
    params.n_threads = params.n_threads_batch = shape.threads
    params.flash_attn_type = _FLASH[shape.flash_attention]
    params.kv_unified = True  # else a partial copy of a sequence aborts the process
    params.no_perf = True
    if not model.offloaded:
        params.offload_kqv = params.op_offload = False
    return params


def _pointer(values: npt.NDArray[Any], kind: Any) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(kind))
