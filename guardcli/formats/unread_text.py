"""Account for every text of a record, and find the text that nobody has read.

Every string gets one status:

1. *judged*: it is in a message that reaches a prompt.
2. *skipped*: it is counted in the row by kind (images, tool payloads, the operator's system message).
3. *metadata by form*: it is not a sentence (`prose.classify`).
4. *metadata by place*: it is in a field that formats document as metadata (`field_names.METADATA_NAMES`).
5. *unread*: everything else. In a field whose name says that it holds speech, unread text makes the record an error;
   elsewhere its path is listed in the row.

    record ─┬─ messages ─┬─ [0] ─┬─ role      "user"                metadata by form
            │            │       ├─ content   "hi"                  claimed by the format: judged
            │            │       └─ note      "call him back"       unread: messages[].note
            ├─ metadata ─── source  "the web form"                  metadata by place
            └─ response  "how to build it"                          speech that is in no message: an error
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias

from guardcli.conversation import Json, Message, NamedConversations
from guardcli.errors import setting
from guardcli.formats import decoding, paths
from guardcli.formats.claims import NOT_CLAIMED, Claims, iter_items
from guardcli.formats.errors import RecordError
from guardcli.formats.field_names import field_meaning, find_id_name
from guardcli.formats.judged_text import JudgedTextMatcher
from guardcli.formats.prose import MAX_CACHED_LENGTH, PLAIN_SLUG_WORDS, Prose, classify, is_label, is_split_sentence

UNREAD_TEXT: Final = "unread_text"  # the flag of a row that lists unread text
TOOL_DEFINITION = "tool_definition"  # counted in `skipped`
MAX_LISTED_PATHS = 100  # paths of unread text in a row; after them comes MORE_PATHS
MORE_PATHS = "…"
TEXT_AS_KEY = "{text}"  # replaces a name in a path that is itself text

Path: TypeAlias = "tuple[str | int, ...]"


class TextStatus(str, Enum):
    """What happens to a text of a record. ERROR is unread speech, which makes the record an error."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    METADATA_BY_FORM = "metadata by form"
    METADATA_BY_PLACE = "metadata by place"
    IGNORED = "ignored"
    UNREAD = "unread"
    ERROR = "error"


TextEntry: TypeAlias = "tuple[Path, str, TextStatus]"  # the path of a text, the text, and its status


def account_for_text(
    claims: Claims, value: Json, conversations: NamedConversations, ignored: paths.NamePaths
) -> NamedConversations:
    """Return the conversations of a record, with its flags, what was skipped, and the paths of unread text.

    Raises:
        RecordError: A field whose name says that it holds speech has text that is in no message.
    """
    unread: dict[str, None] = {}
    for path, _, status in find_unread_text(claims, value, _judged_messages(conversations), ignored):
        if status is TextStatus.ERROR:
            raise RecordError(_unread_speech_message(path), code="record/unread-text")
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
    claims: Claims, value: Json, messages: Sequence[Message], ignored: paths.NamePaths = frozenset()
) -> list[TextEntry]:
    """Return the unread texts of a value, each as UNREAD or ERROR. Counts tool definitions in `claims.skipped`."""
    return _TextWalk(claims, messages, ignored).run(value)


def list_text(
    claims: Claims, value: Json, conversations: NamedConversations, ignored: paths.NamePaths = frozenset()
) -> list[TextEntry]:
    """Return every text of a value with its status."""
    accounted: list[TextEntry] = []
    unread = _TextWalk(claims, _judged_messages(conversations), ignored, accounted).run(value)
    return accounted + unread


def format_text_path(path: Path) -> str:
    """Format a path as users write it, without the indexes of lists: `messages[].note`."""
    return paths.format_path([_path_step(step) if isinstance(step, str) else step for step in path])


def _unread_speech_message(path: Path) -> str:
    place = format_text_path(path)
    return (
        f"`{place}` has text outside any message, which would not be judged; judge it with "
        f"{setting('ReadOptions.text_fields', [place])}, or leave it out with {setting('ReadOptions.ignore', place)}"
    )


def _path_step(name: str) -> str:
    """Return a name as it is written in a path. Names that are themselves text are replaced."""
    return TEXT_AS_KEY if field_meaning(name).is_text else name


def _judged_messages(conversations: NamedConversations) -> list[Message]:
    """Return the messages that are judged: not those of the operator or of tools."""
    return [
        message
        for _, conversation in conversations
        for message in conversation.messages[conversation.num_operator_messages :]
        if message.role != "tool" and message.content
    ]


