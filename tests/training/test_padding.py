"""Rows are padded on the right, in bfloat16 on a CPU to few lengths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from guardcli.training.padding import pad_rows

torch = pytest.importorskip("torch", reason="tests of training need the extra dev-tune")

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    """What padding asks of a model."""

    dtype: Any
    device: Any


@pytest.mark.parametrize(("longest", "length"), [(3, 32), (32, 32), (33, 64)])
def test_lengths_in_bfloat16_are_multiples_of_32(longest: int, length: int) -> None:
    padded = pad_rows([[1] * longest, [2]], -1, Model(torch.bfloat16, CPU))
    assert padded.tolist() == [[1] * longest + [-1] * (length - longest), [2] + [-1] * (length - 1)]


def test_other_types_and_devices_have_the_length_of_the_longest() -> None:
    rows = [[1, 2, 3], [4]]
    assert pad_rows(rows, 0, Model(torch.float32, CPU)).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert pad_rows(rows, 0, Model(torch.bfloat16, torch.device("meta"))).shape == (2, 3)
