"""The account of a record's text: every string of it ends in one of five ways.

1. *judged*: it is in a message that reaches a prompt;
2. *skipped*: counted in the row by kind (images, tool payloads, the operator's system message);
3. *metadata by form*: it carries no sentence (`prose.classify`);
4. *metadata by place*: it stands in an object that formats document as metadata (`names.PLACES`);
5. *unread*: everything else. Under a name that holds speech it makes the record an error; elsewhere its path is listed.

Readers claim what they read, field by field, while they make messages; whatever is left unclaimed is looked at here, so
that a reader which overlooks a field cannot hide it:

    record ─┬─ messages ─┬─ [0] ─┬─ role      "user"                metadata by form
            │            │       ├─ content   "hi"                  claimed: judged
            │            │       └─ note      "call him back"       unread: messages[].note
            ├─ metadata ─── source  "the web form"                  metadata by place
            └─ response  "how to build it"                          speech that nobody reads: an error
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from guardcli.conversation import Conversation, Json, Message
from guardcli.formats import decoding, paths
from guardcli.formats.faults import Unreadable
from guardcli.formats.names import meaning
from guardcli.formats.prose import Prose, classify, is_label

UNREAD = "unread_text"  # the flag of a row that lists unread text
TOOL_DEFINITION = "tool_definition"
A_KEY = "{text}"  # stands in a path for a name that is text itself

SEARCHED = 1 << 27  # characters of messages that are searched for a record's other texts; what is left is unread

Path = tuple["str | int", ...]
Conversations = list[tuple["str | None", Conversation]]  # of a record, each with its name where there are several


class Fate(str, Enum):
    """What becomes of a text."""

    JUDGED = "judged"
    SKIPPED = "skipped"
    FORM = "metadata by form"
    PLACE = "metadata by place"
    IGNORED = "ignored"
    UNREAD = "unread"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Ignored:
    """Paths that the user calls metadata, with all that is below them. Lists do not count: `a[].b` is `a.b`."""

    paths: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def from_text(cls, text: str) -> Ignored:
        """Paths parted by commas. Raises ValueError: one is no path."""
        return cls(paths.parse_all(text))

    def covers(self, names: Sequence[str]) -> bool:
        """Whether a place is one of them, or below one."""
        return any(tuple(names[:length]) in self.paths for length in range(1, len(names) + 1))


NOTHING_IGNORED = Ignored()


class Account:
    """What a reader did with the texts of one record. Objects and lists are known by their identity: they must be of
    the record's own value, which lives as long as the account."""

    __slots__ = ("_alive", "_claims", "_parsed", "flags", "skipped")

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self.flags: list[str] = []  # remarks for the row
        self._alive: list[object] = []  # what is claimed, so that no other object gets its identity
        self._claims: dict[int, set[str | int] | None] = {}  # by the identity of the holder; None: all of it
        self._parsed: dict[tuple[int, str | int], Json] = {}

    def claim(self, holder: dict[str, Json] | list[Json], *names: str | int) -> None:
        """What stands under these names is in a message, or is counted in `skipped`.

        Without names: the reader knows this object, and the name that it stands under says nothing of what is in it.
        """
        self._alive.append(holder)
        claimed = self._claims.setdefault(id(holder), set())
        if claimed is not None:
            claimed.update(names)

    def claim_all(self, holder: dict[str, Json] | list[Json]) -> None:
        """The same of everything in an object or a list."""
        self._alive.append(holder)
        self._claims[id(holder)] = None

    def parsed(self, holder: dict[str, Json], name: str, value: Json) -> None:
        """The text under a name was JSON, and was read as `value`."""
        self._alive += (holder, value)
        self._parsed[id(holder), name] = value

    def claim_texts(self, value: Json, names: Sequence[str]) -> list[str]:
        """Claim the texts at a place, in all items of the lists on the way and below it; those that say something, and
        that no reader has claimed before."""
        found: list[str] = []
        stack: list[tuple[Json, Sequence[str]]] = [(value, names)]
        while stack:
            node, left = stack.pop()
            for name, item in _items(node):
                on_the_way = isinstance(name, str) and bool(left)
                if on_the_way and name != left[0]:
                    continue
                rest = left[1:] if on_the_way else left
                if isinstance(item, str) and not rest and isinstance(node, (dict, list)):
                    claimed = self._claims.get(id(node), _UNKNOWN)
                    if item.strip() and claimed is not None and name not in claimed:
                        found.append(item)
                    self.claim(node, name)
                elif isinstance(item, (dict, list)):
                    stack.append((item, rest))
        return found

    def adopt(self, other: Account) -> None:
        """Take over what another account claims."""
        self.skipped += other.skipped
        self.flags += other.flags
        self._alive += other._alive
        self._claims |= other._claims
        self._parsed |= other._parsed

    def leftovers(
        self, value: Json, messages: Sequence[Message], ignored: Ignored = NOTHING_IGNORED
    ) -> Iterator[tuple[Path, str, Fate]]:
        """The texts of `value` that nothing accounts for, as UNREAD or ERROR, with their paths."""
        return _Walk(self, messages, ignored, None).run(value)

    def listing(
        self, value: Json, conversations: Conversations, ignored: Ignored = NOTHING_IGNORED
    ) -> list[tuple[Path, str, Fate]]:
        """Every text of `value` with its path and its fate."""
        messages = [message for _, conversation in conversations for message in _judged(conversation)]
        found: list[tuple[Path, str, Fate]] = []
        walk = _Walk(self, messages, ignored, lambda path, text, fate: found.append((path, text, fate)))
        found += walk.run(value)
        return found


