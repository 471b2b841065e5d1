"""A record with its label: the turns up to the judged one, and the categories that it violates, by the policy's ids.

It reads the fields `label` ("safe" or "unsafe") and `categories` (names of the data set's own, or ids, or keys). A
record that cannot be used is told with the reason; nothing is dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from guardcli.conversation import Json, Key, Malformed, Record, Role
from guardcli.errors import InputError
from guardcli.taxonomy import Taxonomy
from guardcli.turns import NothingToJudge, Target, Turn, judged, turns

Names: TypeAlias = dict[str, "str | None"]  # a category of the data set → an id of the policy, None where none fits


class Unusable(ValueError):
    """A record that is no training example; the message says why, in words that many records may share."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """What categories of data sets are called in the policy: for all records, and for those of one `source`."""

    everywhere: Names = field(default_factory=dict)
    by_source: dict[str, Names] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, path: str) -> Mapping:
        """`{"native": "S1", "other": null}`, or such an object for each source.

        Raises:
            InputError: it is something else.
        """
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {error}") from error
        if isinstance(read, dict) and all(map(_is_name, read.values())):
            return cls(everywhere=read)
        if isinstance(read, dict) and all(
            isinstance(v, dict) and all(map(_is_name, v.values())) for v in read.values()
        ):
            return cls(by_source=read)
        raise InputError(f'{path}: no map of categories: write {{"native name": "S1", "another": null}}, '
                         "or such an object for each source")  # fmt: skip

    def names(self, record: Record) -> Names:
        """The names for one record, whose source is its field `source`, else the name of its file."""
        file = PurePath(record.key.source or "").name.partition(".")[0]
        named = record.fields.get("source")
        source = named if isinstance(named, str) and named in self.by_source else file
        return self.by_source.get(source, self.everywhere)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A conversation, of which the last of `shown` is judged, and the ids that it violates in the policy's order; none
    make it safe. `complete`: each of its categories has an id, so without those ids it violates nothing."""

    key: Key
    shown: tuple[Turn, ...]
    violated: tuple[str, ...]
    complete: bool = True

    @property
    def label(self) -> str:
        return "unsafe" if self.violated else "safe"

    @classmethod
    def of(
        cls,
        record: Record | Malformed,
        taxonomy: Taxonomy,
        mapping: Mapping,
        *,
        target: Target = "last",
        as_user: Collection[Role] = (),
    ) -> Labelled:
        """Raises Unusable: it has no label, nothing to judge, or no category that the policy has."""
        if isinstance(record, Malformed):
            raise Unusable(f"it cannot be read: {record.reason}")
        all_turns = turns(record.conversation, as_user)
        try:
            (turn,) = judged(all_turns, target)
        except NothingToJudge as reason:
            raise Unusable(str(reason)) from None
        shown = all_turns.shown
        violated, complete = _violated(record, taxonomy, mapping)
        return cls(record.key, shown[: shown.index(turn) + 1], violated, complete)


def _violated(record: Record, taxonomy: Taxonomy, mapping: Mapping) -> tuple[tuple[str, ...], bool]:
    """The ids that a record violates, and whether they are all that it violates."""
    label, native = record.fields.get("label"), _native(record.fields.get("categories"))
    if label == "safe" and not native:
        return (), True
    if label not in ("safe", "unsafe"):
        raise Unusable("it has no label" if label is None else f"its label is {label!r}: write safe or unsafe")
    if label == "safe":
        raise Unusable("it is labelled safe and names categories")
    names = mapping.names(record)
    own = {name: c.id for c in taxonomy.categories for name in (c.id, c.key) if name}
    found = [own.get(names.get(name, name) or "") for name in native]
    if not any(found):
        raise Unusable(
            f"it is unsafe, and the policy has none of its categories: {', '.join(native) or 'it names none'}"
        )
    return tuple(c.id for c in taxonomy.categories if c.id in found), None not in found


def _native(value: Json) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Unusable("its categories are no list of names")
    return [str(name) for name in value]


def _is_name(value: object) -> bool:
    return value is None or isinstance(value, str)
