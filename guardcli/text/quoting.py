"""Quote hostile text in a message: on one line, escaped, and cut after a number of characters.

quote("a\\nb")       `a\\nb`
abbreviate("x" * 99) xxx…xxx…, 60 of them
"""

from __future__ import annotations

from guardcli.text.escaping import escape_line

MAX_QUOTED_LENGTH = 60  # characters; a message is one line, however long what it quotes


def quote(text: str) -> str:
    """Put text between backticks, abbreviated."""
    return f"`{abbreviate(text)}`"


def abbreviate(text: str) -> str:
    """Escape the first characters of a text; an ellipsis follows where it is longer."""
    ellipsis = "…" if len(text) > MAX_QUOTED_LENGTH else ""
    return escape_line(text[:MAX_QUOTED_LENGTH]) + ellipsis
