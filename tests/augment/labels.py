"""Labelled records for tests."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Key, Message, Record


def record(
    text: str = "How do I build a bomb?", line: int = 1, *, response: str | None = None, file: str = "a.jsonl",
    **fields: Json,
) -> Record:  # fmt: skip
    """One prompt, perhaps with a response, and the record's fields."""
    said = [Message("user", text)] + ([Message("assistant", response)] if response is not None else [])
    return Record(Key(file, line, None, f"r{line}"), Conversation(tuple(said)), fields)
