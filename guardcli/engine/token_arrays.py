"""Token ids: how they are compared and sorted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from guardcli.models.vocab import TokenIds


def sort_key(tokens: TokenIds) -> bytes:
    """Bytes that sort as the token ids do: big-endian, so that a comparison is one memcmp."""
    return tokens.astype(">i4").tobytes()


def common_prefix_len(a: TokenIds, b: TokenIds) -> int:
    """How many leading tokens two arrays have in common."""
    length = min(len(a), len(b))
    differ = a[:length] != b[:length]
    first = int(differ.argmax()) if length else 0
    return first if length and differ[first] else length


def count_distinct(sequences: Iterable[TokenIds]) -> int:
    """How many tokens sequences have together, where those of a common beginning count once.

    >>> import numpy as np
    >>> count_distinct([np.array([1, 2, 3]), np.array([1, 2, 4])])
    4
    """
    order = sorted(sequences, key=sort_key)
    shared = sum(common_prefix_len(before, tokens) for before, tokens in pairwise(order))
    return sum(map(len, order)) - shared
