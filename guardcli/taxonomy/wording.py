"""Rules on the wording of a taxonomy: each takes a text and says what is wrong with it, or None."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from guardcli.taxonomy.problems import quoted
from guardcli.text.lookalikes import skeleton

Rule: TypeAlias = Callable[[str], str | None]

ID = re.compile(r"[A-Z][1-9][0-9]{0,2}")

# The prompt's own plain-text structure, as loosely as a model reads it: inside a category it would end the
# list of categories early, and no tokenizer can tell it from the real thing.
# It is sought in the skeleton of a text.
MARKER = re.compile(
    r"<[\s_/-]*(?:begin|end)[\s_-]+(?:unsafe[\s_-]+content[\s_-]+categories|conversation)[\s_-]*>|\[\s*/?\s*inst\s*\]"
)


def not_empty(text: str) -> str | None:
    return None if text else "is empty: write text"


def encodable(text: str) -> str | None:
    """Half a surrogate pair, which an escape can write, has no bytes in UTF-8 and so no tokens."""
    return _has_character(text, lambda c: unicodedata.category(c) == "Cs")


def printable(text: str) -> str | None:
    return _has_character(text, lambda c: unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n")


def one_line(text: str) -> str | None:
    if len(text.splitlines()) > 1:
        return "has a line break: write it on one line"
    return "has a tab: write a blank" if "\t" in text else None


def one_word(text: str) -> str | None:
    """A key stands in lists and columns of the output."""
    if re.search(r"[\s,]", text):
        return f"is {quoted(text)}: write it as one word, such as `self-harm`"
    if ID.fullmatch(text):
        return f"is {quoted(text)}, which reads like an id: write a word, such as `self-harm`"
    return None


def no_marker(text: str) -> str | None:
    found = re.search(MARKER.pattern, text, re.IGNORECASE) or MARKER.search(skeleton(text))
    return f"has {quoted(found[0])}, a marker of the prompt itself: write it differently" if found else None


def no_period(text: str) -> str | None:
    return "ends with a period: remove it, the prompt adds it" if text.endswith(".") else None


def _has_character(text: str, unwanted: Callable[[str], bool]) -> str | None:
    found = next(filter(unwanted, text), None)
    return None if found is None else f"has the unprintable character U+{ord(found):04X}: remove it"
