"""Bytes of one record to text or to a JSON value, whatever they are: what cannot be read is `Unreadable`.

Python's parser accepts and raises more than a filter can bear; only this module knows it. It knows no format.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from guardcli.conversation import Json
from guardcli.formats.faults import Unreadable, kind, shown

INVALID_UNICODE = "invalid_unicode"

_DEEPEST = 200  # levels; what the parser takes, the writer of a kept field may not, being deeper in the stack

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

# What is often wrong, by what the parser sees at the place of its error.
_HINTS = (
    (re.compile(r'"[^"]*\Z'), "it is cut off"),
    (re.compile(r"'"), "JSON quotes with double quotes"),
    (re.compile(r",\s*\Z"), "JSON Lines has no comma between its lines"),
    (re.compile(r"[{\[]"), "each value needs a line of its own"),
    (re.compile(r"\s*\Z"), "it is cut off"),
    (re.compile(r"[\x00-\x1f]"), "inside a text, control characters are escaped: \\n, \\t"),
    (re.compile(r"(True|False|None)\b"), "Python's literals are no JSON: true, false, null"),
)


def text(content: bytes, line: int) -> str:
    """The text of a record that begins on `line`.

    Raises:
        Unreadable: it is no UTF-8, or holds NUL, which nobody writes: from there on it is in another encoding.
    """
    if b"\0" in content:
        raise Unreadable(f"NUL bytes in {_place(content, line, content.index(0))}: {_encoding(content)}")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        at, byte = error.start, content[error.start]
        marked = content[at : at + 2] in (b"\xff\xfe", b"\xfe\xff")
        raise Unreadable(
            f"invalid UTF-8 at byte {at - content[:at].rfind(10)} of {_place(content, line, at)}: 0x{byte:02x}; "
            + ("UTF-16 begins here: iconv -f UTF-16 converts it" if marked else "if Latin-1: iconv -f LATIN1")
        ) from None


def _place(content: bytes, line: int, at: int) -> str:
    """The line of a byte, in words."""
    breaks = content.count(b"\n", 0, at)
    return f"line {line + breaks}" if breaks else "the line"


def _encoding(content: bytes) -> str:
    """What text with NUL bytes is likely to be."""
    even, odd = (content[start::2].count(0) for start in (0, 1))
    if max(even, odd) * 6 < len(content):
        return "remove them, or export the text again"
    return "this is UTF-16 inside of other text; convert that part with iconv -f UTF-16LE -t UTF-8"


def value(content: bytes, line: int) -> tuple[Json, tuple[str, ...]]:
    """The JSON value of a record that begins on `line`, and the flags for what was repaired in it."""
    source = text(content, line)
    try:
        parsed = _decoded(source)
        if content.count(b"[") + content.count(b"{") > _DEEPEST:
            _check_depth(parsed)
        if b"\\u" in content:
            if b"\\u0000" in content:
                _check_nul(parsed)
            if _ESCAPED_SURROGATE.search(content):
                return repaired(parsed)
        return parsed, ()
    except json.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {_explained(error, line)}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except Unreadable:
        raise
    except ValueError:  # Python converts integers of some thousand digits and no more
        raise Unreadable("a number has too many digits") from None


def nested(text: str) -> Json:
    """The object or list that a text is the JSON of; None if it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = value(text.encode("utf-8", "replace"), 1)[0]
    except Unreadable:
        return None
    return found if isinstance(found, (dict, list)) else None


def _decoded(source: str) -> Json:
    """What `JSONDecoder.decode` gives, without its two searches for blanks where there are none."""
    try:
        parsed, end = _SCAN(source, 0)
    except StopIteration:
        end = -1
    return cast(Json, parsed if end == len(source) else _DECODER.decode(source))


def repaired(value: Json) -> tuple[Json, tuple[str, ...]]:
    """The value with its lone surrogates replaced by U+FFFD, and the flag that says so."""
    fixed = _repair(value)
    return fixed, (INVALID_UNICODE,) if fixed != value else ()


def check_json(value: object) -> None:
    """Raise Unreadable if a Python value holds what no JSON does: bytes, sets, names that are no text, or NUL."""
    if isinstance(value, str):
        check_nul(value)
    elif isinstance(value, list):
        for item in value:
            check_json(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise Unreadable(f"a name in an object is {kind(name)}; it must be text")
            check_json(name)
            check_json(item)
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise Unreadable(f"it holds {kind(value)}; a record holds text, numbers, lists and objects only")


def check_nul(text: str) -> None:
    """Raise Unreadable if a text holds NUL: some readers stop there, and would not see what is behind."""
    if "\0" in text:
        raise Unreadable("a text holds NUL (U+0000), behind which some readers see nothing: remove it")


def _check_nul(value: Json) -> None:
    if isinstance(value, str):
        check_nul(value)
    elif isinstance(value, (dict, list)):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_nul(item)


def _check_depth(value: Json) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        inside = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = [item for items in inside for item in items]
    if level:
        raise Unreadable("nested too deeply")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object; a key that stands twice is refused, for the reader after us may take the one not judged."""
    found = dict(pairs)
    if len(found) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise Unreadable(f"the key {shown(key)} stands twice in an object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def _repair(value: Json) -> Json:
    if isinstance(value, str):
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _SURROGATE.sub("\ufffd", joined)
    if isinstance(value, list):
        return [_repair(item) for item in value]
    if isinstance(value, dict):
        return {cast(str, _repair(key)): _repair(item) for key, item in value.items()}
    return value


def _explained(error: json.JSONDecodeError, line: int) -> str:
    where = f"column {error.colno}" if error.lineno == 1 else f"line {line + error.lineno - 1} column {error.colno}"
    rest = error.doc[error.pos :]
    hint = next((hint for pattern, hint in _HINTS if pattern.match(rest)), "--input-format lines reads plain text")
    return f"{error.msg.removesuffix(' at')} at {where} ({hint})"
