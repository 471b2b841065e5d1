"""The account of a record's text, settled: every string of it ends in one of five ways.

1. *judged*: it is in a message that reaches a prompt;
2. *skipped*: counted in the row by kind (images, tool payloads, the operator's system message);
3. *metadata by form*: it carries no sentence (`prose.classify`);
4. *metadata by place*: it stands in an object that formats document as metadata (`names.PLACES`);
5. *unread*: everything else. Under a name that holds speech it makes the record an error; elsewhere its path is listed.

    record ─┬─ messages ─┬─ [0] ─┬─ role      "user"                metadata by form
            │            │       ├─ content   "hi"                  claimed by the reader: judged
            │            │       └─ note      "call him back"       unread: messages[].note
            ├─ metadata ─── source  "the web form"                  metadata by place
            └─ response  "how to build it"                          speech that nobody reads: an error
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

from guardcli.conversation import Json, Message, NamedConversations
from guardcli.formats import decoding, paths
from guardcli.formats.claims import NOT_CLAIMED, Claims, iter_items
from guardcli.formats.errors import RecordError
from guardcli.formats.field_names import field_meaning, find_id_name
from guardcli.formats.judged_text import JudgedTextMatcher
from guardcli.formats.prose import MAX_CACHED_LENGTH, PLAIN_SLUG_WORDS, Prose, classify, is_label, is_split_sentence

UNREAD_TEXT = "unread_text"  # the flag of a row that lists unread text
TOOL_DEFINITION = "tool_definition"
MAX_LISTED_PATHS = 100  # paths of unread text in a row; MORE stands for the others
MORE_PATHS = "…"
TEXT_AS_KEY = "{text}"  # stands in a path for a name that is text itself

Path: TypeAlias = "tuple[str | int, ...]"


class TextStatus(str, Enum):
    """What becomes of a text."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    METADATA_BY_FORM = "metadata by form"
    METADATA_BY_PLACE = "metadata by place"
    IGNORED = "ignored"
    UNREAD = "unread"
    ERROR = "error"


TextEntry: TypeAlias = "tuple[Path, str, TextStatus]"  # a text of a record, where it stands, and what becomes of it


@dataclass(frozen=True, slots=True)
class IgnoredPaths:
    """Paths that the user calls metadata, with all that is below them. Lists do not count: `a[].b` is `a.b`."""

    paths: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def from_text(cls, text: str) -> IgnoredPaths:
        """Paths parted by commas. Raises ValueError: one is no path."""
        return cls(paths.parse_paths(text))

    def covers(self, path: Path) -> bool:
        """Whether a place is one of them, or below one."""
        if not self.paths:
            return False
        names = tuple(_path_step(step) for step in path if isinstance(step, str))
        return any(names[:length] in self.paths for length in range(1, len(names) + 1))


NO_IGNORED_PATHS = IgnoredPaths()


def account_for_text(
    claims: Claims, value: Json, conversations: NamedConversations, ignored: IgnoredPaths
) -> NamedConversations:
    """The conversations of a record with what is skipped and unread in it.

    Raises:
        RecordError: text stands under a name that holds speech, and no message has it.
    """
    unread: dict[str, None] = {}
    for path, _, fate in find_unread_text(claims, value, _judged_messages(conversations), ignored):
        if fate is TextStatus.ERROR:
            raise RecordError(_unjudged_message(path))
        if len(unread) < MAX_LISTED_PATHS:
            unread[format_text_path(path)] = None
        else:
            unread[MORE_PATHS] = None
    if not unread and not claims.skipped and not claims.flags:
        return conversations
    flags = dict.fromkeys([*claims.flags, *([UNREAD_TEXT] if unread else [])])
    return [
        (
            name,
            replace(
                conversation,
                flags=(*conversation.flags, *flags),
                skipped=(*conversation.skipped, *claims.skipped),
                unread=tuple(unread),
            ),
        )
        for name, conversation in conversations
    ]


def find_unread_text(
    claims: Claims, value: Json, messages: Sequence[Message], ignored: IgnoredPaths = NO_IGNORED_PATHS
) -> list[TextEntry]:
    """The texts of a value that nothing accounts for, as UNREAD or ERROR. Definitions of tools are counted."""
    return _TextWalk(claims, messages, ignored).run(value)


def list_text(
    claims: Claims, value: Json, conversations: NamedConversations, ignored: IgnoredPaths = NO_IGNORED_PATHS
) -> list[TextEntry]:
    """Every text of a value, and what becomes of it."""
    found: list[TextEntry] = []
    walk = _TextWalk(
        claims, _judged_messages(conversations), ignored, lambda path, text, fate: found.append((path, text, fate))
    )
    return found + walk.run(value)


