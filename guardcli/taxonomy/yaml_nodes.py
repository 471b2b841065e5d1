"""Parse YAML into nodes that keep their location and their spelling.

The nodes are made from yaml's events, because the values that yaml constructs have neither. Multiple documents, unknown
tags, merge keys and repeated keys are refused, and aliases are counted, so that no file expands without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import yaml

from guardcli.errors import TaxonomyCode, TaxonomyError
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.types import Location
from guardcli.text.quoting import quote

Kind = Literal["text", "number", "boolean", "date", "null"]
Node: TypeAlias = "ScalarNode | SequenceNode | MappingNode"
Mark: TypeAlias = "yaml.error.Mark | yaml._yaml.Mark"
Loader: TypeAlias = "yaml.SafeLoader | yaml.CSafeLoader"

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"  # a plain `<<`
_KINDS: dict[str, Kind] = {
    f"{_YAML}str": "text",
    f"{_YAML}value": "text",  # a plain `=`
    _MERGE: "text",
    f"{_YAML}int": "number",
    f"{_YAML}float": "number",
    f"{_YAML}bool": "boolean",
    f"{_YAML}timestamp": "date",
    f"{_YAML}null": "null",
}
MAX_DEPTH = 20  # levels; a taxonomy needs six
MAX_NODES = 100_000  # with aliases expanded; room for some ten thousand tests
_EMPTY = "the file is empty: write `name`, and `categories` or `extends`"

# PyYAML's own parser needs up to 17 s for 1 MiB, libyaml less than one. Up to this many characters (of the bundled
# files the longest has some 5,000) the first has the word, as it says better what is wrong. The second takes a tab
# between two tokens, and a question mark within braces, for what they are.
SLOW_LIMIT = 1 << 16
_LIBYAML: type[Loader] | None = getattr(yaml, "CSafeLoader", None)

# What to do about yaml's own complaints, by a part of their wording; the first that fits.
_ADVICE = {
    "mapping values are not allowed": "quote text that contains `: `, and check the indentation",
    "'\\t' that cannot start any token": "write spaces instead of the tab",
    "found character that cannot start any token": "quote text that starts with it, or write spaces instead of a tab",
    "that cannot start any token": "quote text that starts with this character",
    "tab character": "write spaces instead of the tab",
    "alias": "quote text that starts with `*`",
    "anchor": "quote text that starts with `&`",
    "end of stream": "this quote is not closed: close it",
    "<stream end>": "this bracket is not closed: close it",
    "could not find expected ':'": "add `: ` after the key, or indent the line further",
    "did not find expected ',' or": "add a comma, close the bracket, or quote the text",
    "did not find expected key": "indent the line like the one above it, or quote the whole text",
    "'-' indicator": "put every `- ` of a list at the same indentation",
    "but got '?'": "quote text that holds a question mark",
    "expected ',' or": "add a comma, close the bracket, or quote the text",
    "but found '-'": "put every `- ` of a list at the same indentation",
    "but found '<block": "indent the line like the one above it",
    "but found '?'": "indent the line like the one above it",
    "but found '<scalar>'": "quote the whole text; inside quotes write \\\" for \", or '' for '",
    "unknown escape": "write the backslash twice, or use single quotes",
    "hexdecimal number": "write the backslash twice, or use single quotes",  # spelt so by libyaml
    "invalid Unicode character": "write the backslash twice, or use single quotes",
    "hexadecimal numbers": "write the backslash twice, or use single quotes",
    "chomping or indentation": "begin the text on the next line, or quote it",
    "incompatible YAML": "remove the line",
    "tag": "quote text that starts with `!`",
}
_REPORTED_AT_OPENING = (
    "end of stream",
    "<stream end>",
    "could not find expected ':'",
)  # where the fault is, not where it shows


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """`text` as it is written, and what YAML takes it for.

    `plain` if it has no quotes, `merge` if it is a plain `<<`.
    """

    location: Location
    text: str
    kind: Kind
    plain: bool
    merge: bool = False


@dataclass(frozen=True, slots=True)
class SequenceNode:
    location: Location
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Entries in the order of the file; of a repeated key only the first."""

    location: Location
    entries: tuple[tuple[ScalarNode, Node], ...]


