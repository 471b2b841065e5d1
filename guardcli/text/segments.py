"""A prompt before tokenization: pieces of text, and special tokens by name.

[Segment("<|begin_of_text|>", special=True), Segment("User: "), Segment("Hi!", untrusted=True), …]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Plain text, or one special token by name.

    Attributes:
        special: The text is the name of a special token.
        implicit: The vendor's tokenizer prepends this special token, and the vendor's rendering does not show it
            (the `<s>` of Llama Guard 1).
        untrusted: A user wrote the text. No part of it may become a special token.
    """

    text: str
    special: bool = False
    implicit: bool = False
    untrusted: bool = False


def render_text(segments: Iterable[Segment]) -> str:
    """Return the prompt as the vendor's template renders it, with special tokens by name."""
    return "".join(segment.text for segment in segments if not segment.implicit)
