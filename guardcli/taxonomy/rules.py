"""Rules on the wording of a taxonomy: each takes a text and says what is wrong with it, or None."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from guardcli.errors import TaxonomyCode
from guardcli.text.hidden_characters import find_hidden_character
from guardcli.text.lookalikes import find_lookalike, skeleton
from guardcli.text.markers import find_marker
from guardcli.text.quoting import quote

TextRule: TypeAlias = Callable[[str], str | None]

ID = re.compile(r"[A-Z][1-9][0-9]{0,2}")

# What stands in the output where a category does, or where a verdict does.
_RESERVED_WORDS = ("safe", "unsafe", "error")


def not_empty(text: str) -> str | None:
    return None if text else "is empty: write text"


def no_surrogates(text: str) -> str | None:
    """Half a surrogate pair, which an escape can write, has no bytes in UTF-8 and so no tokens."""
    return _unprintable_message(text, lambda c: unicodedata.category(c) == "Cs")


def no_control_characters(text: str) -> str | None:
    return _unprintable_message(text, lambda c: unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n")


def one_line(text: str) -> str | None:
    if len(text.splitlines()) > 1:
        return "has a line break: write it on one line"
    return "has a tab: write a space" if "\t" in text else None


def one_word(text: str) -> str | None:
    """A key stands in lists and columns of the output."""
    if re.search(r"[\s,]", text):
        return f"is {quote(text)}: write it as one word, such as `self-harm`"
    if ID.fullmatch(text if text.isascii() else skeleton(text).upper()):
        return f"is {quote(text)}, which reads like an id: write a word, such as `self-harm`"
    return None


def no_marker(text: str) -> str | None:
    imitation = find_marker(text)
    return f"has {quote(imitation)}, a marker of the prompt itself: write it differently" if imitation else None


def no_hidden_characters(text: str) -> str | None:
    """What a person who reads the policy does not see, a model would read all the same."""
    description = find_hidden_character(text)
    return f"has {description}: remove it" if description else None


def no_lookalike_letters(text: str) -> str | None:
    return _lookalike_message(find_lookalike(text))


def no_lookalike_letters_anywhere(text: str) -> str | None:
    return _lookalike_message(find_lookalike(text, anywhere=True))


def _lookalike_message(letter: str | None) -> str | None:
    if letter is None:
        return None
    name = unicodedata.name(letter).lower()
    return f"has the letter {quote(letter)} (U+{ord(letter):04X}, {name}) among Latin ones: write a Latin letter"


def not_like_a_verdict(text: str) -> str | None:
    """A key that reads like a verdict, or like the sign of none, would be taken for it."""
    letters = re.sub(r"[\W_]", "", skeleton(text))
    if letters in _RESERVED_WORDS:
        return f"is {quote(text)}, which reads like a verdict: write another word, such as `self-harm`"
    kinds = [unicodedata.category(character) for character in text]
    if all(kind[0] in "PZM" or kind in ("Sm", "Sk", "Sc") for kind in kinds):
        return f"is {quote(text)}: write a word with letters, such as `self-harm`"
    return None


def no_period(text: str) -> str | None:
    return "ends with a period: remove it, the prompt adds it" if text.endswith(".") else None


def _unprintable_message(text: str, unwanted: Callable[[str], bool]) -> str | None:
    character = next(filter(unwanted, text), None)
    return None if character is None else f"has the unprintable character U+{ord(character):04X}: remove it"


_CODES: dict[TextRule, TaxonomyCode] = {
    no_hidden_characters: "taxonomy/hidden-character",
    no_lookalike_letters: "taxonomy/lookalike-letter",
    no_lookalike_letters_anywhere: "taxonomy/lookalike-letter",
    no_marker: "taxonomy/prompt-marker",
    not_like_a_verdict: "taxonomy/key-reads-like-verdict",
}


def problem_code(rule: TextRule) -> TaxonomyCode:
    """The code of the problem that a text breaks the rule."""
    return _CODES.get(rule, "taxonomy/invalid-text")
