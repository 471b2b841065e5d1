"""What a reader did with the texts of one record: it claims what it reads, field by field, while it makes messages.

Whatever is left unclaimed is looked at once for all formats, in `settlement`, so that a reader that overlooks a field
cannot hide it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from guardcli.conversation import Json
from guardcli.formats import decoding

Container = dict[str, Json] | list[Json]

NOT_CLAIMED: Collection[str | int] = ()  # what is claimed of an object that no reader knows


class Claims:
    """The claims on one record. Objects and lists are known by their identity; the account keeps them alive.

    `claims` are the names that are claimed of each object by its identity, None for all of it. `parsed` is what JSON
    texts were read as, by the identity of their holder and their name. `skipped` names what was read and is no text to
    judge, `flags` are remarks for the row.
    """

    __slots__ = ("_alive", "claimed", "flags", "parsed", "skipped")

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self.flags: list[str] = []
        self._alive: list[object] = []  # so that no other object gets the identity of one that is claimed
        self.claimed: dict[int, set[str | int] | None] = {}
        self.parsed: dict[tuple[int, str | int], Json] = {}

    def claim(self, holder: Container, *names: str | int) -> None:
        """What stands under these names is in a message, or is counted in `skipped`.

        Without names: the reader knows this object, and the name that it stands under says nothing of what is in it.
        """
        self._alive.append(holder)
        claimed = self.claimed.setdefault(id(holder), set())
        if claimed is not None:
            claimed.update(names)

    def claim_all(self, holder: Container) -> None:
        """The same of everything in an object or a list."""
        self._alive.append(holder)
        self.claimed[id(holder)] = None

    def add_parsed(self, holder: dict[str, Json], name: str, value: Json) -> None:
        """The text under a name was JSON, and was read as `value`."""
        self._alive += (holder, value)
        self.parsed[id(holder), name] = value

    def get_parsed(self, holder: Container, name: str | int, value: Json) -> Json:
        """What the JSON text under a name was read as; the value itself if it is none."""
        return self.parsed.get((id(holder), name), value)

    def claim_texts(self, value: Json, names: Sequence[str]) -> list[str]:
        """Claim the texts at a place, in all items of the lists on the way and below it; those that say something.

        What a reader has claimed is among them: it may have been skipped, and was named to be judged.
        """
        found: list[str] = []
        stack: list[tuple[Json, Sequence[str]]] = [(value, names)]
        while stack:
            node, left = stack.pop()
            for name, item in iter_items(node):
                on_the_way = isinstance(name, str) and bool(left)
                if on_the_way and name != left[0]:
                    continue
                rest = left[1:] if on_the_way else left
                if isinstance(item, str) and not rest and isinstance(node, (dict, list)):
                    if item.strip():
                        found.append(item)
                    self.claim(node, name)
                elif isinstance(item, (dict, list)):
                    stack.append((item, rest))
                elif isinstance(item, str) and isinstance(node, dict) and isinstance(name, str):
                    inside = decoding.parse_nested_json(item)
                    if inside is not None:
                        self.add_parsed(node, name, inside)
                        stack.append((inside, rest))
        return found

    def merge(self, other: Claims) -> None:
        """Take over what another account claims."""
        self.skipped += other.skipped
        self.flags += other.flags
        self._alive += other._alive
        self.claimed |= other.claimed
        self.parsed |= other.parsed


def has_value_at(value: Json, names: Sequence[str]) -> bool:
    """Whether something other than null stands at a place, wherever `Account.claim_texts` would look for it."""
    stack: list[tuple[Json, Sequence[str]]] = [(value, names)]
    while stack:
        node, left = stack.pop()
        if not left:
            if node is not None:
                return True
        elif isinstance(node, list):
            stack += [(item, left) for item in node]
        elif isinstance(node, dict):
            item = node.get(left[0])
            opened = decoding.parse_nested_json(item) if isinstance(item, str) and len(left) > 1 else None
            stack.append((item if opened is None else opened, left[1:]))
    return False


def iter_items(node: Json) -> Iterable[tuple[str | int, Json]]:
    """The names and values in an object, or the places and items of a list."""
    if isinstance(node, dict):
        return list(node.items())
    return enumerate(node) if isinstance(node, list) else ()
