"""Exports of chat services: an error that says how to reach their text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardcli.conversation import Malformed
from tests.formats.in_memory import read_all

EXPORTS: dict[str, Any] = {
    "an export of ChatGPT": {"id": "c", "title": "t", "mapping": {"a": {"message": None}}, "current_node": "a"},
    "an export of Claude": {"uuid": "u", "name": "n", "chat_messages": [{"sender": "human", "text": "hi"}]},
    "an export of a Discord channel": {
        "guild": {"id": "1"},
        "channel": {"id": "2"},
        "messages": [{"id": "3", "content": "hi", "author": {"name": "ann"}}],
    },
}


@pytest.mark.parametrize("name", EXPORTS)
def test_binary_input_is_rejected_with_advice(name: str) -> None:
    for content in (json.dumps(EXPORTS[name]), json.dumps([EXPORTS[name]], indent=2)):
        (row,) = read_all(content.encode())
        assert isinstance(row, Malformed)
        assert row.reason.startswith(f"this is {name}")
        assert "jq -c '" in row.reason
        assert row.reason.endswith("| guard check")