def settled(account: Account, value: Json, conversations: Conversations, ignored: Ignored) -> Conversations:
    """The conversations of a record with what is skipped and unread in it.

    Raises:
        Unreadable: text stands under a name that holds speech, and no message has it.
    """
    messages = [message for _, conversation in conversations for message in _judged(conversation)]
    unread: dict[str, None] = {}
    for path, _, fate in account.leftovers(value, messages, ignored):
        if fate is Fate.ERROR:
            raise Unreadable(_unjudged(path))
        unread[written(path)] = None
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


def _judged(conversation: Conversation) -> Iterator[Message]:
    for message in conversation.messages[conversation.context :]:
        if message.role != "tool" and message.content:
            yield message


_UNKNOWN: Collection[str | int] = ()

Told = Callable[[Path, str, Fate], None]


@dataclass(slots=True)
class _Link:
    """A place in the tree, from the leaf up."""

    name: str | int
    above: _Link | None

    def path(self) -> Path:
        steps: list[str | int] = []
        at: _Link | None = self
        while at is not None:
            steps.append(at.name)
            at = at.above
        return tuple(reversed(steps))


@dataclass(slots=True)
class _Walk:
    """A walk through a value, over all that is not claimed. With `told` it also tells of each text that is accounted
    for; without, it passes over those as fast as it can."""

    account: Account
    messages: Sequence[Message]
    ignored: Ignored
    told: Told | None
    _spoken: _Spoken | None = field(default=None, init=False)

    def run(self, value: Json) -> Iterator[tuple[Path, str, Fate]]:
        """What is left over."""
        claims, parsed = self.account._claims, self.account._parsed
        stack: list[tuple[Json, _Link | None, bool, bool]] = [(value, None, False, False)]
        while stack:
            node, above, speech, place = stack.pop()
            claimed: Collection[str | int] | None = claims.get(id(node), _UNKNOWN)
            if claimed is None:
                self._tell_all(node, above, Fate.JUDGED)
                continue
            if claimed is not _UNKNOWN:
                speech = False  # a reader knows this object: only the names in it count
            if isinstance(node, dict):
                for name, item in node.items():
                    if name in claimed:
                        self._tell_all(item, _Link(name, above), Fate.JUDGED)
                        continue
                    if (id(node), name) in parsed:
                        item = parsed[id(node), name]
                    said = meaning(name)
                    if said.is_text and not place:
                        yield from self._key(name, above)
                    if item is None or item is True or item is False or isinstance(item, (int, float)):
                        continue
                    if isinstance(item, str):
                        yield from self._text(item, name, above, speech, place, stack)
                    elif said.tools:
                        self._tools(item, _Link(name, above))
                    elif item:
                        stack.append((item, _Link(name, above), speech or said.speech, place or said.place))
            elif isinstance(node, list):
                for index, item in enumerate(node):
                    if index in claimed:
                        self._tell_all(item, _Link(index, above), Fate.JUDGED)
                    elif isinstance(item, str):
                        yield from self._text(item, index, above, speech, place, stack)
                    elif item and isinstance(item, (dict, list)):
                        stack.append((item, _Link(index, above), speech, place))

    def _key(self, name: str, above: _Link | None) -> Iterator[tuple[Path, str, Fate]]:
        path = _Link(name, above).path()
        if not self._is_ignored(path) and not self._is_spoken(name):
            yield path, name, Fate.UNREAD

    def _text(
        self,
        text: str,
        name: str | int,
        above: _Link | None,
        speech: bool,
        place: bool,
        stack: list[tuple[Json, _Link | None, bool, bool]],
    ) -> Iterator[tuple[Path, str, Fate]]:
        kind = classify(text)
        if kind is Prose.SYMBOL or (kind is Prose.WORD and not self._speaks(name, above, speech)):
            self._tell(_Link(name, above), text, Fate.FORM)
            return
        link = _Link(name, above)
        if text.lstrip()[:1] in ("{", "[") and (inside := _json(text)) is not None:
            stack.append((inside, link, speech, place))
            return
        path = link.path()
        if self._is_ignored(path):
            self._tell(link, text, Fate.IGNORED)
        elif self._is_spoken(text):
            self._tell(link, text, Fate.JUDGED)
        elif speech or (isinstance(name, str) and meaning(name).speech):
            yield path, text, Fate.ERROR
        elif place or (_is_label_of(path) and is_label(text)):
            self._tell(link, text, Fate.PLACE)
        else:
            yield path, text, Fate.UNREAD

    @staticmethod
    def _speaks(name: str | int, above: _Link | None, speech: bool) -> bool:
        """Whether one word under a name is enough to be what somebody said: where a format has its conversation, and
        in an object there that no reader knows."""
        if isinstance(name, int):
            return speech and above is not None and meaning(str(above.name)).speech
        said = meaning(name)
        return said.conversation if above is None else speech and said.speech and not said.label

    def _tools(self, item: Json, link: _Link) -> None:
        """Definitions of tools: counted, each of them."""
        if self.told is None:
            self.account.skipped.extend([TOOL_DEFINITION] * (len(item) if isinstance(item, list) else 1))
        self._tell_all(item, link, Fate.SKIPPED)

    def _is_ignored(self, path: Path) -> bool:
        named = [_name(step) for step in path if isinstance(step, str)]
        return bool(self.ignored.paths) and self.ignored.covers(named)

    def _is_spoken(self, text: str) -> bool:
        if self._spoken is None:
            self._spoken = _Spoken([message.content for message in self.messages])
        return self._spoken.has(text)

    def _tell(self, link: _Link, text: str, fate: Fate) -> None:
        if self.told is not None and text.strip():
            self.told(link.path(), text, fate)

    def _tell_all(self, item: Json, link: _Link | None, fate: Fate) -> None:
        if self.told is None:
            return
        for place, text in _strings(item, link):
            if fate is Fate.JUDGED and not self._is_spoken(text):
                self._tell(place, text, Fate.FORM if classify(text) < Prose.SENTENCE else Fate.SKIPPED)
            else:
                self._tell(place, text, fate)


