"""Token ids as numpy arrays: how they are converted, compared and sorted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from guardcli.text.segments import TokenIds

TokenArray = npt.NDArray[np.int32]


def as_array(tokens: TokenIds) -> TokenArray:
    """The same token ids for numpy, without a copy."""
    return np.frombuffer(tokens, dtype=np.int32) if len(tokens) else np.empty(0, dtype=np.int32)


def sort_key(tokens: TokenArray) -> bytes:
    """Bytes that sort as the token ids do: big-endian, so that a comparison is one memcmp."""
    return tokens.astype(">i4").tobytes()


def common_prefix_len(a: TokenArray, b: TokenArray) -> int:
    """How many leading tokens two arrays have in common."""
    length = min(len(a), len(b))
    differ = a[:length] != b[:length]
    first = int(differ.argmax()) if length else 0
    return first if length and differ[first] else length
