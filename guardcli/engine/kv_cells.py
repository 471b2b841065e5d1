"""A mirror of the KV cache's cells: how many sequences hold each, and so how many are free.

llama.cpp does not tell. The numbers here are names of our own: they need not be llama.cpp's cell indices, but
there are as many, and each is held and let go by the same sequences.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


class Cells:
    """`n` cells with a count of holders each."""

    def __init__(self, n: int) -> None:
        self._holders = np.zeros(n, dtype=np.int32)
        self._free = np.arange(n, dtype=np.int32)
        self.free = n

    def take(self, count: int) -> Ids:
        """Free cells, now held once. Raises ValueError if there are not as many."""
        if count > self.free:
            raise ValueError(f"{count} cells asked for, {self.free} free")
        taken: Ids = self._free[self.free - count : self.free].copy()
        self.free -= count
        self._holders[taken] = 1
        return taken

    def share(self, cells: Ids) -> Ids:
        """The same cells, held once more."""
        self._holders[cells] += 1
        return cells

    def drop(self, cells: Ids) -> None:
        """Let go; cells that nobody holds any more are free."""
        holders = self._holders[cells] - 1
        self._holders[cells] = holders
        freed = cells[holders == 0]
        self._free[self.free : self.free + len(freed)] = freed
        self.free += len(freed)
