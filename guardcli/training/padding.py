"""Puts sequences of different lengths into one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardcli.training.dependencies import require

# PyTorch compiles a CPU's kernels for bfloat16 for each shape, which takes a sixth of a step if all are new.
_LENGTH_STEP = 32


def pad_rows(rows: Sequence[Sequence[int]], value: int, model: Any) -> Any:
    """The rows padded on the right with `value`, on the device of a model: (rows, tokens).

    In bfloat16 on a CPU the number of tokens is a multiple of 32.
    """
    length = max(map(len, rows))
    if is_bfloat16_on_cpu(model):
        length += -length % _LENGTH_STEP
    padded = [[*row, *[value] * (length - len(row))] for row in rows]
    return require("torch").tensor(padded, device=model.device)


def is_bfloat16_on_cpu(computing: Any) -> bool:
    """Whether a model, or a tensor, is in bfloat16 on a CPU, which has ways of its own to be fast."""
    return bool(computing.dtype == require("torch").bfloat16 and computing.device.type == "cpu")
