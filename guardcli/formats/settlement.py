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

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import decoding, paths
from guardcli.formats.account import UNKNOWN, Account, items
from guardcli.formats.faults import Unreadable
from guardcli.formats.names import id_name, meaning
from guardcli.formats.prose import LONGEST_REMEMBERED, PLAIN_SLUG_WORDS, Prose, classify, is_label, is_spread
from guardcli.formats.said import Said

UNREAD = "unread_text"  # the flag of a row that lists unread text
TOOL_DEFINITION = "tool_definition"
LISTED = 100  # paths of unread text in a row; MORE stands for the others
MORE = "…"
A_KEY = "{text}"  # stands in a path for a name that is text itself

Path: TypeAlias = "tuple[str | int, ...]"
Conversations: TypeAlias = "list[tuple[str | None, Conversation]]"  # of a record, each with its name if there are more


class Fate(str, Enum):
    """What becomes of a text."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    FORM = "metadata by form"
    PLACE = "metadata by place"
    IGNORED = "ignored"
    UNREAD = "unread"
    ERROR = "error"


Text: TypeAlias = "tuple[Path, str, Fate]"  # a text of a record, where it stands, and what becomes of it


@dataclass(frozen=True, slots=True)
class Ignored:
    """Paths that the user calls metadata, with all that is below them. Lists do not count: `a[].b` is `a.b`."""

    paths: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def from_text(cls, text: str) -> Ignored:
        """Paths parted by commas. Raises ValueError: one is no path."""
        return cls(paths.parse_all(text))

    def covers(self, path: Path) -> bool:
        """Whether a place is one of them, or below one."""
        if not self.paths:
            return False
        names = tuple(_name(step) for step in path if isinstance(step, str))
        return any(names[:length] in self.paths for length in range(1, len(names) + 1))


NOTHING_IGNORED = Ignored()


def settled(account: Account, value: Json, conversations: Conversations, ignored: Ignored) -> Conversations:
    """The conversations of a record with what is skipped and unread in it.

    Raises:
        Unreadable: text stands under a name that holds speech, and no message has it.
    """
    unread: dict[str, None] = {}
    for path, _, fate in leftovers(account, value, _judged(conversations), ignored):
        if fate is Fate.ERROR:
            raise Unreadable(_unjudged(path))
        if len(unread) < LISTED:
            unread[written(path)] = None
        else:
            unread[MORE] = None
    if not unread and not account.skipped and not account.flags:
        return conversations
    flags = dict.fromkeys([*account.flags, *([UNREAD] if unread else [])])
    return [
        (
            name,
            replace(
                conversation,
                flags=(*conversation.flags, *flags),
                skipped=(*conversation.skipped, *account.skipped),
                unread=tuple(unread),
            ),
        )
        for name, conversation in conversations
    ]


def leftovers(
    account: Account, value: Json, messages: Sequence[Message], ignored: Ignored = NOTHING_IGNORED
) -> list[Text]:
    """The texts of a value that nothing accounts for, as UNREAD or ERROR. Definitions of tools are counted."""
    return _Walk(account, messages, ignored).run(value)


def listing(
    account: Account, value: Json, conversations: Conversations, ignored: Ignored = NOTHING_IGNORED
) -> list[Text]:
    """Every text of a value, and what becomes of it."""
    found: list[Text] = []
    walk = _Walk(account, _judged(conversations), ignored, lambda path, text, fate: found.append((path, text, fate)))
    return found + walk.run(value)


def written(path: Path) -> str:
    """A path as people write it, lists without numbers: `messages[].note`."""
    return paths.written([_name(step) if isinstance(step, str) else step for step in path])


def _unjudged(path: Path) -> str:
    place = written(path)
    option = shlex.quote(place)
    return (
        f"`{place}` has text that is in no message and would not be judged: --text-field {option} judges it, "
        f"--ignore {option} leaves it out"
    )


def _name(name: str) -> str:
    """A name in a path; one that is text itself does not stand there."""
    return A_KEY if meaning(name).is_text else name


def _judged(conversations: Conversations) -> list[Message]:
    """The messages that are judged: not the operator's, and not those of tools."""
    return [
        message
        for _, conversation in conversations
        for message in conversation.messages[conversation.context :]
        if message.role != "tool" and message.content
    ]


# A place in the tree, from the leaf up: a name, and the place that it is in. None is the record itself.
_Place: TypeAlias = "tuple[str | int, _Place] | None"

# An object or a list that is still to be walked over: its place, whether it is a conversation that no reader knows, and
# whether it is metadata.
_Open: TypeAlias = "tuple[Json, _Place, bool, bool]"

_CACHED = 1 << 16  # strings
_plain_names: set[str] = set()  # names that say nothing of the text under them
_MET = 1 << 12  # strings
_met_once: set[str] = set()
_plain_texts: set[str] = set()  # texts that are metadata by form, whatever name they stand under that says nothing


