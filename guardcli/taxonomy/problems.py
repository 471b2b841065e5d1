"""The problems found in a taxonomy so far, and how a message quotes what the file says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from guardcli.errors import Code, Problem, TaxonomyError
from guardcli.taxonomy.values import Place

_QUOTED = 60  # characters; a message is one line, whatever the file holds
_TOLD = 100  # problems; a person corrects some and validates again
_LISTED = 30  # words; of more than these a message says how many there are

# A look-up compares a word with each that is known, letter by letter. What a file may ask for is bounded in each of
# the three directions, or a megabyte of misspelt words would take hours.
_LOOK_UPS = 20
_CANDIDATES = 200
_LONGEST_WORD = 40


class Problems:
    """Collects problems, so that a file is read to its end and all are reported at once."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._found: list[Problem] = []
        self._look_ups = 0

    def open(self, path: str) -> None:
        """The problems of `path` come after those of the files opened before it."""
        self._files.setdefault(path, len(self._files))

    @property
    def files(self) -> tuple[str, ...]:
        """The files opened, in that order."""
        return tuple(self._files)

    def add(self, place: Place, message: str, code: Code = "taxonomy") -> None:
        self._found.append(place.problem(message, code))

    def include(self, others: Problems | TaxonomyError) -> None:
        self._found.extend(others._found if isinstance(others, Problems) else others.problems)

    def closest(self, text: str, known: Collection[str]) -> str | None:
        """The known word that a text is near to; None after too many look-ups, which cost time."""
        self._look_ups += 1
        return closest(text, known) if self._look_ups <= _LOOK_UPS else None

    def nearest(self, text: str, known: Collection[str]) -> str:
        """`did you mean …?` where something known is near; else nothing."""
        return did_you_mean(self.closest(text, known))

    def raise_any(self) -> None:
        """Raise TaxonomyError if there are any: file by file, each in the order of its lines, up to a number of them.

        An aliased node is read once for each alias, so the same problem may have been found more than once.
        """
        if self._found:
            found = sorted(dict.fromkeys(self._found), key=lambda p: (self._files[p.path], p.line, p.column))
            raise TaxonomyError(*found[:_TOLD], *_untold(found[_TOLD:]))


def _untold(problems: list[Problem]) -> list[Problem]:
    if not problems:
        return []
    first = problems[0]
    message = f"there are {len(problems):,} more problems from here on: correct those above first"
    return [Problem(first.path, first.line, first.column, message, "too-many-problems")]


def quoted(text: str) -> str:
    """`text` in backticks, on one line and safe to print: a file may hold escapes that move the cursor."""
    return f"`{_shown(text)}`"


def _shown(text: str) -> str:
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:_QUOTED])
    return visible if len(text) <= _QUOTED else f"{visible}…"


def listed(words: Iterable[str]) -> str:
    """Words with commas between them; of many only the first, and how many more there are."""
    every = list(map(_shown, words))
    more = [f"and {len(every) - _LISTED:,} more"] if len(every) > _LISTED else []
    return ", ".join([*every[:_LISTED], *more])


def nearest(text: str, known: Collection[str]) -> str:
    """`did you mean …?` where something known is near; else nothing."""
    return did_you_mean(closest(text, known))


def did_you_mean(word: str | None) -> str:
    return f"did you mean {quoted(word)}?" if word else ""


def closest(text: str, known: Collection[str]) -> str | None:
    """Which of the known words a text is near to, whatever its case. Of many, some that begin alike are looked at."""
    if len(text) > _LONGEST_WORD:
        return None
    likely = (word for word in known if len(word) <= _LONGEST_WORD)
    if len(known) > _CANDIDATES:
        first = text[:1].lower()
        likely = (word for word in likely if word[:1].lower() == first)
    by_case = {word.lower(): word for word in islice(likely, _CANDIDATES)}
    near = get_close_matches(text.lower(), list(by_case), n=1)
    return by_case[near[0]] if near else None
