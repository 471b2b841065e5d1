"""Recognize exports of chat services that must be converted first, and say how."""

from __future__ import annotations

from guardcli.conversation import Json

_CHATGPT = (
    "this is an export of ChatGPT; convert it with: jq -c '.[] | {id, messages: [.mapping[] "
    '| .message | select(.author.role == "user" or .author.role == "assistant") | {role: .author.role, content: '
    '([.content.parts[]? | strings] | join(" "))} | select(.content != "")]}\' conversations.json | guard check'
)
_CLAUDE = (
    "this is an export of Claude; convert it with: jq -c '.[] | {id: .uuid, messages: "
    "[.chat_messages[] | {role: .sender, content: .text}]}'"
    " conversations.json | guard check"
)
_DISCORD = (
    "this is an export of a Discord channel, which has no roles; convert it with: jq -c "
    "'.messages[] | {id, prompt: .content}' "
    "export.json | guard check"
)


def conversion_hint(value: Json) -> str | None:
    """Return how to convert an export for guard; None if the value is not such an export."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("mapping"), dict):
        return _CHATGPT
    if isinstance(value.get("chat_messages"), list):
        return _CLAUDE
    if "guild" in value and "channel" in value and isinstance(value.get("messages"), list):
        return _DISCORD
    return None
