"""How a source is laid out, by its first lines; and its JSON values one by one: lines, array, pretty print.

Plain text is only recognised here. Nothing is known of the values but whether a list is one of messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from guardcli.conversation import Json
from guardcli.formats import decoding, openai
from guardcli.formats.faults import Unreadable, too_long
from guardcli.formats.pieces import Chunk, Fault
from guardcli.formats.reader import Reader
from guardcli.formats.splitter import split

Layout = Literal["text", "json lines", "json values"]

_FRAGMENT = 1 << 16
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)  # or its beginning: what matches nowhere is quadratic
_BRACKET = re.compile(rb"[\[\]{}]")
_TO_FIRST_KEY = re.compile(rb'[\s{\[]*(?:"[^"]*")?')


def first_line(reader: Reader, limit: int) -> bytes:
    """The first line that is not blank, or its beginning; it stays to be read."""
    line = _next_line(reader, limit)
    reader.unread(line)
    return line


def layout(reader: Reader, limit: int) -> Layout:
    """How the source is laid out; nothing but blank lines at its beginning is used up.

    A second line is waited for only where the first alone does not say it.
    """
    first = _next_line(reader, limit)
    second = b""
    if first.strip() == b"[" or (_looks_like_json(first) and _open_brackets(first)):
        second = _following(reader, limit)
    reader.unread(first + second)
    if not _looks_like_json(first + second):
        return "text"
    return "json values" if _goes_on(first, second, limit) else "json lines"


def values(reader: Reader, limit: int, layout: Layout) -> Iterator[Chunk | Fault]:
    """Every JSON value of the source, each as soon as it is complete; elements of an array are values."""
    if layout != "json values":
        yield from _json_lines(reader, limit)
        return
    line = reader.line
    yield from split(iter(lambda: reader.fragment(_FRAGMENT), b""), line, limit, _is_message)


def _json_lines(reader: Reader, limit: int) -> Iterator[Chunk | Fault]:
    for line in reader.lines(limit):
        if not line.whole:
            yield Fault(line.number, too_long("the line", limit))
        elif line.content.lstrip().startswith(b"["):
            yield from split([line.content], line.number, limit, _is_message)
        elif line.content.strip():
            yield Chunk(line.number, line.content)


def _next_line(reader: Reader, limit: int) -> bytes:
    while (line := reader.fragment(limit + 2)) and not line.strip():
        pass
    return line


def _following(reader: Reader, limit: int) -> bytes:
    """The next lines, to the first that is not blank."""
    lines = bytearray()
    while len(lines) <= limit and (line := reader.fragment(limit + 2)):
        lines += line
        if line.strip():
            break
    return bytes(lines)


def _looks_like_json(content: bytes) -> bool:
    content = content.lstrip()
    if content.startswith(b'"'):
        return isinstance(_parsed(content.partition(b"\n")[0]), str)
    if content.startswith(b"["):  # and not [user], or [1]
        return content[1:].lstrip()[:1] in (b"{", b'"', b"[", b"]")
    return content.startswith(b"{")


def _goes_on(first: bytes, second: bytes, limit: int) -> bool:
    """Whether the value on the first line continues on the second; else it is complete, or a broken line."""
    if len(first.rstrip(b"\r\n")) > limit:
        return first.lstrip().startswith(b"[")  # one long line may hold an array of a million records
    opened, last, after = _open_brackets(first), first.rstrip()[-1:], second.lstrip()[:1]
    if not opened or not after:
        return False
    if not first.strip(b"[{ \t\r\n"):
        return True
    # A line may be cut off even where JSON may be broken into lines; then one that opens like it follows.
    if (_opening(first) == _opening(second) or last == b":") and _is_complete(second, limit):
        return False
    if last in b"[{,:":
        return not (opened.endswith(b"{") and last != b":" and after in b"[{")  # a key is due
    return after in b",:]}"


def _open_brackets(line: bytes) -> bytes:
    """The brackets that a line leaves open; none if it ends in a string, where none can go on."""
    bare = _STRING.sub(lambda string: b"" if string[1] else b'"', line)
    opened = bytearray()
    for bracket in _BRACKET.findall(bare):
        if bracket in b"[{":
            opened += bracket
        elif opened:
            opened.pop()
    return b"" if b'"' in bare else bytes(opened)


def _opening(line: bytes) -> bytes:
    found = _TO_FIRST_KEY.match(line)
    return b"".join(found[0].split()) if found else b""


def _is_complete(lines: bytes, limit: int) -> bool:
    return len(lines) > limit or isinstance(_parsed(lines), (dict, list))


def _is_message(content: bytes) -> bool:
    return openai.matches([_parsed(content)])


def _parsed(content: bytes) -> Json:
    try:
        return decoding.value(content, 1)[0]
    except Unreadable:
        return None
