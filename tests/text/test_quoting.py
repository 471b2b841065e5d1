"""Quoted text is one printable line of bounded length."""

from __future__ import annotations

import pytest

from guardcli.text.quoting import quote


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("policy.yaml", "`policy.yaml`"),
        ("", "``"),
        ("caf\u00e9 \u4ec7", "`caf\u00e9 \u4ec7`"),
        ("a\\b", "`a\\b`"),
        ("a\nb\r\tc", "`a\\nb\\r\\tc`"),
        ("\x1b[2J", "`\\x1b[2J`"),
        ("\u202e\u200b\ud800\U000e0041", "`\\u202e\\u200b\\ud800\\U000e0041`"),
        ("x" * 60, f"`{'x' * 60}`"),
        ("x" * 61, f"`{'x' * 60}…`"),
        ("\n" * 61, "`" + "\\n" * 60 + "…`"),
    ],
)
def test_quote(text: str, expected: str) -> None:
    assert quote(text) == expected
