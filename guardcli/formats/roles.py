"""Who speaks: the words that formats use for the roles. It knows nothing of where such a word stands."""

from __future__ import annotations

from guardcli.conversation import Role
from guardcli.formats.faults import Unreadable, kind, shown

WORDS: dict[Role, tuple[str, ...]] = {
    "user": ("user", "human", "prompter", "customer"),
    "assistant": ("assistant", "ai", "bot", "gpt", "model", "agent", "chatgpt"),
    "system": ("system",),
    "developer": ("developer",),
    "tool": ("tool", "function", "ipython", "observation"),
}

_ROLES = {word: role for role, words in WORDS.items() for word in words}


def role(word: object, number: int) -> Role:
    """The role that `word` names, in any case; `number` is its message's, for the reason of `Unreadable`."""
    if isinstance(word, str) and word in _ROLES:
        return _ROLES[word]
    if not isinstance(word, str):
        raise Unreadable(f"message {number}: the role is {kind(word)}; it must be text")
    found = _ROLES.get(word.strip().lower())
    if found is None:
        raise Unreadable(f"message {number}: unknown role {shown(word)}; known are {', '.join(_ROLES)}")
    return found


def known(word: str) -> Role | None:
    """The role that `word` names; None if it names none."""
    return _ROLES.get(word.strip().lower())