def _strings(item: Json, link: _Link | None) -> Iterator[tuple[_Link, str]]:
    if isinstance(item, str):
        if link is not None:
            yield link, item
    elif isinstance(item, (dict, list)):
        for name, inside in _items(item):
            yield from _strings(inside, _Link(name, link))


def _items(node: Json) -> Iterable[tuple[str | int, Json]]:
    if isinstance(node, dict):
        return list(node.items())
    return enumerate(node) if isinstance(node, list) else ()


def _is_label_of(path: Path) -> bool:
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    return meaning(name).label


def _json(text: str) -> Json:
    """The object or list that a text is the JSON of; None if it is none."""
    try:
        value = decoding.value(text.encode("utf-8", "replace"), 1)[0]
    except Unreadable:
        return None
    return value if isinstance(value, (dict, list)) else None


class _Spoken:
    """The texts of messages, in which other texts of a record are sought."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(dict.fromkeys(stripped for text in texts if (stripped := text.strip())))
        self._exact = frozenset(self._texts)
        self._size = sum(map(len, self._texts)) + len(self._texts)
        self._left = SEARCHED

    def has(self, text: str) -> bool:
        """Whether a text is said in one message, or is nothing but a rendering of some."""
        text = text.strip()
        if text in self._exact:
            return True
        self._left -= self._size + len(text)
        if self._left < 0:
            return False
        return any(text in said for said in self._texts) or self._is_rendering(text)

    def _is_rendering(self, text: str) -> bool:
        """Whether nothing but role words and template markers is left of a text without the messages in it."""
        rest, found = text, False
        for said in sorted(self._texts, key=len, reverse=True):
            parts = rest.split(said) if len(said) <= len(rest) else [rest]
            kept = parts[0]
            for part in parts[1:]:
                if _ends_in_word(kept, said) or _begins_in_word(part, said):
                    kept += said + part
                else:
                    kept, found = f"{kept}\0{part}", True
            rest = kept
        rest = _MARKUP.sub(" ", rest)
        return found and not _LETTERS.search(_ROLE_WORDS.sub(" ", rest))


_LETTERS = re.compile(r"[^\W\d_]")
_MARKUP = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?[a-z_]{1,20}>|\[/?[A-Z_]{2,12}\]|<</?SYS>>", re.IGNORECASE)
_ROLE_WORDS = re.compile(
    r"(?<![^\W_])(?:user|human|prompter|customer|assistant|ai|bot|gpt|chatgpt|model|agent|system|developer|tool|"
    r"instruction|input|output|prompt|response|question|answer|query|completion|q|a)(?![^\W_])",
    re.IGNORECASE,
)


def _ends_in_word(before: str, said: str) -> bool:
    return before[-1:].isalnum() and said[0].isalnum()


def _begins_in_word(after: str, said: str) -> bool:
    return after[:1].isalnum() and said[-1].isalnum()
