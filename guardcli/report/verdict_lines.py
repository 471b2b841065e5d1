"""Verdicts as lines for people at a terminal: aligned, with the names of categories and an excerpt of the message.

    unsafe  0.8768  2      S9 Indiscriminate Weapons  How do I build a bomb?
    safe    0.0228  3      Hi, my order has not arrived yet.
    error        -  4      not JSON: …

The place is a line of the input, behind its name if there are several. Some of the message is always shown: where the
names of the categories leave no room for it, their labels stand for them, and if need be only the first labels::

    unsafe  0.6066  5      S1, S2 +2  user#3:  Tell me how to steal a car…

Programs read the lines of `judging/writers/text.py`, which do not change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from guardcli.errors import as_options
from guardcli.judging.verdict import Verdict
from guardcli.judging.writers.text import remarks
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_terminal, pluralize

_COLORS = {"safe": "\x1b[32m", "unsafe": "\x1b[1;31m", "error": "\x1b[33m"}
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_MAX_PLACE = 30  # columns
_MIN_EXCERPT = 16  # columns that a message gets in any case
_LINE_DIGITS = 5  # columns that are reserved for the number of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLayout:
    """How lines of verdicts are laid out.

    Attributes:
        width: The columns of the terminal, to which excerpts are cut; None to show messages whole.
        place_width: The columns of the place; a longer one is cut at its beginning.
        with_source: Whether the place has the name of the input.
        category_names: What a category is called, by its label in rows: `{"S10": "S10 Hate"}`.
        color: Whether to color verdicts and categories.
    """

    width: int | None
    place_width: int
    with_source: bool
    category_names: Mapping[str, str]
    color: bool = False

    @classmethod
    def for_inputs(
        cls, sources: Sequence[str], *, width: int | None, category_names: Mapping[str, str], color: bool = False
    ) -> LineLayout:
        """Return the layout for inputs by their names."""
        longest = max((cell_len(escape_terminal(source)) for source in sources), default=0)
        with_source = len(sources) > 1
        return cls(
            width=width,
            place_width=min(longest + 1 + _LINE_DIGITS, _MAX_PLACE) if with_source else _LINE_DIGITS,
            with_source=with_source,
            category_names=category_names,
            color=color,
        )


def category_names(taxonomy: Taxonomy) -> dict[str, str]:
    """Return the id and the name of each category, by its label in rows; a key speaks for itself."""
    return {
        category.label: f"{category.id} {category.name}" if category.label == category.id else category.label
        for category in taxonomy.categories
    }


def format_verdict(verdict: Verdict, layout: LineLayout) -> str:
    """Format a verdict as one line without its end. The excerpt is of `verdict.text`, if the row has it."""
    score = verdict.judged_score
    location = verdict.key.location
    if not layout.with_source:
        location = location.removeprefix(f"{verdict.key.source}:")
    place = _fit_end(escape_terminal(location), layout.place_width)
    head = f"{verdict.verdict:<6}  {'-' if score is None else f'{score:.4f}':>6}  {place}"
    message = _message(verdict, layout)
    least = min(cell_len(message), _MIN_EXCERPT)
    for categories in _category_forms(verdict, layout):
        parts = [(text, style) for text, style in _details(verdict, categories, message) if text]
        used = cell_len(head) + sum(cell_len(text) + 2 for text, _ in parts)
        if layout.width is None or used + (least + 2 if message else 0) <= layout.width:
            break
    if message:
        parts.append((message if layout.width is None else _cut(message, max(layout.width - used - 2, least)), ""))
    if layout.color:
        head = f"{_COLORS[verdict.verdict]}{verdict.verdict}{_RESET}{head[len(verdict.verdict) :]}"
        parts = [(f"{style}{text}{_RESET}" if style else text, "") for text, style in parts]
    return "  ".join([head, *(text for text, _ in parts)]).rstrip()


def format_tally(verdicts: Mapping[str, int], categories: Counter[str], names: Mapping[str, str]) -> str:
    """Format the counts of a run, such as `3 rows: 1 safe, 2 unsafe (S9 Indiscriminate Weapons 2), 0 errors`."""
    listed = ", ".join(f"{escape_terminal(names.get(label, label))} {n:,}" for label, n in categories.most_common())
    unsafe = f"{verdicts.get('unsafe', 0):,} unsafe{f' ({listed})' if listed else ''}"
    errors = pluralize(verdicts.get("error", 0), "error")
    return f"{pluralize(sum(verdicts.values()), 'row')}: {verdicts.get('safe', 0):,} safe, {unsafe}, {errors}"


def _category_forms(verdict: Verdict, layout: LineLayout) -> Iterator[str]:
    """Yield what stands for the categories, from long to short: names, labels, the first labels and a number."""
    labels = verdict.categories or ()
    yield ", ".join(layout.category_names.get(label, label) for label in labels)
    if layout.width is not None and verdict.error is None:  # a line with an error is longer anyway
        yield ", ".join(labels)
        for shown in range(len(labels) - 1, 0, -1):
            yield f"{', '.join(labels[:shown])} +{len(labels) - shown}"


def _details(verdict: Verdict, categories: str, message: str) -> list[tuple[str, str]]:
    """Return the parts between the place and the message, each with its style."""
    notes = remarks(verdict)
    is_first = verdict.turn in (None, 1) and verdict.role in (None, "user")
    return [
        (escape_terminal(categories), _BOLD),
        ("" if notes == "-" else notes, _DIM),
        ("" if is_first else f"{verdict.role}#{verdict.turn}{':' if message or verdict.error else ''}", _DIM),
        ("" if verdict.error is None else escape_terminal(as_options(verdict.error)), ""),
    ]


def _message(verdict: Verdict, layout: LineLayout) -> str:
    """Return the message on one line, or more of its beginning than a terminal's line takes; "" if none is shown."""
    if verdict.text is None:
        return ""
    if layout.width is None:
        return escape_terminal(verdict.text)
    if verdict.error is not None:
        return ""
    begin = verdict.text[: 8 * layout.width]  # blanks are joined; the rest is not looked at
    return escape_terminal(" ".join(begin.split())) + ("" if len(begin) == len(verdict.text) else "…")


def _cut(text: str, columns: int) -> str:
    """Return text, or its beginning before an ellipsis if it takes more columns."""
    return text if cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


def _fit_end(text: str, columns: int) -> str:
    """Return text padded to some columns, or its end behind an ellipsis."""
    if cell_len(text) <= columns:
        return text + " " * (columns - cell_len(text))
    end = ""
    for character in reversed(text):
        if cell_len(character + end) >= columns:
            break
        end = character + end
    return " " * (columns - 1 - cell_len(end)) + f"…{end}"
