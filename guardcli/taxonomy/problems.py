"""The problems found in a taxonomy so far, and how a message quotes what the file says."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from guardcli.errors import Problem, TaxonomyError
from guardcli.taxonomy.values import Place

_QUOTED = 60  # characters; a message is one line, whatever the file holds


class Problems:
    """Collects problems, so that a file is read to its end and all are reported at once."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._found: list[Problem] = []

    def open(self, path: str) -> None:
        """The problems of `path` come after those of the files opened before it."""
        self._files.setdefault(path, len(self._files))

    @property
    def files(self) -> tuple[str, ...]:
        """The files opened, in that order."""
        return tuple(self._files)

    def add(self, place: Place, message: str) -> None:
        self._found.append(place.problem(message))

    def include(self, error: TaxonomyError) -> None:
        self._found.extend(error.problems)

    def raise_any(self) -> None:
        """Raise TaxonomyError if there are any: file by file, each in the order of its lines.

        An aliased node is read once for each alias, so the same problem may have been found more than once.
        """
        if self._found:
            found = dict.fromkeys(self._found)
            raise TaxonomyError(*sorted(found, key=lambda p: (self._files[p.path], p.line, p.column)))


def quoted(text: str) -> str:
    """`text` in backticks, on one line and safe to print: a file may hold escapes that move the cursor."""
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_QUOTED])
    return f"`{visible}`" if len(text) <= _QUOTED else f"`{visible}…`"


def nearest(text: str, known: Iterable[str]) -> str:
    """`did you mean …?` where something known is near; else nothing."""
    found = closest(text, known)
    return f"did you mean `{found}`?" if found else ""


def closest(text: str, known: Iterable[str]) -> str | None:
    """Which of the known words a text is near to, whatever its case."""
    by_case = {word.lower(): word for word in known}
    near = get_close_matches(text.lower(), list(by_case), n=1)
    return by_case[near[0]] if near else None
