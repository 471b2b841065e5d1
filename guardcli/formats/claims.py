"""Claims: which texts of a record a format has read.

A format claims each field that it reads while it makes messages. `unread_text` then looks at everything unclaimed, the
same way for all formats, so that a field which a format overlooks cannot go unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from guardcli.conversation import Json
from guardcli.formats import decoding

Container = dict[str, Json] | list[Json]

NOT_CLAIMED: Collection[str | int] = ()  # the claimed names of an object that no format knows


class Claims:
    """The claims on the texts of one record.

    Objects and lists are identified by `id()`, and kept alive so that no other object gets the same id.

    Attributes:
        claimed: The claimed names or indexes of each container, by its id; None if everything in it is claimed.
        parsed: The values of texts that were parsed as JSON, by the id of their container and their name.
        skipped: The kind of each thing that was read and is not text to judge, such as "image".
        flags: Flags for the row.
    """

    __slots__ = ("_alive", "claimed", "flags", "parsed", "skipped")

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self.flags: list[str] = []
        self._alive: list[object] = []
        self.claimed: dict[int, set[str | int] | None] = {}
        self.parsed: dict[tuple[int, str | int], Json] = {}

    def claim(self, container: Container, *names: str | int) -> None:
        """Claim the values under these names: they are in a message, or counted in `skipped`.

        Without names, only mark the container as known. Then the name of the field that it is in says nothing about
        the text inside.
        """
        self._alive.append(container)
        claimed = self.claimed.setdefault(id(container), set())
        if claimed is not None:
            claimed.update(names)

    def claim_all(self, container: Container) -> None:
        """Claim everything in a container."""
        self._alive.append(container)
        self.claimed[id(container)] = None

    def add_parsed(self, container: dict[str, Json], name: str, value: Json) -> None:
        """Note that the text under a name was parsed as JSON."""
        self._alive += (container, value)
        self.parsed[id(container), name] = value

    def get_parsed(self, container: Container, name: str | int, value: Json) -> Json:
        """Return what the text under a name was parsed as; `value` if it was not parsed."""
        return self.parsed.get((id(container), name), value)

    def claim_texts(self, value: Json, names: Sequence[str]) -> list[str]:
        """Claim and return the texts at a path that are not blank, in every item of the lists on the way and below it.

        Texts that are claimed already are included: a format may have skipped them, and the user wants them judged.
        """
        texts: list[str] = []
        stack: list[tuple[Json, Sequence[str]]] = [(value, names)]
        while stack:
            node, path = stack.pop()
            for name, item in iter_items(node):
                is_step = isinstance(name, str) and bool(path)
                if is_step and name != path[0]:
                    continue
                rest = path[1:] if is_step else path
                if isinstance(item, str) and not rest and isinstance(node, (dict, list)):
                    if item.strip():
                        texts.append(item)
                    self.claim(node, name)
                elif isinstance(item, (dict, list)):
                    stack.append((item, rest))
                elif isinstance(item, str) and isinstance(node, dict) and isinstance(name, str):
                    nested = decoding.parse_nested_json(item)
                    if nested is not None:
                        self.add_parsed(node, name, nested)
                        stack.append((nested, rest))
        return texts

    def merge(self, other: Claims) -> None:
        """Add the claims of another object."""
        self.skipped += other.skipped
        self.flags += other.flags
        self._alive += other._alive
        self.claimed |= other.claimed
        self.parsed |= other.parsed


def has_value_at(value: Json, names: Sequence[str]) -> bool:
    """Return whether there is a value other than null at a path, anywhere that `Claims.claim_texts` would look."""
    stack: list[tuple[Json, Sequence[str]]] = [(value, names)]
    while stack:
        node, path = stack.pop()
        if not path:
            if node is not None:
                return True
        elif isinstance(node, list):
            stack += [(item, path) for item in node]
        elif isinstance(node, dict):
            item = node.get(path[0])
            nested = decoding.parse_nested_json(item) if isinstance(item, str) and len(path) > 1 else None
            stack.append((item if nested is None else nested, path[1:]))
    return False


def iter_items(node: Json) -> Iterable[tuple[str | int, Json]]:
    """Return the names and values of an object, or the indexes and items of a list; nothing for other values."""
    if isinstance(node, dict):
        return list(node.items())
    return enumerate(node) if isinstance(node, list) else ()