def parse(text: str, path: str, problems: Problems, *, quote: bool = True) -> Node:
    """The one document of `text`. Raises TaxonomyError if it makes no tree; the rest goes to `problems`.

    `quote` says whether the error may hold yaml's own words, which have characters and words of the text in them.
    """
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable:
        raise _not_printable(text, unprintable.start(), path)
    loader = loader_class(text, path)(text)
    builder = _NodeBuilder(loader, path, problems)
    try:
        return builder.document()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, builder.location, quote=quote) from error
    except (ValueError, OverflowError) as error:  # yaml passes "\U00110000" to chr() unchecked
        assert isinstance(loader, yaml.SafeLoader)
        raise _error(_location(loader.get_mark(), path), _too_large(), code="taxonomy/not-yaml") from error


def loader_class(text: str, path: str, libyaml: type[Loader] | None = _LIBYAML) -> type[Loader]:
    """What reads a text: up to a size the parser whose messages are the better ones, beyond it the fast one.

    Raises:
        TaxonomyError: there is no fast one.
    """
    if len(text) <= SLOW_LIMIT:
        return yaml.SafeLoader
    if libyaml is None:
        raise _error(
            Location(path, 1, 1),
            f"has more than {SLOW_LIMIT:,} characters, and PyYAML is installed without libyaml, which reads that many: "
            "share parts with `extends`, or install a wheel of PyYAML",
            "taxonomy/too-large",
        )
    return libyaml


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What an anchor names, how many values that is, and how deep; None until it has been read to its end."""

    location: Location
    value: Node | None = None
    values: int = 0
    depth: int = 0


class _NodeBuilder:
    """Makes the tree from yaml's events, and stops at the first that goes beyond a limit.

    An alias stands for the same tree again and is counted as such: ten lines of aliases can mean billions of values.
    """

    def __init__(self, loader: Loader, path: str, problems: Problems) -> None:
        self.location = Location(path, 1, 1)  # of the last event
        self._loader = loader
        self._path = path
        self._problems = problems
        self._anchors: dict[str, _Anchor] = {}
        self._node_count = 0
        self._deepest_level = 0

    def document(self) -> Node:
        """The tree of the only document."""
        event = self._next()
        while isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _error(Location(self._path, 1, 1), _EMPTY, code="taxonomy/not-a-taxonomy")
        root = self._read_node(event, 0)
        self._next()  # the end of the document
        after = self._next()
        if isinstance(after, yaml.StreamEndEvent):
            if isinstance(root, ScalarNode) and root.kind == "null":
                raise _error(Location(self._path, 1, 1), _EMPTY, code="taxonomy/not-a-taxonomy")
            return root
        raise _error(
            self.location,
            "a second document starts here: a file holds one taxonomy; remove the `---`",
            code="taxonomy/not-yaml",
        )

    def _next(self) -> yaml.Event:
        event = self._loader.get_event()
        assert event is not None  # None comes after the end of the stream only
        assert event.start_mark is not None
        self.location = _location(event.start_mark, self._path)
        return event

    def _read_node(self, event: yaml.Event, depth: int) -> Node:
        location = self.location
        assert isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.AliasEvent):
            return self._resolve_alias(str(event.anchor), location, depth)
        self._count(1, depth, location)
        anchor = event.anchor
        if anchor is None:
            return self._build_node(event, location, depth)
        if anchor in self._anchors:
            line = self._anchors[anchor].location.line
            raise _error(
                location,
                f"this anchor is given twice (first in line {line}): rename one of the two",
                code="taxonomy/not-yaml",
            )
        self._anchors[anchor] = _Anchor(location)
        before, outside, self._deepest_level = self._node_count, self._deepest_level, depth
        value = self._build_node(event, location, depth)
        self._anchors[anchor] = _Anchor(location, value, self._node_count - before + 1, self._deepest_level - depth)
        self._deepest_level = max(self._deepest_level, outside)
        return value

    def _resolve_alias(self, anchor: str, location: Location, depth: int) -> Node:
        anchored = self._anchors.get(anchor)
        if anchored is None:
            advice = "quote text that starts with `*`, or define it before with `&`"
            raise _error(location, f"there is no anchor for this alias: {advice}", code="taxonomy/not-yaml")
        if anchored.value is None:
            raise _error(anchored.location, _too_deep(), "taxonomy/too-large")
        self._count(anchored.values, depth + anchored.depth, location)
        return anchored.value

    def _count(self, values: int, depth: int, location: Location) -> None:
        self._node_count += values
        self._deepest_level = max(self._deepest_level, depth)
        if self._node_count > MAX_NODES:
            raise _error(
                location,
                f"more than {MAX_NODES:,} values, those of aliases included: remove some",
                "taxonomy/too-large",
            )
        if depth > MAX_DEPTH:
            raise _error(location, _too_deep(), "taxonomy/too-large")

    def _build_node(self, event: yaml.NodeEvent, location: Location, depth: int) -> Node:
        if isinstance(event, yaml.MappingStartEvent):
            self._check_tag(event.tag, location, f"{_YAML}map")
            return MappingNode(location, self._entries(depth + 1))
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event.tag, location, f"{_YAML}seq")
            return SequenceNode(location, tuple(self._items(depth + 1)))
        assert isinstance(event, yaml.ScalarEvent)
        tag = self._tag(event)
        self._check_tag(tag, location, *_KINDS)
        return ScalarNode(location, event.value, _KINDS.get(tag, "text"), plain=not event.style, merge=tag == _MERGE)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            yield self._read_node(event, depth)

    def _entries(self, depth: int) -> tuple[tuple[ScalarNode, Node], ...]:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._read_node(event, depth)
            value = self._read_node(self._next(), depth)
            wrong = _wrong_key(key, entries)
            if wrong:
                self._problems.add(key.location, *wrong)
            elif isinstance(key, ScalarNode):
                entries[key.text] = key, value
        return tuple(entries.values())

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag is not None and event.tag != "!":
            return str(event.tag)
        tag: str = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        return tag

    def _check_tag(self, given: str | None, location: Location, *allowed: str) -> None:
        if given not in (None, "!", *allowed):
            tag = str(given).replace(_YAML, "!!")
            self._problems.add(
                location,
                f"the tag {quote(tag)} is not supported: remove it, or quote text that starts with `!`",
                code="taxonomy/not-yaml",
            )


def _wrong_key(key: Node, before: dict[str, tuple[ScalarNode, Node]]) -> tuple[str, TaxonomyCode] | None:
    """What is wrong with a key, and its code; None if nothing is."""
    if not isinstance(key, ScalarNode):
        return "a key must be plain text: quote text that starts with `[` or `{`", "taxonomy/wrong-type"
    if key.merge:
        return "merge keys (`<<`) are not supported: write the fields out", "taxonomy/not-yaml"
    if key.text in before:
        line = before[key.text][0].location.line
        return f"{quote(key.text)} is given twice (first in line {line}): keep one", "taxonomy/duplicate-key"
    return None


def _syntax_error(error: yaml.MarkedYAMLError, last: Location, *, quote: bool) -> TaxonomyError:
    yaml_message = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(part in yaml_message for part in _REPORTED_AT_OPENING):
        mark = error.context_mark
    location = last if mark is None else _location(mark, last.path)
    if "nesting depth" in yaml_message:
        return _error(location, _too_deep(), "taxonomy/too-large")
    advice = next((advice for part, advice in _ADVICE.items() if part in yaml_message), "quote the text, or correct it")
    return _error(
        location,
        f"is not valid YAML ({yaml_message}): {advice}" if quote else f"is not valid YAML: {advice}",
        code="taxonomy/not-yaml",
    )


def _not_printable(text: str, position: int, path: str) -> TaxonomyError:
    lines = f"{text[:position]}x".splitlines()
    location = Location(path, len(lines), len(lines[-1]))
    if text[position] == "\0":
        return _error(
            location, "there is a null character: is this a text file? save it as UTF-8", code="taxonomy/not-yaml"
        )
    return _error(
        location, f"the character {quote(text[position])} is not allowed in YAML: remove it", code="taxonomy/not-yaml"
    )


def _too_large() -> str:
    return "is not valid YAML: the number in an escape or directive is too large"


def _too_deep() -> str:
    return f"more than {MAX_DEPTH} levels deep, or an alias within itself: remove brackets, or the alias"


def _location(mark: Mark, path: str) -> Location:
    return Location(path, mark.line + 1, mark.column + 1)


def _error(location: Location, message: str, code: TaxonomyCode) -> TaxonomyError:
    return TaxonomyError(location.problem(message, code))