# The location of a value, from the inside out: its name, and the location of the container. None is the record itself.
# A linked list, so that a path is only built for the few texts that need one.
_Location: TypeAlias = "tuple[str | int, _Location] | None"

# A container to visit: its location, and whether it is below a field of speech, or below a field of metadata.
_PendingNode: TypeAlias = "tuple[Json, _Location, bool, bool]"

_MAX_CACHED = 1 << 16  # strings
_neutral_names: set[str] = set()  # names of fields that say nothing about the text in them
_MAX_SEEN_ONCE = 1 << 12  # strings
_seen_once: set[str] = set()
_symbols: set[str] = set()  # texts that are metadata by form in any field with a neutral name


@dataclass(slots=True)
class _TextWalk:
    """A walk over all text that is not claimed.

    With `accounted`, the walk also lists there each text that is accounted for. Without it, the walk skips those as
    fast as it can: nearly all texts of nearly all records are a few plain words.
    """

    claims: Claims
    messages: Sequence[Message]
    ignored: paths.NamePaths
    accounted: list[TextEntry] | None = None
    _id_name: str | None = field(default=None, init=False)
    _matcher: JudgedTextMatcher | None = field(default=None, init=False)
    _unread: list[TextEntry] = field(default_factory=list, init=False)
    _stack: list[_PendingNode] = field(default_factory=list, init=False)

    def run(self, value: Json) -> list[TextEntry]:
        """Walk over a record, and return the unread texts."""
        self._id_name = find_id_name(value) if isinstance(value, dict) else None
        stack = self._stack
        stack.append((value, None, False, False))
        while stack:
            node, location, in_speech, in_metadata = stack.pop()
            claimed = self.claims.claimed.get(id(node), NOT_CLAIMED)
            if claimed is None:
                self._report_claimed(node, location)
            elif isinstance(node, dict):
                # In an object that the format knows, only the names inside count, not the name of its own field.
                is_unknown = claimed is NOT_CLAIMED
                self._visit_object(node, location, in_speech and is_unknown, in_metadata and is_unknown, claimed)
            elif isinstance(node, list):
                if not in_metadata and len(node) >= PLAIN_SLUG_WORDS:
                    self._check_split_sentence([item for item in node if isinstance(item, str)], location, in_speech)
                for index, item in enumerate(node):
                    if index in claimed:
                        self._report_claimed(item, (index, location))
                    elif isinstance(item, str):
                        if in_speech or self.accounted is not None or item not in _symbols:
                            self._visit_text(item, index, location, in_speech, in_metadata)
                    elif item and isinstance(item, (dict, list)) and self._needs_visit(item):
                        stack.append((item, (index, location), in_speech, in_metadata))
        return self._unread

    def _visit_object(
        self,
        node: dict[str, Json],
        location: _Location,
        in_speech: bool,
        in_metadata: bool,
        claimed: Collection[str | int],
    ) -> None:
        fast = self.accounted is None and not self.claims.parsed
        for name, item in node.items():
            is_neutral = fast and name in _neutral_names
            if is_neutral:
                type_ = type(item)
                if item in _symbols if type_ is str else type_ in _SCALARS:
                    continue
            meaning = field_meaning(name)
            if meaning.is_text:
                if not in_metadata:
                    self._check_name(name, location)
            elif not (is_neutral or meaning.is_speech or meaning.is_conversation) and len(_neutral_names) < _MAX_CACHED:
                _neutral_names.add(name)
            if name in claimed:
                self._report_claimed(item, (name, location))
                continue
            if self.claims.parsed:
                item = self.claims.get_parsed(node, name, item)
            if isinstance(item, str):
                self._visit_text(item, name, location, in_speech, in_metadata)
            elif item and isinstance(item, (dict, list)):
                if meaning.is_tools:
                    self._skip_tools(item, (name, location))
                elif self._needs_visit(item):
                    self._stack.append(
                        (item, (name, location), in_speech or meaning.is_speech, in_metadata or meaning.is_metadata)
                    )

    def _needs_visit(self, item: dict[str, Json] | list[Json]) -> bool:
        return self.accounted is not None or self.claims.claimed.get(id(item), NOT_CLAIMED) is not None

    def _check_split_sentence(self, texts: list[str], location: _Location, in_speech: bool) -> None:
        """Look for a sentence whose words, or letters, are the items of a list."""
        if is_split_sentence(texts):
            path = (*_to_path(location), 0)
            is_judged = any(self._get_matcher().contains(joint.join(texts)) for joint in (" ", ""))
            if not is_judged and not self._is_ignored(path):
                self._unread.append((path, " ".join(texts), TextStatus.ERROR if in_speech else TextStatus.UNREAD))

    def _check_name(self, name: str, location: _Location) -> None:
        """Look at a name that is itself text."""
        path = _to_path((name, location))
        if not self._is_ignored(path) and not self._get_matcher().contains(name):
            self._unread.append((path, name, TextStatus.UNREAD))

    def _visit_text(self, text: str, name: str | int, parent: _Location, in_speech: bool, in_metadata: bool) -> None:
        form = classify(text)
        location = (name, parent)
        is_speech = isinstance(name, str) and field_meaning(name).is_speech
        if form is Prose.SYMBOL or (form is Prose.WORD and not _is_spoken_word(name, parent, in_speech)):
            _cache_symbol(text)
            self._report(location, text, TextStatus.METADATA_BY_FORM)
            return
        if (nested := decoding.parse_nested_json(text)) is not None:
            self._stack.append((nested, location, in_speech or is_speech, in_metadata))
            return
        path = _to_path(location)
        if parent is None and name == self._id_name and len(text.split()) == 1 and text.isascii():
            self._report(location, text, TextStatus.METADATA_BY_FORM)
        elif self._is_ignored(path):
            self._report(location, text, TextStatus.IGNORED)
        elif self._get_matcher().contains(text):
            self._report(location, text, TextStatus.JUDGED)
        elif in_speech or is_speech:
            self._unread.append((path, text, TextStatus.ERROR))
        elif in_metadata or (_is_label_field(path) and is_label(text)):
            self._report(location, text, TextStatus.METADATA_BY_PLACE)
        else:
            self._unread.append((path, text, TextStatus.UNREAD))

    def _skip_tools(self, item: Json, location: _Location) -> None:
        """Count the definitions of tools."""
        if self.accounted is None:
            self.claims.skipped.extend([TOOL_DEFINITION] * (len(item) if isinstance(item, list) else 1))
        for inside, text in _iter_strings(item, location):
            self._report(inside, text, TextStatus.SKIPPED)

    def _is_ignored(self, path: Path) -> bool:
        """Return whether the user calls a path metadata, or one above it."""
        if not self.ignored:
            return False
        names = tuple(_path_step(step) for step in path if isinstance(step, str))
        return any(names[:length] in self.ignored for length in range(1, len(names) + 1))

    def _get_matcher(self) -> JudgedTextMatcher:
        if self._matcher is None:
            self._matcher = JudgedTextMatcher([message.content for message in self.messages])
        return self._matcher

    def _report(self, location: _Location, text: str, status: TextStatus) -> None:
        if self.accounted is not None and text.strip():
            self.accounted.append((_to_path(location), text, status))

    def _report_claimed(self, item: Json, location: _Location) -> None:
        """Report texts that are claimed: as judged if a message contains them, otherwise as skipped."""
        if self.accounted is None:
            return
        for inside, text in _iter_strings(item, location):
            is_sentence = classify(text) is Prose.SENTENCE
            matcher = self._get_matcher()
            if matcher.contains(text) if is_sentence else matcher.is_message(text):
                self._report(inside, text, TextStatus.JUDGED)
            else:
                self._report(inside, text, TextStatus.SKIPPED if is_sentence else TextStatus.METADATA_BY_FORM)


