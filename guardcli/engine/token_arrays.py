"""Token ids: how they are compared and sorted."""

from __future__ import annotations

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
