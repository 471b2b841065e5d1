"""The words that formats use for the roles of speakers."""

from __future__ import annotations

from guardcli.conversation import Role
from guardcli.formats.errors import RecordError, describe_type, quote_value

ROLE_WORDS: dict[Role, tuple[str, ...]] = {
    "user": ("user", "human", "prompter", "customer"),
    "assistant": ("assistant", "ai", "bot", "gpt", "model", "agent", "chatgpt"),
    "system": ("system",),
    "developer": ("developer",),
    "tool": ("tool", "function", "ipython", "observation"),
}

_ROLES = {word: role for role, words in ROLE_WORDS.items() for word in words}


def parse_role(word: object, number: int) -> Role:
    """Return the role that a word names, in any case.

    Raises:
        RecordError: The word is unknown. The message names `number`, the message's position.
    """
    if isinstance(word, str) and word in _ROLES:
        return _ROLES[word]
    if not isinstance(word, str):
        raise RecordError(
            f"message {number}: the role is {describe_type(word)}; it must be text", code="record/wrong-type"
        )
    role = _ROLES.get(word.strip().lower())
    if role is None:
        raise RecordError(
            f"message {number}: unknown role {quote_value(word)}; known are {', '.join(_ROLES)}",
            code="record/unknown-role",
        )
    return role


def find_role(word: str) -> Role | None:
    """Return the role that a word names; None if the word is unknown."""
    return _ROLES.get(word.strip().lower())
