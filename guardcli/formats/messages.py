"""Read messages of JSON formats: a role, and content as text or as a list of typed parts.

    {"role": "user", "content": "hi"}
    {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", …}]}

Parts that are not text, such as images and tool calls, are named in `Message.skipped`. Every field that is read is
claimed, so that unread text in a message is found (see `claims`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guardcli.conversation import Conversation, Json, Message, NamedConversations, Role
from guardcli.formats import decoding, roles
from guardcli.formats.beside import to_json
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type
from guardcli.formats.prose import Prose, classify

# The types of parts that are text, and the field with the text.
_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
    "reasoning": "text",
    "reasoning_text": "text",
    "summary_text": "text",
}

_SKIPPED_PARTS = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "tool_result": "tool_result",
    "tool_call_response": "tool_result",
    "redacted_thinking": "redacted_thinking",
    "encrypted_reasoning": "redacted_thinking",
}

_PAYLOAD_KINDS = ("tool_call", "tool_result", "redacted_thinking")

# The types of items of OpenAI's Responses API that are tool calls.
TOOL_CALL_TYPES = frozenset({
    "code_interpreter_call", "computer_call", "custom_tool_call", "file_search_call", "function_call",
    "image_generation_call", "local_shell_call", "mcp_approval_request", "mcp_call", "mcp_list_tools",
    "web_search_call",
})  # fmt: skip

# Fields in which a part of an unknown type may have text; such a part is read as text.
_TEXT_FIELDS = ("text", "content", "value", "thinking", "transcript")

_ROLE_NAMES = frozenset({"role", "from", "sender", "author", "speaker"})
_REASONING_FIELDS = ("reasoning_content", "reasoning")  # text of the model before its answer, which is judged as well
_REASONING_PARTS = frozenset({"thinking", "reasoning", "reasoning_text", "summary_text"})
REASONING = "reasoning"  # the flag of a conversation with reasoning, which is judged as part of its message
_MAX_KIND_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Dialect:
    """The field names of a format's messages.

    Of several names in `roles` or `contents`, the first that a message has is read. `part_texts` maps the types of
    parts to the field with their text, where that differs from OpenAI's.
    """

    roles: tuple[str, ...] = ("role",)
    contents: tuple[str, ...] = ("content",)
    part_texts: Mapping[str, str] = field(default_factory=dict)


OPENAI = Dialect()


def read_messages(value: Json, name: str, claims: Claims, dialect: Dialect = OPENAI) -> tuple[Message, ...]:
    """Return the messages of a list; `name` is its field, for error messages.

    Raises:
        RecordError: The value is not a list of messages, or is empty, or a message is invalid.
    """
    if not isinstance(value, list):
        raise RecordError(f"{name} is {describe_type(value)}; it must be a list of messages", code="record/wrong-type")
    if not value:
        raise RecordError(f"empty conversation: {name} has no messages", code="record/empty-conversation")
    return _read_plain_messages(value, claims) or tuple(
        read_message(item, number, claims, dialect) for number, item in enumerate(value, start=1)
    )


def _read_plain_messages(items: list[Json], claims: Claims) -> tuple[Message, ...] | None:
    """Return the messages of a list whose messages have a role and a text and nothing else, as in most logs."""
    messages = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict) or len(item) != 2 or "role" not in item:
            return None
        content = item.get("content")
        if not isinstance(content, str):
            return None
        messages.append(Message(roles.parse_role(item["role"], number), content))
    claims.claim_all(items)
    return tuple(messages)


def read_message(
    item: Json, number: int, claims: Claims, dialect: Dialect = OPENAI, *, role: Role | None = None
) -> Message:
    """Return one message of a conversation.

    `number` is its position, for error messages. `role` overrides the role in the message.

    Raises:
        RecordError: The value is not a valid message.
    """
    if not isinstance(item, dict):
        raise RecordError(f"message {number} is {describe_type(item)}; it must be an object", code="record/wrong-type")
    location = f"message {number}"
    if role is None:
        role = _read_role(item, number, dialect)
    calls = _count_tool_calls(item, location, claims)
    functions = _function_calls(item) if calls else ()
    outside = _read_text_outside_content(item, location, claims)
    name = _content_name(item, dialect)
    if name is None and not calls and not outside:
        raise RecordError(f"{location} has no content", code="record/missing-field")
    text, skipped = ("", ()) if name is None else read_content(item, name, location, claims, dialect)
    before, after = outside or ([], [])
    return Message(role, "\n".join(filter(None, (*before, text, *after))), skipped + calls, functions)


def read_conversation(
    value: dict[str, Json], name: str, claims: Claims, dialect: Dialect = OPENAI
) -> NamedConversations:
    """Return the conversation of an object: its system prompt, and the messages in the field `name`."""
    system = read_system_prompt(value, claims)
    return [(None, Conversation((*system, *read_messages(value.get(name), name, claims, dialect))))]


def read_system_prompt(value: dict[str, Json], claims: Claims, name: str = "system") -> tuple[Message, ...]:
    """Return the system prompt that some formats keep in a field outside the messages; it comes before all of them."""
    prompt = value.get(name)
    if prompt is None:
        return ()
    if not isinstance(prompt, (str, list)):
        raise RecordError(
            f"{name} is {describe_type(prompt)}; it must be text or a list of parts", code="record/wrong-type"
        )
    text, skipped = read_content(value, name, name, claims)
    return (Message("system", text, skipped),)


def read_content(
    item: dict[str, Json], name: str, location: str, claims: Claims, dialect: Dialect = OPENAI
) -> tuple[str, tuple[str, ...]]:
    """Return the text of a message's content, and the kind of each part that is not text."""
    content = item[name]
    if content is None:
        return "", ()
    if isinstance(content, str):
        claims.claim(item, name)
        return content, ()
    if not isinstance(content, list):
        raise RecordError(
            f"{location}: {_content_label(name)} is {describe_type(content)}; it must be text, null, "
            "or a list of parts",
            code="record/wrong-type",
        )
    texts, skipped = [], []
    for index, part in enumerate(content):
        if isinstance(part, str):
            claims.claim(content, index)
            texts.append(part)
            continue
        text, kind = _read_part(part, f"{location}: part {index + 1}", claims, dialect)
        if kind is None:
            texts.append(text)
        elif kind:
            skipped.append(kind)
    return "\n".join(texts), tuple(skipped)


