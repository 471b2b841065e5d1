"""Traces: Langfuse's `input` and `output`, LangSmith's and Weave's `inputs` and `outputs`.

Each field is a text, one message, a list of messages, the arguments of a function (Langfuse's `@observe`), or any of
these as JSON text. LangChain's messages, which have a class or a `type` in place of a role, are read as well.

JSON text is parsed only if every text in it is accounted for, and somebody other than the system speaks in it.
Otherwise it is text that a user wrote, and is judged as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardcli.conversation import Conversation, Json, Message, NamedConversations, Role
from guardcli.formats import decoding, messages
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote_names
from guardcli.formats.field_names import OTHER_FORMATS_KEYS
from guardcli.formats.prose import Prose, classify
from guardcli.formats.unread_text import find_unread_text

_TRACE_KEYS = frozenset({"trace_id", "traceId", "observation_id", "session_id", "sessionId", "run_type", "op_name"})
_INPUT_NAMES, _OUTPUT_NAMES = ("inputs", "input"), ("outputs", "output")
_TRACE_FIELDS = frozenset({*_INPUT_NAMES, *_OUTPUT_NAMES})

# Fields of an object with the messages or the text; the first that is filled is read.
_CONTENT_NAMES = (
    "messages", "message", "choices", "generations", "output", "input", "content", "text", "answer", "query",
    "question", "prompt", "response", "completion", "generation",
)  # fmt: skip

_ROLES_BY_TYPE: dict[str, Role] = {
    "human": "user",
    "ai": "assistant",
    "chat": "user",
    "system": "system",
    "tool": "tool",
    "function": "tool",
}
_ROLES_BY_CLASS: dict[str, Role] = {
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
}


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or not OTHER_FORMATS_KEYS.isdisjoint(value):
        return False
    return not _TRACE_KEYS.isdisjoint(value) and not _TRACE_FIELDS.isdisjoint(value)


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    input_, output = (_first_filled(value, names) for names in (_INPUT_NAMES, _OUTPUT_NAMES))
    all_messages = _parse_json_texts(value, input_, output, claims)
    if all_messages is None:
        reader = _MessageReader(claims)
        all_messages = [*reader.read_field(value, input_, "user"), *reader.read_field(value, output, "assistant")]
    if not all_messages:
        raise RecordError(
            f"empty conversation: {input_} and {output} hold no message", code="record/empty-conversation"
        )
    return [(None, Conversation(tuple(all_messages)))]


def _first_filled(value: dict[str, Json], names: tuple[str, str]) -> str:
    return next((name for name in names if value.get(name) not in (None, "", [], {})), names[-1])


def _parse_json_texts(value: dict[str, Json], input_: str, output: str, claims: Claims) -> list[Message] | None:
    """Return the messages in JSON texts; None if the texts must not be parsed.

    An exporter writes either all texts of a row as JSON, or none. If only one of the two is JSON, a user typed it.
    """
    texts = {name: text for name in (input_, output) if isinstance(text := value.get(name), str) and text}
    try:
        trees = {name: decoding.decode_json(text.encode("utf-8", "replace"), 1)[0] for name, text in texts.items()}
    except RecordError:
        return None
    if not trees or not all(isinstance(tree, (dict, list, str)) for tree in trees.values()):
        return None
    trial_claims, root = Claims(), {**value, **trees}
    reader = _MessageReader(trial_claims)
    try:
        inputs = reader.read_field(root, input_, "user")
        outputs = reader.read_field(root, output, "assistant")
    except RecordError:
        return None
    has_unread = any(find_unread_text(trial_claims, {name: root[name]}, [*inputs, *outputs]) for name in trees)
    if has_unread or (input_ in trees and not any(message.role in ("user", "assistant") for message in inputs)):
        return None
    for name, tree in trees.items():
        if isinstance(tree, str):
            claims.claim(value, name)
        else:
            claims.add_parsed(value, name, tree)
    claims.merge(trial_claims)
    return [*inputs, *outputs]


@dataclass(slots=True)
class _MessageReader:
    """Reads messages from the values of a trace. `count` is the number of messages so far."""

    claims: Claims
    count: int = 0

    def read_field(self, fields: dict[str, Json], name: str, role: Role, parent: str = "") -> list[Message]:
        """Return the messages in a field; a text is a message of `role`. `parent` is the path of the object."""
        place = f"{parent}.{name}".removeprefix(".")
        value = fields.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            self.claims.claim(fields, name)
            return [self._read_text(value, role)]
        if isinstance(value, list):
            return self._read_list(value, place, role)
        if not isinstance(value, dict):
            raise RecordError(
                f"{place} is {describe_type(value)}; it must be text, a message, or messages", code="record/wrong-type"
            )
        return self._read_object(value, place, role)

    def _read_text(self, text: str, role: Role) -> Message:
        self.count += 1
        return Message(role, text)

    def _read_list(self, value: list[Json], name: str, role: Role) -> list[Message]:
        if len(value) == 1 and isinstance(value[0], list):  # LangChain runs batches, mostly of one conversation
            value = value[0]
        if any(isinstance(item, list) for item in value):
            raise RecordError(
                f"{name} holds {len(value)} conversations; export them one by one", code="record/several-conversations"
            )
        list_messages = []
        for index, item in enumerate(value):
            if isinstance(item, str):
                self.claims.claim(value, index)
                list_messages.append(self._read_text(item, role))
            else:
                list_messages.append(self._read_message(item, role))
        return list_messages

    def _read_object(self, value: dict[str, Json], name: str, role: Role) -> list[Message]:
        """Return the messages of an object: messages, choices, generations, one message, or a text in a usual field."""
        if _is_message(value):
            return [self._read_message(value, role)]
        self.claims.claim(value)
        if _is_call(value):
            return self._read_arguments(value, name, role)
        filled = next((key for key in _CONTENT_NAMES if value.get(key) not in (None, "", [], {})), None)
        if filled is None:
            raise RecordError(
                f"{name} holds no messages; it has the keys {quote_names(value)} (ReadOptions.messages_path names the "
                "place)",
                code="record/missing-field",
            )
        return self.read_field(value, filled, role, name)

    def _read_arguments(self, value: dict[str, Json], name: str, role: Role) -> list[Message]:
        """Return the messages among the arguments of a function, as Langfuse's decorator records them."""
        arguments = [
            message for field in ("args", "kwargs") for message in self._read_each_argument(value[field], role)
        ]
        if not arguments:
            raise RecordError(
                f"{name} holds the arguments of a function, and none of them is text", code="record/nothing-to-judge"
            )
        return arguments

    def _read_each_argument(self, arguments: Json, role: Role) -> Iterator[Message]:
        assert isinstance(arguments, (dict, list))  # by `_is_call`
        items = arguments.items() if isinstance(arguments, dict) else enumerate(arguments)
        for name, item in items:
            if isinstance(item, str):
                if classify(item) is not Prose.SYMBOL:
                    self.claims.claim(arguments, name)
                    yield self._read_text(item, role)
            elif isinstance(item, (dict, list)) and _has_messages(item):
                yield from (
                    self._read_list(item, str(name), role)
                    if isinstance(item, list)
                    else self._read_object(item, str(name), role)
                )

    def _read_message(self, item: Json, role: Role) -> Message:
        """Return a message, or the message of a choice, of a generation, or of LangChain."""
        self.count += 1
        if not isinstance(item, dict):
            return messages.read_message(item, self.count, self.claims)
        if isinstance(item.get("message"), dict) and "role" not in item:  # a choice, or a generation
            self.claims.claim(item)
            self.count -= 1
            return self._read_message(item["message"], role)
        if isinstance(inside := item.get("kwargs"), dict) and "role" not in item:
            self.claims.claim(item)
            return self._read_langchain(inside, _class_role(item, role))
        if _type_of(item) in _ROLES_BY_TYPE and "role" not in item:
            inside = item.get("data")
            self.claims.claim(item)
            return self._read_langchain(inside if isinstance(inside, dict) else item, _ROLES_BY_TYPE[_type_of(item)])
        if "role" not in item and isinstance(item.get("text"), str):
            self.claims.claim(item, "text")
            return Message(role, str(item["text"]))
        return messages.read_message(item, self.count, self.claims)

    def _read_langchain(self, item: dict[str, Json], role: Role) -> Message:
        """Return a LangChain message. Its tool calls may be in `additional_kwargs` as well, or only there."""
        sent = item.get("additional_kwargs")
        if isinstance(sent, dict):
            calls = sent.get("tool_calls")
            count = len(calls) if isinstance(calls, list) else sent.get("function_call") is not None
            if not item.get("tool_calls"):
                self.claims.skipped += ["tool_call"] * count
            self.claims.claim(sent, "tool_calls", "function_call")
        return messages.read_message(item, self.count, self.claims, role=role)