_SCALARS = frozenset({int, float, bool, type(None)})


def _cache_symbol(text: str) -> None:
    """Cache a text that is metadata by form, once it has been seen twice: an id is in one record only."""
    if text not in _seen_once:
        if len(_seen_once) >= _MAX_SEEN_ONCE:
            _seen_once.clear()
        _seen_once.add(text)
    elif len(_symbols) < _MAX_CACHED and len(text) <= MAX_CACHED_LENGTH:
        _symbols.add(text)


def _is_spoken_word(name: str | int, parent: _Location, in_speech: bool) -> bool:
    """Return whether one word in a field counts as speech.

    It does in the fields in which formats have their conversations, and in unknown objects below them.
    """
    if isinstance(name, int):
        return in_speech and parent is not None and field_meaning(str(parent[0])).is_speech
    meaning = field_meaning(name)
    return meaning.is_conversation if parent is None else in_speech and meaning.is_speech and not meaning.is_label


def _to_path(location: _Location) -> Path:
    steps: list[str | int] = []
    while location is not None:
        name, location = location
        steps.append(name)
    return tuple(reversed(steps))


def _iter_strings(item: Json, location: _Location) -> Iterator[tuple[_Location, str]]:
    if isinstance(item, str):
        yield location, item
    else:
        for name, inside in iter_items(item):
            yield from _iter_strings(inside, (name, location))


def _is_label_field(path: Path) -> bool:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return field_meaning(name).is_label
