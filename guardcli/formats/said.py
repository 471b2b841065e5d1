"""The texts that messages say, in which the other texts of a record are sought: a copy is no second text, nor is a
rendering of the conversation with role words and template markers."""

from __future__ import annotations

import re
from collections.abc import Sequence

SEARCHED = 1 << 27  # characters of messages that are searched for a record's other texts; what is left is not found

_LETTERS = re.compile(r"[^\W\d_]")
_MARKUP = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?[a-z_]{1,20}>|\[/?[A-Z_]{2,12}\]|<</?SYS>>", re.IGNORECASE)
_ROLE_WORDS = re.compile(
    r"(?<![^\W_])(?:user|human|prompter|customer|assistant|ai|bot|gpt|chatgpt|model|agent|system|developer|tool|"
    r"instruction|input|output|prompt|response|question|answer|query|completion|q|a)(?![^\W_])",
    re.IGNORECASE,
)


class Said:
    """The texts of the messages of one record."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(dict.fromkeys(stripped for text in texts if (stripped := text.strip())))
        self._exact = frozenset(self._texts)
        self._size = sum(map(len, self._texts)) + len(self._texts)
        self._left = SEARCHED

    def is_message(self, text: str) -> bool:
        """Whether a text is all that one message says."""
        return text.strip() in self._exact

    def has(self, text: str) -> bool:
        """Whether a text is said in one message, or is nothing but a rendering of some."""
        text = text.strip()
        if text in self._exact:
            return True
        self._left -= self._size + len(text)
        if self._left < 0:
            return False
        return any(text in said for said in self._texts) or self._is_rendering(text)

    def _is_rendering(self, text: str) -> bool:
        """Whether nothing but role words and template markers is left of a text without the messages in it."""
        rest, found = text, False
        for said in sorted(self._texts, key=len, reverse=True):
            parts = rest.split(said) if len(said) <= len(rest) else [rest]
            kept = parts[0]
            for part in parts[1:]:
                if _ends_in_word(kept, said) or _begins_in_word(part, said):
                    kept += said + part
                else:
                    kept, found = f"{kept}\0{part}", True
            rest = kept
        rest = _MARKUP.sub(" ", rest)
        return found and not _LETTERS.search(_ROLE_WORDS.sub(" ", rest))


def _ends_in_word(before: str, said: str) -> bool:
    return before[-1:].isalnum() and said[0].isalnum()


def _begins_in_word(after: str, said: str) -> bool:
    return after[:1].isalnum() and said[-1].isalnum()
