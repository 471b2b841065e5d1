"""A llama.cpp context: its batch as numpy arrays, logits, and the sequences of its KV cache.

What to evaluate, and when, is decided by the engines.

Where layers have a sliding window, llama.cpp takes a cell of theirs for a new token once the window of the cell's
sequence has passed it, even in a cache of full size (`swa_full`). A sequence that is cut back, or whose beginning
another one shares, would then lack tokens, and its logits would be wrong without an error. llama.cpp takes no cell of
two sequences; so, for such a model, every token belongs to a twin of its sequence as well:

    tokens of sequence 3    0  1  2  3  4  5      a window of 4 is past the first two
    seq_ids, without twins  3  3  3  3  3  3      their cells are overwritten
    seq_ids, with twins     3  3  3  3  3  3      their cells are kept
                           43 43 43 43 43 43      (of 40 sequences)
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from guardcli.engine.request import Logits, MemoryUsage
from guardcli.engine.sizing import ContextParams
from guardcli.errors import EngineError
from guardcli.models.llama import LlamaModel, last_error, track_buffers

Rows = npt.NDArray[np.int32]

_FLASH = {"auto": -1, "off": 0, "on": 1}  # llama_flash_attn_type


class LlamaContext:
    """A llama.cpp context and the batch that is being filled for it."""

    def __init__(self, model: LlamaModel, params: ContextParams) -> None:
        """Raises EngineError: llama.cpp cannot make a context of these sizes (memory)."""
        self.params = params
        self._twins = model.sliding_window > 0
        with track_buffers() as buffers:
            self._handle: Any = llama_cpp.llama_init_from_model(model.handle, _llama_params(model, params))
        if not self._handle:
            raise EngineError(
                f"llama.cpp cannot make a context of {params.kv_cells:,} tokens{last_error()}; "
                "lower EngineConfig.max_prompt_tokens",
                code="engine/context-failed",
            )
        self._set_adapters(model)
        self.memory_usage = MemoryUsage(params.kv_cells, params.kv_cells * model.kv_bytes_per_token, buffers())
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self._n_vocab = llama_cpp.llama_vocab_n_tokens(model.vocab)
        self._allocate_batch(params)

    def _set_adapters(self, model: LlamaModel) -> None:
        if not model.adapters:
            return
        handles, scales = zip(*model.adapters, strict=True)
        n = len(handles)
        array = (llama_cpp.llama_adapter_lora_p_ctypes * n)(*handles)
        if llama_cpp.llama_set_adapters_lora(self._handle, array, n, (ctypes.c_float * n)(*scales)) != 0:
            self.close()
            raise EngineError(f"llama.cpp cannot use the adapters{last_error()}", code="model/not-loaded")

    def _allocate_batch(self, params: ContextParams) -> None:
        """Make an empty llama_batch of numpy arrays, which are filled by slices."""
        self.rows = self.outputs = 0
        self._tokens = np.zeros(params.batch_size, dtype=np.int32)
        self._positions = np.zeros(params.batch_size, dtype=np.int32)
        self._n_seq_ids = np.zeros(params.batch_size, dtype=np.int32)
        self._seq_ids = np.zeros((params.batch_size, _n_seq_max(params, twins=self._twins)), dtype=np.int32)
        self._has_logits = np.zeros(params.batch_size, dtype=np.int8)
        self._range = np.arange(max(params.batch_size, params.kv_cells), dtype=np.int32)
        self._range.flags.writeable = False  # parts of it are handed out
        stride = self._seq_ids.strides[0]
        addresses = self._seq_ids.ctypes.data + stride * np.arange(params.batch_size + 1, dtype=np.uintp)
        addresses[-1] = 0
        self._addresses = addresses.astype(np.uintp)
        self._batch = llama_cpp.llama_batch(
            0,
            _pointer(self._tokens, llama_cpp.llama_token),
            None,
            _pointer(self._positions, llama_cpp.llama_pos),
            _pointer(self._n_seq_ids, ctypes.c_int32),
            _pointer(self._addresses, ctypes.POINTER(llama_cpp.llama_seq_id)),
            _pointer(self._has_logits, ctypes.c_int8),
        )

    @property
    def closed(self) -> bool:
        return not self._handle

    def clear_batch(self) -> None:
        """Empty the batch. An unused row has no seq_id, and no logits are requested for it."""
        self._n_seq_ids[: self.rows] = 0
        self._has_logits[: self.rows] = 0
        self.rows = 0
        self.outputs = 0

    @property
    def free_rows(self) -> int:
        """How many rows of the batch are unused."""
        return self.params.batch_size - self.rows

    def add(self, tokens: npt.NDArray[np.int32], position: int, seq_id: int) -> Rows:
        """Put tokens of a sequence into the batch, from `position` of the sequence on; return their rows."""
        new = slice(self.rows, self.rows + len(tokens))
        self._tokens[new] = tokens
        self._positions[new] = self._range[position : position + len(tokens)]
        self.rows += len(tokens)
        rows: Rows = self._range[new]
        self.add_seq_id(rows, seq_id)
        return rows

    def add_seq_id(self, rows: Rows, seq_id: int) -> None:
        """Let rows belong to one more sequence, which must have as many tokens before them as their other ones."""
        if not len(rows):
            return
        for one in self._with_twin(seq_id):
            self._seq_ids[rows, self._n_seq_ids[rows]] = one
            self._n_seq_ids[rows] += 1

    def request_logits(self, row: int) -> None:
        """Let `decode` compute the logits after a row."""
        self.outputs += 1 - int(self._has_logits[row])
        self._has_logits[row] = 1

    def decode(self) -> None:
        """Evaluate the batch. Raises EngineError with llama.cpp's message if anything fails."""
        self._batch.n_tokens = self.rows
        code = llama_cpp.llama_decode(self._handle, self._batch)
        if code != 0:
            raise EngineError(
                f"llama.cpp could not evaluate {self.rows} tokens (llama_decode: {code}){last_error()}",
                code="engine/failed",
            )

    def get_logits(self, row: int, token_ids: Sequence[int]) -> Logits:
        """The logits of `token_ids` after a row with requested logits, and the logsumexp over the vocabulary."""
        pointer = llama_cpp.llama_get_logits_ith(self._handle, row)
        if not pointer:
            raise EngineError(f"llama.cpp has no logits for row {row}{last_error()}", code="engine/failed")
        logits = np.ctypeslib.as_array(pointer, shape=(self._n_vocab,))
        highest = logits.max()
        with np.errstate(all="ignore"):  # what is not finite is for the verdict to judge
            total = float(highest) + float(np.log(np.exp(logits - highest).sum()))
        return Logits(tuple(float(logits[token]) for token in token_ids), total)

    def copy_sequence(self, source: int, target: int, length: int) -> None:
        """Let the first `length` tokens of `source` belong to `target` as well; no cell is copied."""
        for one, other in zip(self._with_twin(source), self._with_twin(target), strict=True):
            llama_cpp.llama_memory_seq_cp(self._memory, one, other, 0, length)

    def remove_sequence(self, seq_id: int, start: int = 0) -> None:
        """Remove the tokens of a sequence from position `start` on."""
        for one in self._with_twin(seq_id):
            llama_cpp.llama_memory_seq_rm(self._memory, one, start, -1)

    def clear_cache(self) -> None:
        """Empty the KV cache."""
        llama_cpp.llama_memory_clear(self._memory, False)

    def _with_twin(self, seq_id: int) -> tuple[int, ...]:
        """The seq_ids of llama.cpp for one of the engine's."""
        return (seq_id, seq_id + self.params.max_seqs) if self._twins else (seq_id,)

    def close(self) -> None:
        """Free the context."""
        if self._handle:
            llama_cpp.llama_free(self._handle)
            self._handle = None


def _llama_params(model: LlamaModel, sizes: ContextParams) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = sizes.kv_cells
    params.n_batch = sizes.batch_size
    params.n_ubatch = sizes.ubatch_size
    params.n_seq_max = _n_seq_max(sizes, twins=model.sliding_window > 0)
    # Each output row of a Llama 3 vocabulary takes half a megabyte; fewer than sequences abort the process.
    params.n_outputs_max = max(sizes.max_outputs, params.n_seq_max)
    params.n_threads = params.n_threads_batch = sizes.threads
    params.flash_attn_type = _FLASH[sizes.flash_attention]
    params.kv_unified = True  # else a partial copy of a sequence aborts the process
    params.swa_full = True  # else layers with a sliding window keep little more than the window
    params.no_perf = True
    if not model.offloaded:
        params.offload_kqv = params.op_offload = False
    return params


def _n_seq_max(sizes: ContextParams, *, twins: bool) -> int:
    return sizes.max_seqs * 2 if twins else sizes.max_seqs


def _pointer(values: npt.NDArray[Any], kind: Any) -> Any:
    return values.ctypes.data_as(ctypes.POINTER(kind))