def _is_message(value: dict[str, Json]) -> bool:
    typed = _type_of(value) in _ROLES_BY_TYPE and ("data" in value or "content" in value)
    of_class = isinstance(value.get("kwargs"), dict) and ("lc" in value or isinstance(value.get("id"), list))
    return ("role" in value and ("content" in value or "tool_calls" in value)) or of_class or typed


def _is_call(value: dict[str, Json]) -> bool:
    return isinstance(value.get("args"), list) and isinstance(value.get("kwargs"), dict)


def _has_messages(item: dict[str, Json] | list[Json]) -> bool:
    if isinstance(item, list):
        return bool(item) and all(isinstance(one, dict) and _is_message(one) for one in item)
    return _is_message(item) or any(item.get(name) not in (None, "", [], {}) for name in _CONTENT_NAMES)


def _class_role(item: dict[str, Json], role: Role) -> Role:
    """Return the role of LangChain's serialized form: `{"id": [..., "HumanMessage"], "kwargs": {"content": …}}`."""
    path = item.get("id")
    return _ROLES_BY_CLASS.get(str(path[-1]) if isinstance(path, list) and path else "", role)


def _type_of(value: dict[str, Json]) -> str:
    type_ = value.get("type")
    return type_ if isinstance(type_, str) else ""
