"""Find characters that are invisible, so that a model reads what a person does not see.

Some are allowed where they change what is shown: joiners in words of Arabic and Indic scripts and in emoji, the
selector that turns a symbol into an emoji, and the tags of three flags.
"""

from __future__ import annotations

import re
import unicodedata

from guardcli.text.lookalikes import BLANKS

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_IGNORED = re.compile("[\u034f\u17b4\u17b5]")  # marks that show nothing
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SHOWN_CF = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")  # signs over numbers
_REGIONS = ("gbeng", "gbsct", "gbwls")  # written in tags behind a black flag, and ended by another tag
_TAGGED = ("".join(chr(0xE0000 + ord(letter)) for letter in region) for region in _REGIONS)
_FLAGS = re.compile(f"\U0001f3f4(?:{'|'.join(_TAGGED)})\U000e007f")
_JOINING = {
    *("ARABIC", "SYRIAC", "MANDAIC", "NKO", "MONGOLIAN"),
    *("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA"),
    *("KHMER", "MYANMAR", "TIBETAN", "BALINESE", "JAVANESE"),
}


def find_hidden_character(text: str) -> str | None:
    """Describe the first hidden character, such as `the invisible character U+200B (zero width space)`, or None."""
    if text.isascii():
        return None
    text = _FLAGS.sub("\U0001f3f4", text)
    kinds = {character: kind for character in set(text) if (kind := _kind(character))}
    if not kinds:
        return None
    for at, character in enumerate(text):
        if character in kinds and not _has_effect(text, at):
            name = unicodedata.name(character, "").lower()
            return f"the {kinds[character]} U+{ord(character):04X}" + (f" ({name})" if name else "")
    return None


def _kind(character: str) -> str | None:
    category = unicodedata.category(character)
    if character in _BIDI:
        return "character that reorders text"
    if category in ("Zl", "Zp"):
        return "line break"
    if category == "Co":
        return "private character"
    if category == "Cf":
        return None if _SHOWN_CF.match(character) else "invisible character"
    if _SELECTORS.match(character) or _IGNORED.match(character) or BLANKS.match(character):
        return "invisible character"
    return None


def _has_effect(text: str, at: int) -> bool:
    """Return whether an invisible character changes how its neighbors are shown."""
    character, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if not before:
        return False
    if character in ("\ufe0e", "\ufe0f"):
        return unicodedata.category(before)[0] in "SPN" or before == "\u2139"
    if "\u180b" <= character <= "\u180f":
        return _script(before) == "MONGOLIAN" and unicodedata.category(before) == "Lo"
    if character not in (_ZWJ, _ZWNJ) or before in (_ZWJ, _ZWNJ):
        return False
    return _script(before) in _JOINING or (character == _ZWJ and _is_symbol(before) and _is_symbol(after))


def _is_symbol(character: str) -> bool:
    """Return whether a character can be part of an emoji."""
    return character == "\ufe0f" or unicodedata.category(character or " ")[0] == "S"


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]
