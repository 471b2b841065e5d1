"""Detect how an input is laid out, and cut JSON into frames: JSON Lines, arrays, or values over several lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from guardcli.conversation import Json
from guardcli.formats import decoding, openai
from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.frames import BadFrame, Frame, RawLine
from guardcli.formats.line_reader import LineReader
from guardcli.formats.magic import UTF8_BOM
from guardcli.formats.splitter import split_values

StreamLayout = Literal["text", "json lines", "json values"]

_FRAGMENT_SIZE = 1 << 16
_MAX_BLANK_BYTES = 1 << 16  # bytes

_RECORD_SEPARATOR = b"\x1e"
_MARKS = re.compile(b"(?:" + UTF8_BOM + b"|" + _RECORD_SEPARATOR + b")*")
_MARK_FIRST_BYTES = (UTF8_BOM[:1], _RECORD_SEPARATOR)
_JSON_FIRST_BYTES = (b"[", b"]", b'"')
_CHOOSE_FORMAT_HINT = "--input-format jsonl reads records, --input-format lines reads every line as a text"
_CUT_PREFIX_HINT = (
    "cut off what stands before it for --input-format jsonl; --input-format lines reads every line as a text"
)
_LIST = re.compile(rb'\[\s*(?:[\[{"\]]|(?:-?\d[\d.eE+-]*|true|false|null)\s*(?:,\s*["\[{]|\]\s*\Z|\Z))')
_OBJECT = re.compile(rb'[{,]\s*"[^"\\]{1,80}"\s*:')
_KEY = re.compile(rb'"[^"\\]{1,80}"\s*:\s*["\[{\dtfn-]')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)  # or its beginning: what matches nowhere is quadratic
_BRACKET = re.compile(rb"[\[\]{}]")
_TO_FIRST_KEY = re.compile(rb'[\s{\[]*(?:"[^"]*")?')


def peek_first_line(reader: LineReader, limit: int) -> bytes:
    """Return the first line that is not blank, or its beginning, without marks. It stays in the reader."""
    line = _read_filled_line(reader, limit)
    reader.push_back(line)
    return strip_marks(line)


def peek_lines(reader: LineReader, limit: int) -> list[bytes]:
    """Return the first lines of a text, without marks, as far as they are in memory. They stay in the reader.

    Only the first line is waited for.
    """
    first = _read_filled_line(reader, limit)
    reader.push_back(first)
    return [strip_marks(line) for line in (first, *reader.peek_buffered_lines(len(first)))] if first else []


def strip_marks(line: bytes) -> bytes:
    """Return a line without the marks in front of it: byte-order marks, and record separators (RFC 7464).

    A byte-order mark may stand on any line, where files were concatenated.
    """
    if line[:1] not in _MARK_FIRST_BYTES:
        return line
    match = _MARKS.match(line)
    return line[match.end() :] if match else line


def plain_text_problem(line: bytes) -> str | None:
    """Return why a line of plain text looks like a JSON record, or a part of one; None if it is just text."""
    line = strip_marks(line).strip()
    if b"{" not in line and b"}" not in line and line[:1] not in _JSON_FIRST_BYTES:
        return None
    if line.startswith(b"{") or _LIST.match(line):
        return f"this line of a plain-text input begins like a JSON record: {_CHOOSE_FORMAT_HINT}"
    match = _OBJECT.search(line)
    if match and (line.endswith((b"}", b"]", b",")) or _is_cut_off(line[match.start() :])):
        return f"this line of a plain-text input holds a JSON object behind other text: {_CUT_PREFIX_HINT}"
    body = line.rstrip(b"]},")
    if _KEY.match(line) or not body or (body.endswith(b'"') and b"}" in line[len(body) :]):
        return f"this line of a plain-text input looks like a piece of a JSON record: {_CHOOSE_FORMAT_HINT}"
    return None


def detect_layout(reader: LineReader, limit: int) -> StreamLayout:
    """Detect the layout by the first lines. They stay in the reader, except for leading blank lines.

    A second line is waited for only if the first is not enough.

        {"a": 1}        json lines          {"a":           json values          hello       text
        {"a": 2}                            1}
    """
    first_raw = _read_filled_line(reader, limit)
    first = strip_marks(first_raw)
    second = b""
    if first.strip() == b"[" or (_looks_like_json(first) and _unclosed_brackets(first)):
        second = _read_to_filled_line(reader, limit)
    reader.push_back(first_raw + second)
    if not _looks_like_json(first + second):
        return "text"
    return "json values" if _continues_on_next_line(first, second, limit) else "json lines"


def iter_frames(reader: LineReader, limit: int, layout: StreamLayout) -> Iterator[Frame | BadFrame]:
    """Yield the bytes of every JSON value, each as soon as it is complete. The elements of an array are values."""
    if layout != "json values":
        yield from _json_lines(reader, limit)
        return
    line = reader.line
    opening = reader.read_fragment(_FRAGMENT_SIZE)
    reader.push_back(strip_marks(opening))
    yield from split_values(iter(lambda: reader.read_fragment(_FRAGMENT_SIZE), b""), line, limit, _is_message)


def _json_lines(reader: LineReader, limit: int) -> Iterator[Frame | BadFrame]:
    blank = b""
    for line in reader.iter_lines(limit):
        content = strip_marks(line.content)
        if not line.whole:
            yield BadFrame(line.number, too_long_message("the line", limit), blank)
        elif not content.strip():
            blank = append_blank(blank, line)
            continue
        elif content.lstrip().startswith(b"["):
            yield from split_values([content], line.number, limit, _is_message)
        else:
            yield Frame(line.number, content, line.content + line.end, blank)
        blank = b""


def append_blank(blank: bytes, line: RawLine) -> bytes:
    """Return the blank lines collected so far with one more, up to a limit."""
    return blank + line.content + line.end if len(blank) < _MAX_BLANK_BYTES else blank


def _read_filled_line(reader: LineReader, limit: int) -> bytes:
    while (line := reader.read_fragment(limit + 2)) and not line.strip():
        pass
    return line


def _read_to_filled_line(reader: LineReader, limit: int) -> bytes:
    """Read the next lines, up to and with the first that is not blank."""
    lines = bytearray()
    while len(lines) <= limit and (line := reader.read_fragment(limit + 2)):
        lines += line
        if line.strip():
            break
    return bytes(lines)


def _looks_like_json(content: bytes) -> bool:
    content = content.lstrip()
    if content.startswith(b'"'):
        return isinstance(_parse_or_none(content.partition(b"\n")[0]), str)
    if content.startswith(b"["):  # and not [user], or [1]
        return content[1:].lstrip()[:1] in (b"{", b'"', b"[", b"]")
    return content.startswith(b"{")


def _continues_on_next_line(first: bytes, second: bytes, limit: int) -> bool:
    """Return whether the value on the first line continues on the second; if not, it is complete, or cut off."""
    if len(first.rstrip(b"\r\n")) > limit:
        return first.lstrip().startswith(b"[")  # one long line may hold an array of a million records
    opened, last, after = _unclosed_brackets(first), first.rstrip()[-1:], second.lstrip()[:1]
    if not opened or not after:
        return False
    if not first.strip(b"[{ \t\r\n"):
        return True
    # A line may be cut off even where JSON may be broken into lines; then one that opens like it follows.
    if (_opening_key(first) == _opening_key(second) or last == b":") and _is_complete(second, limit):
        return False
    if last in b"[{,:":
        return not (opened.endswith(b"{") and last != b":" and after in b"[{")  # a key is due
    return after in b",:]}"


def _is_cut_off(json: bytes) -> bool:
    """Return whether JSON ends within a string or a bracket."""
    return json.count(b'"') % 2 == 1 or bool(_unclosed_brackets(json))


def _unclosed_brackets(line: bytes) -> bytes:
    """Return the brackets that a line leaves open; none if it ends within a string, which cannot span lines."""
    without_strings = _STRING.sub(lambda string: b"" if string[1] else b'"', line)
    opened = bytearray()
    for bracket in _BRACKET.findall(without_strings):
        if bracket in b"[{":
            opened += bracket
        elif opened:
            opened.pop()
    return b"" if b'"' in without_strings else bytes(opened)


def _opening_key(line: bytes) -> bytes:
    """Return the brackets and the first key with which a line begins, without blanks."""
    match = _TO_FIRST_KEY.match(line)
    return b"".join(match[0].split()) if match else b""


def _is_complete(lines: bytes, limit: int) -> bool:
    return len(lines) > limit or isinstance(_parse_or_none(lines), (dict, list))


def _is_message(content: bytes) -> bool:
    return openai.matches([_parse_or_none(content)])


def _parse_or_none(content: bytes) -> Json:
    try:
        return decoding.decode_json(content, 1)[0]
    except RecordError:
        return None