def _read_role(item: dict[str, Json], number: int, dialect: Dialect) -> Role:
    name = next((name for name in dialect.roles if name in item), None)
    if name is None:
        raise RecordError(f"message {number} has no role", code="record/missing-field")
    role = roles.parse_role(item[name], number)
    for other, word in item.items():
        if (
            other != name
            and other.lower() in _ROLE_NAMES
            and isinstance(word, str)
            and roles.find_role(word) not in (None, role)
        ):
            raise RecordError(
                f"message {number}: `{name}` and `{other}` name two different roles", code="record/conflicting-fields"
            )
    return role


def _content_name(item: dict[str, Json], dialect: Dialect) -> str | None:
    names = [name for name in dialect.contents if name in item]
    return next((name for name in names if item[name] not in (None, [])), names[-1] if names else None)


def _read_text_outside_content(
    item: dict[str, Json], location: str, claims: Claims
) -> tuple[list[str], list[str]] | None:
    """Return the text in other fields that comes before the content (reasoning), and after it (refusal, audio)."""
    before = [read_text(item, name, claims, location) for name in _REASONING_FIELDS if isinstance(item.get(name), str)]
    if any(before):
        claims.flags.append(REASONING)
    after = [read_text(item, "refusal", claims, location)] if item.get("refusal") is not None else []
    audio = item.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
        after.append(read_text(audio, "transcript", claims, location))
    return (list(dict.fromkeys(before)), after) if before or after else None


def _count_tool_calls(item: dict[str, Json], location: str, claims: Claims) -> tuple[str, ...]:
    calls = item.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise RecordError(
            f"{location}: tool_calls is {describe_type(calls)}; it must be a list", code="record/wrong-type"
        )
    count = len(calls or ())
    for name in ("function_call", "toolInvocations", "invalid_tool_calls"):
        called = item.get(name)
        count += len(called) if isinstance(called, list) else called is not None
        claims.claim(item, name)
    claims.claim(item, "tool_calls")
    return ("tool_call",) * count


def _function_calls(item: dict[str, Json]) -> tuple[str, ...]:
    """Return the calls of functions of a message in OpenAI's form, as chat templates write them."""
    listed = item.get("tool_calls")
    calls = [*(listed if isinstance(listed, list) else ()), item.get("function_call")]
    functions: list[str] = []
    for call in calls:
        function = call.get("function", call) if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            arguments = function.get("arguments", {})
            text = arguments if isinstance(arguments, str) else to_json(arguments)
            decoding.check_nul(name + text)
            functions.append(f'{{"name": "{name}", "arguments": {text}}}')
    return tuple(functions)


def _read_part(part: Json, location: str, claims: Claims, dialect: Dialect) -> tuple[str, str | None]:
    """Return the text of a part and None; or "" and the kind of a part that is not text ("" if the part is empty)."""
    if not isinstance(part, dict):
        raise RecordError(
            f"{location} is {describe_type(part)}; it must be text or an object with a type", code="record/wrong-type"
        )
    type_ = part.get("type")
    if not isinstance(type_, str):
        raise RecordError(f"{location} has no type", code="record/missing-field")
    name = dialect.part_texts.get(type_) or _TEXT_PARTS.get(type_)
    if name is not None:
        if type_ in _REASONING_PARTS:
            claims.flags.append(REASONING)
        return read_text(part, name, claims, location), None
    if type_ == "step-start":  # a separator between the steps of an answer
        return "", ""
    if type_ not in _SKIPPED_PARTS and not _is_tool_type(type_):
        name = next((name for name in _TEXT_FIELDS if isinstance(part.get(name), str)), None)
        if name is not None:
            return read_text(part, name, claims, location), None
    kind = _SKIPPED_PARTS.get(type_) or ("tool_call" if _is_tool_type(type_) else "")
    if kind in _PAYLOAD_KINDS:
        claims.claim_all(part)
    elif kind:  # text in the part of an image is not the image
        claims.claim(part, *(name for name in part if name not in _TEXT_FIELDS))
    else:  # an unknown type: look at everything in it
        claims.claim(part)
    return "", kind or _part_kind(type_)


def _is_tool_type(type_: str) -> bool:
    """Return whether a part is a tool call: `tool-NAME` or `dynamic-tool` of the AI SDK, or one of OpenAI's types."""
    return type_.startswith("tool-") or type_ == "dynamic-tool" or type_ in TOOL_CALL_TYPES


def _part_kind(type_: str) -> str:
    """Return the kind of a part of an unknown type: the type, unless it is a sentence that a user wrote."""
    return "part" if classify(type_) is Prose.SENTENCE else type_[:_MAX_KIND_LENGTH]


def read_text(container: dict[str, Json], name: str, claims: Claims, location: str = "") -> str:
    """Return the text of a field.

    Raises:
        RecordError: The value is not text. The message begins with `location`.
    """
    value = container.get(name)
    if not isinstance(value, str):
        place = f"{location}: {name}" if location else name
        raise RecordError(f"{place} is {describe_type(value)}; it must be text", code="record/wrong-type")
    claims.claim(container, name)
    return value


def _content_label(name: str) -> str:
    return "content" if name == "value" else name
