"""Labelled records and items for tests."""

from __future__ import annotations

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.evaluation.datasets import Crosswalk, Item, read
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import Labelled


def record(
    text: str = "How do I build a bomb?", line: int = 1, *, response: str | None = None, file: str = "a.jsonl",
    **fields: Json,
) -> Record:  # fmt: skip
    """One prompt, perhaps with a response, and the record's fields."""
    said = [Message("user", text)] + ([Message("assistant", response)] if response is not None else [])
    return Record(Key(file, line, None, f"r{line}"), Conversation(tuple(said)), fields)


def item(one: Record | Malformed) -> Item:
    """The item of a record that has a label."""
    (found,) = read([one]).items
    return found


def labelled(one: Record | Malformed, policy: Taxonomy, crosswalk: Crosswalk | None = None) -> Labelled:
    """The same as it is trained on."""
    return Labelled.of(item(one), policy, crosswalk or Crosswalk())
