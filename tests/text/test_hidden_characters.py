"""Characters that nobody sees are found, and those that do work where they stand are not."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from guardcli.text.hidden_characters import find_hidden_character

FLAG = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u200bb", "the invisible character U+200B (zero width space)"),
        ("a\u00adb", "the invisible character U+00AD (soft hyphen)"),
        ("a\u2060b", "the invisible character U+2060 (word joiner)"),
        ("\ufeffa", "the invisible character U+FEFF (zero width no-break space)"),
        ("a\u034fb", "the invisible character U+034F (combining grapheme joiner)"),
        ("a\u3164b", "the invisible character U+3164 (hangul filler)"),
        ("a\u2800b", "the invisible character U+2800 (braille pattern blank)"),
        ("a\U000e0041b", "the invisible character U+E0041 (tag latin capital letter a)"),
        ("a\U000e0080", "the invisible character U+E0080"),
        ("a\U000e0100b", "the invisible character U+E0100 (variation selector-17)"),
        ("a\ufe0fb", "the invisible character U+FE0F (variation selector-16)"),
        ("\ufe0f", "the invisible character U+FE0F (variation selector-16)"),
        ("\U0001f600\ufe0f\ufe0f", "the invisible character U+FE0F (variation selector-16)"),
        ("a\u180bb", "the invisible character U+180B (mongolian free variation selector one)"),
        ("a\u200db", "the invisible character U+200D (zero width joiner)"),
        ("\u200da", "the invisible character U+200D (zero width joiner)"),
        ("hat\u200ce", "the invisible character U+200C (zero width non-joiner)"),
        ("\u0645\u06cc\u200c\u200c\u062e", "the invisible character U+200C (zero width non-joiner)"),
        ("\U0001f600\u200d", "the invisible character U+200D (zero width joiner)"),
        (f"{FLAG[:-1]}", "the invisible character U+E0067 (tag latin small letter g)"),
        ("\u202eetah", "the character that reorders text U+202E (right-to-left override)"),
        ("a\u2067b\u2069", "the character that reorders text U+2067 (right-to-left isolate)"),
        ("\u0633\u0644\u0627\u0645\u200f!", "the character that reorders text U+200F (right-to-left mark)"),
        ("a\u2028b", "the line break U+2028 (line separator)"),
        ("a\ue000b", "the private character U+E000"),
    ],
)
def test_found(text: str, expected: str) -> None:
    assert find_hidden_character(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "plain\n\ttext",
        "na\u00efve, nai\u0308ve, 5\u00a0%",
        "\u4ec7\u6068\u8a00\u8bba\uff08\uff21\uff29\uff09",
        "\u062e\u0637\u0627\u0628 \u0627\u0644\u0643\u0631\u0627\u0647\u064a\u0629",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner within the word
        "\u0939\u093f\u0902\u0938\u093e, \u0915\u094d\u200d\u0937, \u0915\u094d\u200c\u0937",  # Hindi
        "\u0d28\u0d4d\u200d",  # Malayalam, with a joiner at its end
        "\u1820\u180b",  # Mongolian, with the form of a letter
        "\u0600123",  # an Arabic sign over a number
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 \u2764\ufe0f 1\ufe0f\u20e3",
        "\U0001f44d\U0001f3fd \U0001f937\U0001f3fd\u200d\u2640\ufe0f \u00a9\ufe0f \u2139\ufe0f",
        f"{FLAG} \U0001f1e9\U0001f1ea",
    ],
)
def test_noop(text: str) -> None:
    assert find_hidden_character(text) is None


def test_every_format_character_is_hidden_in_a_latin_word_but_those_that_show_something() -> None:
    every = filter(lambda c: unicodedata.category(c) == "Cf", map(chr, range(sys.maxunicode + 1)))
    shown = {character for character in every if find_hidden_character(f"a{character}b") is None}
    assert shown <= set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
