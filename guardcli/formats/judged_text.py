"""Find the other texts of a record in its messages.

A copy of a message is not a second text, and neither is a rendering of the conversation with role names and template
markers, such as `<|user|>hi<|end|>` beside the message `hi`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_SEARCHED = 1 << 27  # characters of messages to search for the other texts of a record; then nothing more is found

_MARKUP = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?[a-z_]{1,20}>|\[/?[A-Z_]{2,12}\]|<</?SYS>>", re.IGNORECASE)
_GAP = "\0"  # replaces each message that is found in a rendering
_LINE_BREAK = re.compile(r"[\n\0]")
# What a line of a rendering may hold outside the messages: one role name, or none.
_ROLE_LABEL = re.compile(
    r"[\W_]*(?:(?:user|human|prompter|customer|assistant|ai|bot|gpt|chatgpt|model|agent|system|developer|tool|"
    r"instruction|input|output|prompt|response|question|answer|query|completion|q|a)[\W_]*)?",
    re.IGNORECASE,
)
_MAX_LABEL_LENGTH = 64  # characters of a rendering for each message, with the markers of its template


class JudgedTextMatcher:
    """Matches texts against the messages of one record."""

    def __init__(self, messages: Sequence[str]) -> None:
        self._messages = list(dict.fromkeys(stripped for text in messages if (stripped := text.strip())))
        self._exact = frozenset(self._messages)
        self._longest_first = sorted(self._messages, key=len, reverse=True)
        self._size = sum(map(len, self._messages)) + len(self._messages)
        self._budget = MAX_SEARCHED

    def is_message(self, text: str) -> bool:
        """Return whether a text is the whole of a message."""
        return text.strip() in self._exact

    def contains(self, text: str) -> bool:
        """Return whether a text is in one message, or is a rendering of messages and nothing else."""
        text = text.strip()
        if text in self._exact:
            return True
        self._budget -= self._size + len(text)
        if self._budget < 0:
            return False
        return any(_contains_whole_words(message, text) for message in self._messages) or self._is_rendering(text)

    def _is_rendering(self, text: str) -> bool:
        """Return whether only role labels and template markers are left of a text without the messages in it."""
        if len(text) > self._size + _MAX_LABEL_LENGTH * (len(self._messages) + 1):
            return False
        rest, has_message = text, False
        for message in self._longest_first:
            parts = rest.split(message) if len(message) <= len(rest) else [rest]
            joined = [parts[0]]
            for part in parts[1:]:
                is_inside_word = _ends_in_word(joined[-1], message) or _begins_in_word(part, message)
                has_message = has_message or not is_inside_word
                joined += (message, part) if is_inside_word else (_GAP, part)
            rest = "".join(joined)
        lines = _LINE_BREAK.split(_MARKUP.sub(_GAP, rest))
        return has_message and all(_ROLE_LABEL.fullmatch(line) for line in lines)


def _ends_in_word(before: str, text: str) -> bool:
    """Return whether a word goes on from the end of `before` to the beginning of `text`."""
    return before[-1:].isalnum() and text[0].isalnum()


def _begins_in_word(after: str, text: str) -> bool:
    """Return whether a word goes on from the end of `text` to the beginning of `after`."""
    return after[:1].isalnum() and text[-1].isalnum()


def _contains_whole_words(message: str, text: str) -> bool:
    """Return whether a text is in a message, and neither begins nor ends within a word of it."""
    start = message.find(text)
    while start >= 0:
        end = start + len(text)
        if not _ends_in_word(message[:start][-1:], text) and not _begins_in_word(message[end : end + 1], text):
            return True
        start = message.find(text, start + 1) if start < 1 << 16 else -1
    return False
