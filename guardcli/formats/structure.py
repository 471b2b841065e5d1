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
from guardcli.formats.pieces import Chunk, Fault, Line
from guardcli.formats.reader import Reader
from guardcli.formats.signatures import UTF8_MARK
from guardcli.formats.splitter import split

Layout = Literal["text", "json lines", "json values"]

_FRAGMENT = 1 << 16
_BLANKS_KEPT = 1 << 16  # bytes

_SEPARATOR = b"\x1e"
_MARKS = re.compile(b"(?:" + UTF8_MARK + b"|" + _SEPARATOR + b")*")
_FIRST_OF_MARKS = (UTF8_MARK[:1], _SEPARATOR)
_JSON_BEGINS = (b"[", b"]", b'"')
_CHOICE = "--input-format jsonl reads records, --input-format lines reads every line as a text"
_CUT = "cut off what stands before it for --input-format jsonl; --input-format lines reads every line as a text"
_LIST = re.compile(rb'\[\s*(?:[\[{"\]]|(?:-?\d[\d.eE+-]*|true|false|null)\s*(?:,\s*["\[{]|\]\s*\Z|\Z))')
_OBJECT = re.compile(rb'[{,]\s*"[^"\\]{1,80}"\s*:')
_KEY = re.compile(rb'"[^"\\]{1,80}"\s*:\s*["\[{\dtfn-]')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)  # or its beginning: what matches nowhere is quadratic
_BRACKET = re.compile(rb"[\[\]{}]")
_TO_FIRST_KEY = re.compile(rb'[\s{\[]*(?:"[^"]*")?')


def first_line(reader: Reader, limit: int) -> bytes:
    """The first line that is not blank, or its beginning, without marks in front of it; it stays to be read."""
    line = _next_line(reader, limit)
    reader.unread(line)
    return bare(line)


def following(reader: Reader, limit: int) -> list[bytes]:
    """The first lines of a text, as far as they have been read already, without marks in front; they stay to be read.

    The first is waited for, the others are not.
    """
    passed = _next_line(reader, limit)
    reader.unread(passed)
    return [bare(line) for line in (passed, *reader.ahead(len(passed)))] if passed else []


def bare(line: bytes) -> bytes:
    """A line without what stands in front of a record and is none of it: a byte-order mark, which a file has where
    others were joined to it, and the separator of RFC 7464."""
    if line[:1] not in _FIRST_OF_MARKS:
        return line
    found = _MARKS.match(line)
    return line[found.end() :] if found else line


def looks_like_record(line: bytes) -> str | None:
    """What is wrong with a line of plain text that may be a record, or a part of one; None if it is just text."""
    line = bare(line).strip()
    if b"{" not in line and b"}" not in line and line[:1] not in _JSON_BEGINS:
        return None
    if line.startswith(b"{") or _LIST.match(line):
        return f"this line of a plain-text input begins like a JSON record: {_CHOICE}"
    found = _OBJECT.search(line)
    if found and (line.endswith((b"}", b"]", b",")) or _is_cut(line[found.start() :])):
        return f"this line of a plain-text input holds a JSON object behind other text: {_CUT}"
    body = line.rstrip(b"]},")
    if _KEY.match(line) or not body or (body.endswith(b'"') and b"}" in line[len(body) :]):
        return f"this line of a plain-text input looks like a piece of a JSON record: {_CHOICE}"
    return None


def layout(reader: Reader, limit: int) -> Layout:
    """How the source is laid out; nothing but blank lines at its beginning is used up.

    A second line is waited for only where the first alone does not say it.
    """
    passed = _next_line(reader, limit)
    first = bare(passed)
    second = b""
    if first.strip() == b"[" or (_looks_like_json(first) and _open_brackets(first)):
        second = _following(reader, limit)
    reader.unread(passed + second)
    if not _looks_like_json(first + second):
        return "text"
    return "json values" if _goes_on(first, second, limit) else "json lines"


def values(reader: Reader, limit: int, layout: Layout) -> Iterator[Chunk | Fault]:
    """Every JSON value of the source, each as soon as it is complete; elements of an array are values."""
    if layout != "json values":
        yield from _json_lines(reader, limit)
        return
    line = reader.line
    opening = reader.fragment(_FRAGMENT)
    reader.unread(bare(opening))
    yield from split(iter(lambda: reader.fragment(_FRAGMENT), b""), line, limit, _is_message)


def _json_lines(reader: Reader, limit: int) -> Iterator[Chunk | Fault]:
    blank = b""
    for line in reader.lines(limit):
        content = bare(line.content)
        if not line.whole:
            yield Fault(line.number, too_long("the line", limit), blank)
        elif not content.strip():
            blank = kept(blank, line)
            continue
        elif content.lstrip().startswith(b"["):
            yield from split([content], line.number, limit, _is_message)
        else:
            yield Chunk(line.number, content, line.content + line.end, blank)
        blank = b""


def kept(blank: bytes, line: Line) -> bytes:
    """Blank lines with one more, as long as they are few."""
    return blank + line.content + line.end if len(blank) < _BLANKS_KEPT else blank


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


def _is_cut(json: bytes) -> bool:
    """Whether JSON ends within a string or a bracket."""
    return json.count(b'"') % 2 == 1 or bool(_open_brackets(json))


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