def format_text_path(path: Path) -> str:
    """A path as people write it, lists without numbers: `messages[].note`."""
    return paths.format_path([_path_step(step) if isinstance(step, str) else step for step in path])


def _unjudged_message(path: Path) -> str:
    place = format_text_path(path)
    option = shlex.quote(place)
    return (
        f"`{place}` has text that is in no message and would not be judged: --text-field {option} judges it, "
        f"--ignore {option} leaves it out"
    )


def _path_step(name: str) -> str:
    """A name in a path; one that is text itself does not stand there."""
    return TEXT_AS_KEY if field_meaning(name).is_text else name


def _judged_messages(conversations: NamedConversations) -> list[Message]:
    """The messages that are judged: not the operator's, and not those of tools."""
    return [
        message
        for _, conversation in conversations
        for message in conversation.messages[conversation.num_operator_messages :]
        if message.role != "tool" and message.content
    ]


# A place in the tree, from the leaf up: a name, and the place that it is in. None is the record itself.
_Location: TypeAlias = "tuple[str | int, _Location] | None"

# An object or a list that is still to be walked over: its place, whether it is a conversation that no reader knows, and
# whether it is metadata.
_PendingNode: TypeAlias = "tuple[Json, _Location, bool, bool]"

_MAX_CACHED = 1 << 16  # strings
_plain_names: set[str] = set()  # names that say nothing of the text under them
_MAX_SEEN_ONCE = 1 << 12  # strings
_seen_once: set[str] = set()
_plain_texts: set[str] = set()  # texts that are metadata by form, whatever name they stand under that says nothing