@dataclass(slots=True)
class _Walk:
    """A walk over all that is not claimed. With `told` it also tells of each text that is accounted for; without, it
    passes over those as fast as it can: nearly all texts of nearly all records are a few plain words."""

    account: Account
    messages: Sequence[Message]
    ignored: Ignored
    told: Callable[[Path, str, Fate], None] | None = None
    _id: str | None = field(default=None, init=False)
    _said: Said | None = field(default=None, init=False)
    _left: list[Text] = field(default_factory=list, init=False)
    _stack: list[_Open] = field(default_factory=list, init=False)

    def run(self, value: Json) -> list[Text]:
        """What is left over."""
        self._id = id_name(value) if isinstance(value, dict) else None
        stack = self._stack
        stack.append((value, None, False, False))
        while stack:
            node, place, speech, metadata = stack.pop()
            claimed = self.account.claims.get(id(node), UNKNOWN)
            if claimed is None:
                self._tell_all(node, place)
            elif isinstance(node, dict):
                # Of an object that a reader knows only the names in it count, not the one that it stands under.
                foreign = claimed is UNKNOWN
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
        self, node: dict[str, Json], place: _Place, speech: bool, metadata: bool, claimed: Collection[str | int]
    ) -> None:
        fast = self.told is None and not self.account.parsed
        for name, item in node.items():
            is_plain = fast and name in _plain_names
            if is_plain:
                kind = type(item)
                if item in _plain_texts if kind is str else kind in _NUMBERS:
                    continue
            said = meaning(name)
            if said.is_text:
                if not metadata:
                    self._key(name, place)
            elif not (is_plain or said.speech or said.conversation) and len(_plain_names) < _CACHED:
                _plain_names.add(name)
            if name in claimed:
                self._tell_all(item, (name, place))
                continue
            if self.account.parsed:
                item = self.account.read_as(node, name, item)
            if isinstance(item, str):
                self._text(item, name, place, speech, metadata)
            elif item and isinstance(item, (dict, list)):
                if said.tools:
                    self._tools(item, (name, place))
                elif self._is_open(item):
                    self._stack.append((item, (name, place), speech or said.speech, metadata or said.place))

    def _is_open(self, item: dict[str, Json] | list[Json]) -> bool:
        """Whether there is something to look at in an object or a list."""
        return self.told is not None or self.account.claims.get(id(item), UNKNOWN) is not None

    def _spread(self, texts: list[str], place: _Place, speech: bool) -> None:
        """A sentence whose words, or letters, are the items of a list."""
        if is_spread(texts):
            path = (*_path(place), 0)
            said = any(self._texts().has(joint.join(texts)) for joint in (" ", ""))
            if not said and not self.ignored.covers(path):
                self._left.append((path, " ".join(texts), Fate.ERROR if speech else Fate.UNREAD))

    def _key(self, name: str, place: _Place) -> None:
        path = _path((name, place))
        if not self.ignored.covers(path) and not self._texts().has(name):
            self._left.append((path, name, Fate.UNREAD))

    def _text(self, text: str, name: str | int, above: _Place, speech: bool, metadata: bool) -> None:
        kind = classify(text)
        place = (name, above)
        says_speech = isinstance(name, str) and meaning(name).speech
        if kind is Prose.SYMBOL or (kind is Prose.WORD and not _speaks(name, above, speech)):
            _remember(text)
            self._tell(place, text, Fate.FORM)
            return
        if (inside := decoding.nested(text)) is not None:
            self._stack.append((inside, place, speech or says_speech, metadata))
            return
        path = _path(place)
        if above is None and name == self._id and len(text.split()) == 1 and text.isascii():
            self._tell(place, text, Fate.FORM)
        elif self.ignored.covers(path):
            self._tell(place, text, Fate.IGNORED)
        elif self._texts().has(text):
            self._tell(place, text, Fate.JUDGED)
        elif speech or says_speech:
            self._left.append((path, text, Fate.ERROR))
        elif metadata or (_is_label_of(path) and is_label(text)):
            self._tell(place, text, Fate.PLACE)
        else:
            self._left.append((path, text, Fate.UNREAD))

    def _tools(self, item: Json, place: _Place) -> None:
        """Definitions of tools: counted, each of them."""
        if self.told is None:
            self.account.skipped.extend([TOOL_DEFINITION] * (len(item) if isinstance(item, list) else 1))
        for inside, text in _strings(item, place):
            self._tell(inside, text, Fate.SKIPPED)

    def _texts(self) -> Said:
        if self._said is None:
            self._said = Said([message.content for message in self.messages])
        return self._said

    def _tell(self, place: _Place, text: str, fate: Fate) -> None:
        if self.told is not None and text.strip():
            self.told(_path(place), text, fate)

    def _tell_all(self, item: Json, place: _Place) -> None:
        """Tell of texts that are claimed: they are judged if a message says them."""
        if self.told is None:
            return
        for inside, text in _strings(item, place):
            is_sentence = classify(text) is Prose.SENTENCE
            if self._texts().has(text) if is_sentence else self._texts().is_message(text):
                self._tell(inside, text, Fate.JUDGED)
            else:
                self._tell(inside, text, Fate.SKIPPED if is_sentence else Fate.FORM)


_NUMBERS = frozenset({int, float, bool, type(None)})


def _remember(text: str) -> None:
    """Know a text again that is metadata by form, once it has been met twice: an id stands in one record only."""
    if text not in _met_once:
        if len(_met_once) >= _MET:
            _met_once.clear()
        _met_once.add(text)
    elif len(_plain_texts) < _CACHED and len(text) <= LONGEST_REMEMBERED:
        _plain_texts.add(text)


def _speaks(name: str | int, above: _Place, speech: bool) -> bool:
    """Whether one word under a name is enough to be what somebody said: where a format has its conversation, and in an
    object there that no reader knows."""
    if isinstance(name, int):
        return speech and above is not None and meaning(str(above[0])).speech
    said = meaning(name)
    return said.conversation if above is None else speech and said.speech and not said.label


def _path(place: _Place) -> Path:
    steps: list[str | int] = []
    while place is not None:
        name, place = place
        steps.append(name)
    return tuple(reversed(steps))


def _strings(item: Json, place: _Place) -> Iterator[tuple[_Place, str]]:
    if isinstance(item, str):
        yield place, item
    else:
        for name, inside in items(item):
            yield from _strings(inside, (name, place))


def _is_label_of(path: Path) -> bool:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return meaning(name).label
