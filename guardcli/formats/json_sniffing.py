"""Tell JSON from text by the first bytes: how an input is laid out, and which lines of text look like records."""

from __future__ import annotations

import re
from typing import Literal

from guardcli.errors import setting
from guardcli.formats import decoding, openai
from guardcli.formats.errors import READ_LINES
from guardcli.formats.line_reader import LineReader, strip_marks

StreamLayout = Literal["text", "json lines", "json values"]

_JSON_FIRST_BYTES = (b"[", b"]", b'"')
_READ_RECORDS = setting("ReadOptions.format", "jsonl")
_CHOOSE_FORMAT_HINT = f"use {_READ_RECORDS} to read records, or {READ_LINES} to read every line as text"
_CUT_PREFIX_HINT = f"remove the text before it and use {_READ_RECORDS}, or use {READ_LINES} to read every line as text"
_LIST = re.compile(rb'\[\s*(?:[\[{"\]]|(?:-?\d[\d.eE+-]*|true|false|null)\s*(?:,\s*["\[{]|\]\s*\Z|\Z))')
_OBJECT = re.compile(rb'[{,]\s*"[^"\\]{1,80}"\s*:')
_KEY = re.compile(rb'"[^"\\]{1,80}"\s*:\s*["\[{\dtfn-]')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)  # or its beginning: what matches nowhere is quadratic
_BRACKET = re.compile(rb"[\[\]{}]")
_TO_FIRST_KEY = re.compile(rb'[\s{\[]*(?:"[^"]*")?')


def detect_layout(reader: LineReader) -> StreamLayout:
    """Detect the layout by the first lines. They stay in the reader, except for leading blank lines.

    A second line is waited for only if the first is not enough.

        {"a": 1}        json lines          {"a":           json values          hello       text
        {"a": 2}                            1}
    """
    first_raw = reader.read_filled_line()
    first = strip_marks(first_raw)
    second = b""
    if first.strip() == b"[" or (_looks_like_json(first) and _unclosed_brackets(first)):
        second = _read_to_filled_line(reader)
    reader.push_back(first_raw + second)
    if not _looks_like_json(first + second):
        return "text"
    return "json values" if _continues_on_next_line(first, second, reader.limit) else "json lines"


def plain_text_problem(line: bytes) -> str | None:
    """Return why a line of text, without marks, looks like a JSON record or a part of one; None if it does not."""
    line = line.strip()
    if b"{" not in line and b"}" not in line and line[:1] not in _JSON_FIRST_BYTES:
        return None
    if line.startswith(b"{") or _LIST.match(line):
        return f"this line of a plain-text input begins like a JSON record: {_CHOOSE_FORMAT_HINT}"
    match = _OBJECT.search(line)
    if match and (line.endswith((b"}", b"]", b",")) or _is_cut_off(line[match.start() :])):
        return f"this line of a plain-text input has a JSON object after other text: {_CUT_PREFIX_HINT}"
    body = line.rstrip(b"]},")
    if _KEY.match(line) or not body or (body.endswith(b'"') and b"}" in line[len(body) :]):
        return f"this line of a plain-text input looks like part of a JSON record: {_CHOOSE_FORMAT_HINT}"
    return None


def is_message(content: bytes) -> bool:
    """Return whether the first element of an array is a message, so that the array is one conversation."""
    return openai.matches([decoding.decode_json_or_none(content)])


def _read_to_filled_line(reader: LineReader) -> bytes:
    """Read the next lines, up to and with the first that is not blank."""
    lines = bytearray()
    while len(lines) <= reader.limit and (line := reader.read_line()):
        lines += line
        if line.strip():
            break
    return bytes(lines)


def _looks_like_json(content: bytes) -> bool:
    content = content.lstrip()
    if content.startswith(b'"'):
        return isinstance(decoding.decode_json_or_none(content.partition(b"\n")[0]), str)
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
    return len(lines) > limit or isinstance(decoding.decode_json_or_none(lines), (dict, list))
