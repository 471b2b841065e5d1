"""Labelled records → items: what is to be judged, up to the message that the label is about, and the truth of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.evaluation.datasets import schemas
from guardcli.evaluation.datasets.fields import Where, absent, flags, has, label
from guardcli.evaluation.datasets.ground_truth import Truth
from guardcli.evaluation.datasets.schemas import LAYOUTS, About, Reading

_ABOUT: dict[Json, About] = {"prompt": "user", "response": "assistant"}  # of a record's own `target`


@dataclass(frozen=True, slots=True)
class Item:
    """A record with its truth, of which `truth.unsafe` is known. `groups` are the names that its data set may have in a
    map: the record's own field `source`, and the file's name without endings."""

    record: Record | Malformed
    truth: Truth
    groups: tuple[str, ...]

    @property
    def unsafe(self) -> bool:
        assert self.truth.unsafe is not None  # those without a label are left out
        return self.truth.unsafe

    @property
    def key(self) -> Key:
        return self.record.key

    @property
    def fields(self) -> Mapping[str, Json]:
        return self.record.fields

    @property
    def text(self) -> str | None:
        """The message that the label is about; None if it could not be read."""
        if isinstance(self.record, Malformed) or not self.record.conversation.messages:
            return None
        return self.record.conversation.messages[-1].content


@dataclass(frozen=True, slots=True)
class Labelled:
    """The items of a file or several, why others are none (with how many), and the layouts that were recognised.

    `unreadable` are records that cannot be read and have no label; with a label they are items.
    """

    items: tuple[Item, ...]
    unreadable: tuple[Malformed, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    layouts: Counter[str] = field(default_factory=Counter)

    @property
    def unsafe(self) -> int:
        return sum(item.unsafe for item in self.items)


def read(
    records: Iterable[Record | Malformed],
    where: Where | None = None,
    *,
    about: About | None = None,
    cut: bool = True,
) -> Labelled:
    """Every record that has a label. `about` says whose last message is asked about, whatever the records say.

    Conversations end with the message that the label is about, unless they are not to be `cut`.

    Raises:
        InputError: a label is no such word, a record is not of the layout that is forced, or no record has a field that
            `where` names.
    """
    where = where or Where()
    named = _Named(where)
    items: dict[object, tuple[Item, Counter[bool]]] = {}
    left_out: Counter[str] = Counter()
    names: Counter[str] = Counter()
    unreadable: list[Malformed] = []
    for number, record in enumerate(records):
        named.see(record.fields)
        name, reading = _read(record, where, about)
        if isinstance(record, Malformed) and reading.truth.unsafe is None:
            unreadable.append(record)
            continue
        if name is not None and where.label is None:
            names[name] += 1
        key = number if reading.pooled is None else (record.key.source, reading.pooled)
        if key not in items:
            items[key] = (_item(record, name, reading, about, cut=cut), Counter())
        votes = items[key][1]
        if reading.truth.unsafe is not None:
            votes[reading.truth.unsafe] += 1
    named.check()
    found = []
    for item, votes in items.values():
        if votes[True] == votes[False]:
            left_out["without a label" if not votes else "with as many votes for either label"] += 1
        else:
            found.append(replace(item, truth=replace(item.truth, unsafe=votes[True] > votes[False])))
    return Labelled(tuple(found), tuple(unreadable), left_out, names)


class _Named:
    """The fields that options name, until a record has each."""

    def __init__(self, where: Where) -> None:
        self._wanted = {}
        if where.label is not None:
            self._wanted["--label-field"] = where.label.path
        if where.categories is not None:
            self._wanted["--category-field"] = where.categories
        self._first: Mapping[str, Json] = {}

    def see(self, fields: Mapping[str, Json]) -> None:
        if self._wanted and fields:
            self._first = self._first or fields
            self._wanted = {option: path for option, path in self._wanted.items() if not has(fields, path)}

    def check(self) -> None:
        """Raise InputError: no record has one of them. Where no record has any field, that is what is to be told."""
        for option, path in self._wanted.items():
            if self._first:
                raise InputError(absent(option, path, self._first))


def _read(record: Record | Malformed, where: Where, about: About | None) -> tuple[str | None, Reading]:
    """The name of the layout that the record has, and the truth. A label that is forced outranks a layout's."""
    fields = record.fields
    name = where.layout or schemas.of(fields)
    try:
        if name is None:
            return None, _generic(fields, where)
        if where.layout is not None and not LAYOUTS[name].matches(fields):
            raise ValueError(f"it is no record of {name}")
        if where.label is not None:
            return name, _generic(fields, where)
        reading = LAYOUTS[name].read(fields, about)
        if where.categories is not None:
            categories, listed = flags(fields, where.categories, where.category_bound)
            reading = replace(reading, truth=Truth(reading.truth.unsafe, categories, listed))
        return name, reading
    except ValueError as error:
        raise InputError(f"{record.key.location}: {error}") from None


def _generic(fields: Mapping[str, Json], where: Where) -> Reading:
    categories, listed = flags(fields, where.categories, where.category_bound)
    unsafe = label(fields, where.label)
    if unsafe is None and where.label is None and not listed and categories:
        unsafe = any(categories.values())  # flags alone, such as a moderation service's
    target = fields.get("target")
    return Reading(Truth(unsafe, categories, listed), about=_ABOUT.get(target) if isinstance(target, str) else None)


def _item(record: Record | Malformed, layout: str | None, reading: Reading, about: About | None, *, cut: bool) -> Item:
    source = record.fields.get("source")
    file = PurePath(record.key.source or "").name.split(".")[0]
    groups = (source, file) if isinstance(source, str) else (file,)
    messages = None if layout is None else LAYOUTS[layout].messages
    if messages is not None:
        key = replace(record.key, id=record.key.id or reading.id)
        conversation = Conversation(messages(record.fields), key.id)
        return Item(Record(key, conversation, record.fields), reading.truth, groups)
    if cut and isinstance(record, Record):
        record = replace(record, conversation=_up_to(record.conversation, about or reading.about))
    return Item(record, reading.truth, groups)


def _up_to(conversation: Conversation, about: About | None) -> Conversation:
    """The conversation up to the last message of a role; all of it where that role says nothing."""
    messages: tuple[Message, ...] = conversation.messages
    ends = [at for at, message in enumerate(messages, start=1) if message.role == about]
    return replace(conversation, messages=messages[: ends[-1]]) if ends else conversation
