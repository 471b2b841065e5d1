"""Rows of tracing tools: Langfuse's `input` and `output`, LangSmith's and Weave's `inputs` and `outputs`.

Each holds what a model was given and what it answered: a text, one message, a list of messages, the arguments of a
function (Langfuse's `@observe`), or any of these as JSON text. LangChain's own form of a message, with its class or its
`type` for a role, is read as well.

JSON text is read only where all that it holds is accounted for, and somebody other than the system speaks in it;
otherwise it is text that somebody wrote, and is judged as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardcli.conversation import Conversation, Json, Message, NamedConversations, Role
from guardcli.formats import decoding, messages
from guardcli.formats.claims import Claims
from guardcli.formats.errors import RecordError, describe_type, quote_names
from guardcli.formats.prose import Prose, classify
from guardcli.formats.unread_text import find_unread_text

_TRACE_KEYS = frozenset({"trace_id", "traceId", "observation_id", "session_id", "sessionId", "run_type", "op_name"})
_INPUT_NAMES, _OUTPUT_NAMES = ("inputs", "input"), ("outputs", "output")
_TRACE_FIELDS = frozenset({*_INPUT_NAMES, *_OUTPUT_NAMES})
_OTHER_FORMATS_NAMES = frozenset(
    {"messages", "conversations", "conversation", "prompt"}
)  # these are other formats' own

# Where in an object the messages or the text are; the first that is filled is read.
_CONTENT_NAMES = (
    "messages", "message", "choices", "generations", "output", "input", "content", "text", "answer", "query",
    "question", "prompt", "response", "completion", "generation",
)  # fmt: skip

_ROLES_BY_TYPE: dict[str, Role] = {
    "human": "user", "ai": "assistant", "chat": "user", "system": "system", "tool": "tool", "function": "tool",
}  # fmt: skip
_ROLES_BY_CLASS: dict[str, Role] = {
    "HumanMessage": "user", "AIMessage": "assistant", "AIMessageChunk": "assistant", "SystemMessage": "system",
    "ToolMessage": "tool", "FunctionMessage": "tool",
}  # fmt: skip


def matches(value: Json) -> bool:
    if not isinstance(value, dict) or not _OTHER_FORMATS_NAMES.isdisjoint(value):
        return False
    return not _TRACE_KEYS.isdisjoint(value) and not _TRACE_FIELDS.isdisjoint(value)


def parse(value: Json, claims: Claims) -> NamedConversations:
    assert isinstance(value, dict)  # by `matches`
    given, answered = (_first_filled(value, names) for names in (_INPUT_NAMES, _OUTPUT_NAMES))
    said = _parse_json_texts(value, given, answered, claims)
    if said is None:
        reader = _MessageReader(claims)
        said = [*reader.under(value, given, "user"), *reader.under(value, answered, "assistant")]
    if not said:
        raise RecordError(f"empty conversation: {given} and {answered} hold no message")
    return [(None, Conversation(tuple(said)))]


def _first_filled(value: dict[str, Json], names: tuple[str, str]) -> str:
    return next((name for name in names if value.get(name) not in (None, "", [], {})), names[-1])


def _parse_json_texts(value: dict[str, Json], given: str, answered: str, claims: Claims) -> list[Message] | None:
    """The messages in JSON texts; None if they are not to be read as JSON.

    An exporter writes either all of a row's texts as JSON, or none: one that looks like JSON beside one that does not
    is what somebody typed.
    """
    texts = {name: text for name in (given, answered) if isinstance(text := value.get(name), str) and text}
    try:
        trees = {name: decoding.decode_json(text.encode("utf-8", "replace"), 1)[0] for name, text in texts.items()}
    except RecordError:
        return None
    if not trees or not all(isinstance(tree, (dict, list, str)) for tree in trees.values()):
        return None
    trial, root = Claims(), {**value, **trees}
    reader = _MessageReader(trial)
    try:
        asked, back = reader.under(root, given, "user"), reader.under(root, answered, "assistant")
    except RecordError:
        return None
    lost = any(find_unread_text(trial, {name: root[name]}, [*asked, *back]) for name in trees)
    if lost or (given in trees and not any(message.role in ("user", "assistant") for message in asked)):
        return None
    for name, tree in trees.items():
        if isinstance(tree, str):
            claims.claim(value, name)
        else:
            claims.add_parsed(value, name, tree)
    claims.merge(trial)
    return [*asked, *back]


@dataclass(slots=True)
class _MessageReader:
    """Messages out of whatever stands under a name; `count` of them so far."""

    claims: Claims
    count: int = 0

    def under(self, holder: dict[str, Json], name: str, role: Role, above: str = "") -> list[Message]:
        """The messages that a field holds; a text is what `role` said. `above` is the place of the holder."""
        place = f"{above}.{name}".removeprefix(".")
        value = holder.get(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            self.claims.claim(holder, name)
            return [self._text(value, role)]
        if isinstance(value, list):
            return self._listed(value, place, role)
        if not isinstance(value, dict):
            raise RecordError(f"{place} is {describe_type(value)}; it must be text, a message, or messages")
        return self._held(value, place, role)

    def _text(self, text: str, role: Role) -> Message:
        self.count += 1
        return Message(role, text)

    def _listed(self, value: list[Json], name: str, role: Role) -> list[Message]:
        if len(value) == 1 and isinstance(value[0], list):  # LangChain runs a batch, mostly of one
            value = value[0]
        if any(isinstance(item, list) for item in value):
            raise RecordError(f"{name} holds {len(value)} conversations; export them one by one")
        found = []
        for index, item in enumerate(value):
            if isinstance(item, str):
                self.claims.claim(value, index)
                found.append(self._text(item, role))
            else:
                found.append(self._message(item, role))
        return found

    def _held(self, value: dict[str, Json], name: str, role: Role) -> list[Message]:
        """What an object holds: messages, choices, generations, one message, or a text under a common name."""
        if _is_message(value):
            return [self._message(value, role)]
        self.claims.claim(value)
        if _is_call(value):
            return self._arguments(value, name, role)
        filled = next((key for key in _CONTENT_NAMES if value.get(key) not in (None, "", [], {})), None)
        if filled is None:
            raise RecordError(
                f"{name} holds no messages; it has the keys {quote_names(value)} (--messages-path names the place)"
            )
        return self.under(value, filled, role, name)

    def _arguments(self, value: dict[str, Json], name: str, role: Role) -> list[Message]:
        """The arguments of a function, as Langfuse's decorator records them: texts, or messages."""
        found = [message for field in ("args", "kwargs") for message in self._each(value[field], role)]
        if not found:
            raise RecordError(f"{name} holds the arguments of a function, and no text is among them")
        return found

    def _each(self, arguments: Json, role: Role) -> Iterator[Message]:
        assert isinstance(arguments, (dict, list))  # by `_is_call`
        places = arguments.items() if isinstance(arguments, dict) else enumerate(arguments)
        for place, item in places:
            if isinstance(item, str):
                if classify(item) is not Prose.SYMBOL:
                    self.claims.claim(arguments, place)
                    yield self._text(item, role)
            elif isinstance(item, (dict, list)) and _holds_messages(item):
                yield from (
                    self._listed(item, str(place), role)
                    if isinstance(item, list)
                    else self._held(item, str(place), role)
                )

    def _message(self, item: Json, role: Role) -> Message:
        """A message, a choice, a generation, or one of LangChain's."""
        self.count += 1
        if not isinstance(item, dict):
            return messages.read_message(item, self.count, self.claims)
        if isinstance(item.get("message"), dict) and "role" not in item:  # a choice, or a generation
            self.claims.claim(item)
            self.count -= 1
            return self._message(item["message"], role)
        if isinstance(inside := item.get("kwargs"), dict) and "role" not in item:
            self.claims.claim(item)
            return self._langchain(inside, _class_role(item, role))
        if _type_of(item) in _ROLES_BY_TYPE and "role" not in item:
            inside = item.get("data")
            self.claims.claim(item)
            return self._langchain(inside if isinstance(inside, dict) else item, _ROLES_BY_TYPE[_type_of(item)])
        if "role" not in item and isinstance(item.get("text"), str):
            self.claims.claim(item, "text")
            return Message(role, str(item["text"]))
        return messages.read_message(item, self.count, self.claims)

    def _langchain(self, item: dict[str, Json], role: Role) -> Message:
        """Content and calls of tools, which stand in `additional_kwargs` too, in the form that they were sent in."""
        beside = item.get("additional_kwargs")
        if isinstance(beside, dict):
            calls = beside.get("tool_calls")
            count = len(calls) if isinstance(calls, list) else beside.get("function_call") is not None
            if not item.get("tool_calls"):
                self.claims.skipped += ["tool_call"] * count
            self.claims.claim(beside, "tool_calls", "function_call")
        return messages.read_message(item, self.count, self.claims, role=role)


def _is_message(value: dict[str, Json]) -> bool:
    typed = _type_of(value) in _ROLES_BY_TYPE and ("data" in value or "content" in value)
    of_class = isinstance(value.get("kwargs"), dict) and ("lc" in value or isinstance(value.get("id"), list))
    return ("role" in value and ("content" in value or "tool_calls" in value)) or of_class or typed


def _is_call(value: dict[str, Json]) -> bool:
    return isinstance(value.get("args"), list) and isinstance(value.get("kwargs"), dict)


def _holds_messages(item: dict[str, Json] | list[Json]) -> bool:
    if isinstance(item, list):
        return bool(item) and all(isinstance(one, dict) and _is_message(one) for one in item)
    return _is_message(item) or any(item.get(name) not in (None, "", [], {}) for name in _CONTENT_NAMES)


def _class_role(item: dict[str, Json], role: Role) -> Role:
    """LangChain's serialized form: `{"id": [..., "HumanMessage"], "kwargs": {"content": …}}`."""
    path = item.get("id")
    return _ROLES_BY_CLASS.get(str(path[-1]) if isinstance(path, list) and path else "", role)


def _type_of(value: dict[str, Json]) -> str:
    found = value.get("type")
    return found if isinstance(found, str) else ""
