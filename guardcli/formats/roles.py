"""Who speaks: the words that formats use for the roles. It knows nothing of where such a word stands."""

from __future__ import annotations

from guardcli.conversation import Role
from guardcli.formats.errors import RecordError, describe_type, quote

ROLE_WORDS: dict[Role, tuple[str, ...]] = {
    "user": ("user", "human", "prompter", "customer"),
    "assistant": ("assistant", "ai", "bot", "gpt", "model", "agent", "chatgpt"),
    "system": ("system",),
    "developer": ("developer",),
    "tool": ("tool", "function", "ipython", "observation"),
}

_ROLES = {word: role for role, words in ROLE_WORDS.items() for word in words}


def parse_role(word: object, number: int) -> Role:
    """The role that `word` names, in any case; `number` is its message's, for the reason of `RecordError`."""
    if isinstance(word, str) and word in _ROLES:
        return _ROLES[word]
    if not isinstance(word, str):
        raise RecordError(f"message {number}: the role is {describe_type(word)}; it must be text")
    found = _ROLES.get(word.strip().lower())
    if found is None:
        raise RecordError(f"message {number}: unknown role {quote(word)}; known are {', '.join(_ROLES)}")
    return found


def find_role(word: str) -> Role | None:
    """The role that `word` names; None if it names none."""
    return _ROLES.get(word.strip().lower())
