"""The texts that messages say, in which the other texts of a record are sought: a copy is no second text, nor is a
rendering of the conversation with role words and template markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_SEARCHED = 1 << 27  # characters of messages that are searched for a record's other texts; what is left is not found

_MARKUP = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?[a-z_]{1,20}>|\[/?[A-Z_]{2,12}\]|<</?SYS>>", re.IGNORECASE)
_LINE_BREAK = re.compile(r"[\n\0]")
# What a line without a message may hold in a rendering: one word for a role, or none.
_ROLE_LABEL = re.compile(
    r"[\W_]*(?:(?:user|human|prompter|customer|assistant|ai|bot|gpt|chatgpt|model|agent|system|developer|tool|"
    r"instruction|input|output|prompt|response|question|answer|query|completion|q|a)[\W_]*)?",
    re.IGNORECASE,
)
_MAX_LABEL_LENGTH = 64  # characters that a rendering has for each message, with its template's markers


class JudgedTextMatcher:
    """The texts of the messages of one record."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(dict.fromkeys(stripped for text in texts if (stripped := text.strip())))
        self._exact = frozenset(self._texts)
        self._longest_first = sorted(self._texts, key=len, reverse=True)
        self._size = sum(map(len, self._texts)) + len(self._texts)
        self._left = MAX_SEARCHED

    def is_message(self, text: str) -> bool:
        """Whether a text is all that one message says."""
        return text.strip() in self._exact

    def contains(self, text: str) -> bool:
        """Whether a text is said in one message, or is nothing but a rendering of some."""
        text = text.strip()
        if text in self._exact:
            return True
        self._left -= self._size + len(text)
        if self._left < 0:
            return False
        return any(_contains_whole_words(text, said) for said in self._texts) or self._is_rendering(text)

    def _is_rendering(self, text: str) -> bool:
        """Whether nothing but labels of roles and template markers is left of a text without the messages in it."""
        if len(text) > self._size + _MAX_LABEL_LENGTH * (len(self._texts) + 1):
            return False
        rest, found = text, False
        for said in self._longest_first:
            parts = rest.split(said) if len(said) <= len(rest) else [rest]
            kept = [parts[0]]
            for part in parts[1:]:
                inside = _ends_in_word(kept[-1], said) or _begins_in_word(part, said)
                found = found or not inside
                kept += (said, part) if inside else ("\0", part)
            rest = "".join(kept)
        lines = _LINE_BREAK.split(_MARKUP.sub("\0", rest))
        return found and all(_ROLE_LABEL.fullmatch(line) for line in lines)


def _ends_in_word(before: str, said: str) -> bool:
    return before[-1:].isalnum() and said[0].isalnum()


def _begins_in_word(after: str, said: str) -> bool:
    return after[:1].isalnum() and said[-1].isalnum()


def _contains_whole_words(text: str, said: str) -> bool:
    """Whether a text stands in a message, and neither begins nor ends within a word of it."""
    at = said.find(text)
    while at >= 0:
        end = at + len(text)
        if not _ends_in_word(said[:at][-1:], text) and not _begins_in_word(said[end : end + 1], text):
            return True
        at = said.find(text, at + 1) if at < 1 << 16 else -1
    return False
