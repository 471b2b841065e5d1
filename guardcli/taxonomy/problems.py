"""Collect the problems of a taxonomy, and suggest what a misspelt word may mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from guardcli.errors import Problem, TaxonomyCode, TaxonomyError
from guardcli.taxonomy.types import Location
from guardcli.text.lists import join_words
from guardcli.text.quoting import abbreviate, quote

_MAX_REPORTED = 100  # problems; a person corrects some and validates again
_MAX_LISTED = 30  # words; of more than these a message says how many there are

# A look-up compares a word with each that is known, letter by letter. What a file may ask for is bounded in each of
# the three directions, or a megabyte of misspelt words would take hours.
_MAX_LOOKUPS = 20
_MAX_CANDIDATES = 200
_MAX_WORD_LENGTH = 40


class Problems:
    """Collects problems, so that a file is read to its end and all are reported at once."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._problems: list[Problem] = []
        self._lookups = 0

    def add_file(self, path: str) -> None:
        """The problems of `path` come after those of the files opened before it."""
        self._files.setdefault(path, len(self._files))

    @property
    def files(self) -> tuple[str, ...]:
        """The files opened, in that order."""
        return tuple(self._files)

    def add(self, location: Location, message: str, code: TaxonomyCode) -> None:
        self._problems.append(location.problem(message, code))

    def include(self, others: Problems | TaxonomyError) -> None:
        self._problems.extend(others._problems if isinstance(others, Problems) else others.problems)

    def closest_match(self, text: str, known: Collection[str]) -> str | None:
        """The known word that a text is near to; None after too many look-ups, which cost time."""
        self._lookups += 1
        return closest_match(text, known) if self._lookups <= _MAX_LOOKUPS else None

    def suggestion(self, text: str, known: Collection[str]) -> str:
        """`did you mean …?` where something known is near; else nothing."""
        return did_you_mean(self.closest_match(text, known))

    def raise_if_any(self) -> None:
        """Raise TaxonomyError if there are any: file by file, each in the order of its lines, up to a number of them.

        An aliased node is read once for each alias, so the same problem may have been added more than once.
        """
        if self._problems:
            in_order = sorted(dict.fromkeys(self._problems), key=lambda p: (self._files[p.path], p.line, p.column))
            raise TaxonomyError(*in_order[:_MAX_REPORTED], *_unreported(in_order[_MAX_REPORTED:]))


def _unreported(problems: list[Problem]) -> list[Problem]:
    if not problems:
        return []
    first = problems[0]
    message = f"there are {len(problems):,} more problems from here on: correct those above first"
    return [Problem(first.path, first.line, first.column, message, "taxonomy/too-many-problems", first.key)]


def list_known(words: Iterable[str]) -> str:
    """List what is known, abbreviated: known are S1, S2, and 270 more."""
    return join_words(words, limit=_MAX_LISTED, quote=abbreviate)


def suggestion(text: str, known: Collection[str]) -> str:
    """`did you mean …?` where something known is near; else nothing."""
    return did_you_mean(closest_match(text, known))


def did_you_mean(word: str | None) -> str:
    return f"did you mean {quote(word)}?" if word else ""


def closest_match(text: str, known: Collection[str]) -> str | None:
    """Which of the known words a text is near to, whatever its case. Of many, some that begin alike are looked at."""
    if len(text) > _MAX_WORD_LENGTH:
        return None
    likely = (word for word in known if len(word) <= _MAX_WORD_LENGTH)
    if len(known) > _MAX_CANDIDATES:
        first = text[:1].lower()
        likely = (word for word in likely if word[:1].lower() == first)
    by_case = {word.lower(): word for word in islice(likely, _MAX_CANDIDATES)}
    near = get_close_matches(text.lower(), list(by_case), n=1)
    return by_case[near[0]] if near else None
