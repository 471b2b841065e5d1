"""A prompt before it is tokens, pieces of text and special tokens by name, and the type of what it becomes.

It knows no vocabulary.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

TokenIds: TypeAlias = "array[int]"  # 32 bits each


@dataclass(frozen=True, slots=True)
class Segment:
    """Plain text, or one special token by name.

    An `implicit` special token is put before the text by the vendor's tokenizer and does not stand in the
    vendor's rendering (the `<s>` of Llama Guard 1). `untrusted` text was written by a user: no part of it may
    become a token of the prompt's own.
    """

    text: str
    special: bool = False
    implicit: bool = False
    untrusted: bool = False


def raw(segments: Iterable[Segment]) -> str:
    """The vendor's rendering: what stands in the reference files, special tokens written out."""
    return "".join(segment.text for segment in segments if not segment.implicit)
