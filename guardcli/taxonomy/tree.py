"""YAML text → a tree of plain values that remember their places; the only module that imports yaml.

It knows YAML and its traps (documents, tags, aliases, duplicate keys), and nothing of taxonomies. The tree is
made from yaml's nodes, not from what yaml would construct, which has lost its places and its spelling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import yaml

from guardcli.errors import TaxonomyError
from guardcli.taxonomy.problems import Problems, quoted
from guardcli.taxonomy.values import Place

Kind = Literal["text", "number", "boolean", "date", "null"]
Value: TypeAlias = "Scalar | Sequence | Mapping"

_YAML = "tag:yaml.org,2002:"
_KINDS: dict[str, Kind] = {
    f"{_YAML}str": "text",
    f"{_YAML}value": "text",  # a plain `=`
    f"{_YAML}merge": "text",  # a plain `<<`
    f"{_YAML}int": "number",
    f"{_YAML}float": "number",
    f"{_YAML}bool": "boolean",
    f"{_YAML}timestamp": "date",
    f"{_YAML}null": "null",
}
_DEEPEST = 20  # levels; a taxonomy needs six
_MOST_NODES = 100_000  # with aliases expanded; room for some ten thousand tests

# What to do about yaml's own complaints, by a part of their wording; the first that fits.
_ADVICE = {
    "mapping values are not allowed": "quote text that contains `: `, and check the indentation",
    "'\\t' that cannot start any token": "write spaces instead of the tab",
    "that cannot start any token": "quote text that starts with this character",
    "undefined alias": "quote text that starts with `*`, or define it before with `&`",
    "alias": "quote text that starts with `*`",
    "duplicate anchor": "rename one of the two",
    "anchor": "quote text that starts with `&`",
    "end of stream": "this quote is not closed: close it",
    "<stream end>": "this bracket is not closed: close it",
    "could not find expected ':'": "add `: ` after the key, or indent the line further",
    "but got '?'": "quote text that holds a question mark",
    "expected ',' or": "add a comma, close the bracket, or quote the text",
    "but found '-'": "put every `- ` of a list at the same indentation",
    "but found '<block": "indent the line like the one above it",
    "but found '?'": "indent the line like the one above it",
    "but found '<scalar>'": "quote the whole text; inside quotes write \\\" for \", or '' for '",
    "unknown escape": "write the backslash twice, or use single quotes",
    "hexadecimal numbers": "write the backslash twice, or use single quotes",
    "chomping or indentation": "begin the text on the next line, or quote it",
    "incompatible YAML": "remove the line",
    "tag": "quote text that starts with `!`",
}
_AT_THE_OPENING = (
    "end of stream",
    "<stream end>",
    "could not find expected ':'",
)  # where the fault is, not where it shows


@dataclass(frozen=True, slots=True)
class Scalar:
    """`text` as it is written, and what YAML takes it for; `plain` if it has no quotes."""

    place: Place
    text: str
    kind: Kind
    plain: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    place: Place
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in the order of the file; of a repeated key only the first."""

    place: Place
    entries: tuple[tuple[Scalar, Value], ...]


def parse(text: str, path: str, problems: Problems) -> Value:
    """The one document of `text`. Raises TaxonomyError if it makes no tree; the rest goes to `problems`."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        raise _not_printable(error, text, path) from error
    try:
        return _Builder(path, problems).build(_single_node(loader, path), depth=0)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, loader, path) from error
    except RecursionError as error:
        raise _error(_place(loader.get_mark(), path), _too_deep()) from error
    except (ValueError, OverflowError) as error:  # yaml passes "\U00110000" to chr() unchecked
        message = "is not valid YAML: the number in an escape or directive is too large"
        raise _error(_place(loader.get_mark(), path), message) from error


def _single_node(loader: yaml.SafeLoader, path: str) -> yaml.Node:
    node = loader.get_node() if loader.check_node() else None
    if node is None or (node.tag == f"{_YAML}null" and not loader.check_node()):
        raise _error(Place(path, 1, 1), "the file is empty: write `name`, and `categories` or `extends`")
    if loader.check_node():
        second = loader.get_node()
        place = _place((second or node).start_mark, path)
        raise _error(place, "a second document starts here: a file holds one taxonomy; remove the `---`")
    return node


class _Builder:
    """Walks a node once for each alias of it, and so counts: ten lines of aliases can mean billions."""

    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Value:
        place = _place(node.start_mark, self._path)
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _error(place, f"more than {_MOST_NODES:,} values, those of aliases included: remove some")
        if depth > _DEEPEST:
            raise _error(place, _too_deep())
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, place, f"{_YAML}map")
            return Mapping(place, self._entries(node, depth + 1))
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, place, f"{_YAML}seq")
            return Sequence(place, tuple(self.build(item, depth + 1) for item in node.value))
        self._check_tag(node, place, *_KINDS)
        plain = not getattr(node, "style", None)
        return Scalar(place, node.value, _KINDS.get(node.tag, "text"), plain)

    def _entries(self, node: yaml.MappingNode, depth: int) -> tuple[tuple[Scalar, Value], ...]:
        entries: dict[str, tuple[Scalar, Value]] = {}
        for key_node, value_node in node.value:
            key, value = self.build(key_node, depth), self.build(value_node, depth)
            wrong = _wrong_key(key, key_node.tag, entries)
            if wrong:
                self._problems.add(key.place, wrong)
            elif isinstance(key, Scalar):
                entries[key.text] = key, value
        return tuple(entries.values())

    def _check_tag(self, node: yaml.Node, place: Place, *allowed: str) -> None:
        if node.tag not in allowed:
            tag = node.tag.replace(_YAML, "!!")
            self._problems.add(
                place, f"the tag {quoted(tag)} is not supported: remove it, or quote text that starts with `!`"
            )


def _wrong_key(key: Value, tag: str, before: dict[str, tuple[Scalar, Value]]) -> str | None:
    if not isinstance(key, Scalar):
        return "a key must be plain text: quote text that starts with `[` or `{`"
    if tag == f"{_YAML}merge":
        return "merge keys (`<<`) are not supported: write the fields out"
    if key.text in before:
        return f"{quoted(key.text)} is given twice (first in line {before[key.text][0].place.line}): keep one"
    return None


def _syntax_error(error: yaml.MarkedYAMLError, loader: yaml.SafeLoader, path: str) -> TaxonomyError:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark or loader.get_mark()
    if error.context_mark is not None and any(part in said for part in _AT_THE_OPENING):
        mark = error.context_mark
    advice = next((advice for part, advice in _ADVICE.items() if part in said), "quote the text, or correct it")
    return _error(_place(mark, path), f"is not valid YAML ({said}): {advice}")


def _not_printable(error: yaml.reader.ReaderError, text: str, path: str) -> TaxonomyError:
    lines = f"{text[: error.position]}x".splitlines()
    place = Place(path, len(lines), len(lines[-1]))
    if text[error.position] == "\0":
        return _error(place, "there is a null character: is this a text file? save it as UTF-8")
    return _error(place, f"the character {quoted(text[error.position])} is not allowed in YAML: remove it")


def _too_deep() -> str:
    return f"more than {_DEEPEST} levels deep, or an alias within itself: remove brackets, or the alias"


def _place(mark: yaml.Mark, path: str) -> Place:
    return Place(path, mark.line + 1, mark.column + 1)


def _error(place: Place, message: str) -> TaxonomyError:
    return TaxonomyError(place.problem(message))
