"""Reference counts of the KV cache's cells: how many sequences use each, and so how many are free.

llama.cpp keeps such counts and does not tell them. The ids here need not be llama.cpp's cell indices, but there are
as many, and each is used and freed by the same sequences.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CellIds = npt.NDArray[np.int32]


class KvCells:
    """A pool of `n` cells. A cell is free while its reference count is 0."""

    def __init__(self, n: int) -> None:
        self._ref_count = np.zeros(n, dtype=np.int32)
        self._free = np.arange(n, dtype=np.int32)  # a stack: the first `num_free` are free
        self.num_free = n

    def allocate(self, count: int) -> CellIds:
        """Take free cells, with a reference count of 1. Raises ValueError if there are not enough."""
        if count > self.num_free:
            raise ValueError(f"{count} KV cells requested, but only {self.num_free} are free")
        cells: CellIds = self._free[self.num_free - count : self.num_free].copy()
        self.num_free -= count
        self._ref_count[cells] = 1
        return cells

    def incref(self, cells: CellIds) -> None:
        """Count one more sequence that uses these cells."""
        self._ref_count[cells] += 1

    def free(self, cells: CellIds) -> None:
        """Count one sequence less; cells that no sequence uses any more are free."""
        ref_count = self._ref_count[cells] - 1
        self._ref_count[cells] = ref_count
        unused = cells[ref_count == 0]
        self._free[self.num_free : self.num_free + len(unused)] = unused
        self.num_free += len(unused)