@dataclass(slots=True)
class _TextWalk:
    """A walk over all that is not claimed. With `told` it also tells of each text that is accounted for; without, it
    passes over those as fast as it can: nearly all texts of nearly all records are a few plain words."""

    claims: Claims
    messages: Sequence[Message]
    ignored: IgnoredPaths
    told: Callable[[Path, str, TextStatus], None] | None = None
    _id: str | None = field(default=None, init=False)
    _said: JudgedTextMatcher | None = field(default=None, init=False)
    _left: list[TextEntry] = field(default_factory=list, init=False)
    _stack: list[_PendingNode] = field(default_factory=list, init=False)

    def run(self, value: Json) -> list[TextEntry]:
        """What is left over."""
        self._id = find_id_name(value) if isinstance(value, dict) else None
        stack = self._stack
        stack.append((value, None, False, False))
        while stack:
            node, place, speech, metadata = stack.pop()
            claimed = self.claims.claimed.get(id(node), NOT_CLAIMED)
            if claimed is None:
                self._tell_all(node, place)
            elif isinstance(node, dict):
                # Of an object that a reader knows only the names in it count, not the one that it stands under.
                foreign = claimed is NOT_CLAIMED
                self._object(node, place, speech and foreign, metadata and foreign, claimed)
            elif isinstance(node, list):
                if not metadata and len(node) >= PLAIN_SLUG_WORDS:
                    self._spread([item for item in node if isinstance(item, str)], place, speech)
                for index, item in enumerate(node):
                    if index in claimed:
                        self._tell_all(item, (index, place))
                    elif isinstance(item, str):
                        if speech or self.told is not None or item not in _plain_texts:
                            self._text(item, index, place, speech, metadata)
                    elif item and isinstance(item, (dict, list)) and self._is_open(item):
                        stack.append((item, (index, place), speech, metadata))
        return self._left

    def _object(
        self, node: dict[str, Json], place: _Location, speech: bool, metadata: bool, claimed: Collection[str | int]
    ) -> None:
        fast = self.told is None and not self.claims.parsed
        for name, item in node.items():
            is_plain = fast and name in _plain_names
            if is_plain:
                kind = type(item)
                if item in _plain_texts if kind is str else kind in _NUMBERS:
                    continue
            said = field_meaning(name)
            if said.is_text:
                if not metadata:
                    self._key(name, place)
            elif not (is_plain or said.is_speech or said.is_conversation) and len(_plain_names) < _MAX_CACHED:
                _plain_names.add(name)
            if name in claimed:
                self._tell_all(item, (name, place))
                continue
            if self.claims.parsed:
                item = self.claims.get_parsed(node, name, item)
            if isinstance(item, str):
                self._text(item, name, place, speech, metadata)
            elif item and isinstance(item, (dict, list)):
                if said.is_tools:
                    self._tools(item, (name, place))
                elif self._is_open(item):
                    self._stack.append((item, (name, place), speech or said.is_speech, metadata or said.is_metadata))

    def _is_open(self, item: dict[str, Json] | list[Json]) -> bool:
        """Whether there is something to look at in an object or a list."""
        return self.told is not None or self.claims.claimed.get(id(item), NOT_CLAIMED) is not None

    def _spread(self, texts: list[str], place: _Location, speech: bool) -> None:
        """A sentence whose words, or letters, are the items of a list."""
        if is_split_sentence(texts):
            path = (*_to_path(place), 0)
            said = any(self._texts().contains(joint.join(texts)) for joint in (" ", ""))
            if not said and not self.ignored.covers(path):
                self._left.append((path, " ".join(texts), TextStatus.ERROR if speech else TextStatus.UNREAD))

    def _key(self, name: str, place: _Location) -> None:
        path = _to_path((name, place))
        if not self.ignored.covers(path) and not self._texts().contains(name):
            self._left.append((path, name, TextStatus.UNREAD))

    def _text(self, text: str, name: str | int, above: _Location, speech: bool, metadata: bool) -> None:
        kind = classify(text)
        place = (name, above)
        says_speech = isinstance(name, str) and field_meaning(name).is_speech
        if kind is Prose.SYMBOL or (kind is Prose.WORD and not _is_spoken_word(name, above, speech)):
            _cache_plain_text(text)
            self._tell(place, text, TextStatus.METADATA_BY_FORM)
            return
        if (inside := decoding.parse_nested_json(text)) is not None:
            self._stack.append((inside, place, speech or says_speech, metadata))
            return
        path = _to_path(place)
        if above is None and name == self._id and len(text.split()) == 1 and text.isascii():
            self._tell(place, text, TextStatus.METADATA_BY_FORM)
        elif self.ignored.covers(path):
            self._tell(place, text, TextStatus.IGNORED)
        elif self._texts().contains(text):
            self._tell(place, text, TextStatus.JUDGED)
        elif speech or says_speech:
            self._left.append((path, text, TextStatus.ERROR))
        elif metadata or (_is_label_field(path) and is_label(text)):
            self._tell(place, text, TextStatus.METADATA_BY_PLACE)
        else:
            self._left.append((path, text, TextStatus.UNREAD))

    def _tools(self, item: Json, place: _Location) -> None:
        """Definitions of tools: counted, each of them."""
        if self.told is None:
            self.claims.skipped.extend([TOOL_DEFINITION] * (len(item) if isinstance(item, list) else 1))
        for inside, text in _iter_strings(item, place):
            self._tell(inside, text, TextStatus.SKIPPED)

    def _texts(self) -> JudgedTextMatcher:
        if self._said is None:
            self._said = JudgedTextMatcher([message.content for message in self.messages])
        return self._said

    def _tell(self, place: _Location, text: str, fate: TextStatus) -> None:
        if self.told is not None and text.strip():
            self.told(_to_path(place), text, fate)

    def _tell_all(self, item: Json, place: _Location) -> None:
        """Tell of texts that are claimed: they are judged if a message says them."""
        if self.told is None:
            return
        for inside, text in _iter_strings(item, place):
            is_sentence = classify(text) is Prose.SENTENCE
            if self._texts().contains(text) if is_sentence else self._texts().is_message(text):
                self._tell(inside, text, TextStatus.JUDGED)
            else:
                self._tell(inside, text, TextStatus.SKIPPED if is_sentence else TextStatus.METADATA_BY_FORM)


_NUMBERS = frozenset({int, float, bool, type(None)})


def _cache_plain_text(text: str) -> None:
    """Know a text again that is metadata by form, once it has been met twice: an id stands in one record only."""
    if text not in _seen_once:
        if len(_seen_once) >= _MAX_SEEN_ONCE:
            _seen_once.clear()
        _seen_once.add(text)
    elif len(_plain_texts) < _MAX_CACHED and len(text) <= MAX_CACHED_LENGTH:
        _plain_texts.add(text)


def _is_spoken_word(name: str | int, above: _Location, speech: bool) -> bool:
    """Whether one word under a name is enough to be what somebody said: where a format has its conversation, and in an
    object there that no reader knows."""
    if isinstance(name, int):
        return speech and above is not None and field_meaning(str(above[0])).is_speech
    said = field_meaning(name)
    return said.is_conversation if above is None else speech and said.is_speech and not said.is_label


def _to_path(place: _Location) -> Path:
    steps: list[str | int] = []
    while place is not None:
        name, place = place
        steps.append(name)
    return tuple(reversed(steps))


def _iter_strings(item: Json, place: _Location) -> Iterator[tuple[_Location, str]]:
    if isinstance(item, str):
        yield place, item
    else:
        for name, inside in iter_items(item):
            yield from _iter_strings(inside, (name, place))


def _is_label_field(path: Path) -> bool:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return field_meaning(name).is_label
