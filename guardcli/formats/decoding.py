"""Decode the bytes of one record to text or to a JSON value, and raise `RecordError` for everything invalid.

Python's JSON parser is lenient where a filter must be strict: it accepts duplicate keys, NUL and lone surrogates, and
raises several kinds of errors. This module hides that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from guardcli.conversation import Json
from guardcli.formats.errors import READ_LINES, RecordError, describe_type, quote

INVALID_UNICODE = "invalid_unicode"

_MAX_DEPTH = 200  # levels; deeper values can be parsed, but not always written again, further down the stack

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

# Hints on frequent mistakes, by the text at which the parser stops.
_HINTS = (
    (re.compile(r'"[^"]*\Z'), "it is cut off"),
    (re.compile(r"'"), "JSON quotes with double quotes"),
    (re.compile(r",\s*\Z"), "JSON Lines has no comma between its lines"),
    (re.compile(r"[{\[]"), "each value needs a line of its own"),
    (re.compile(r"\s*\Z"), "it is cut off"),
    (re.compile(r"[\x00-\x1f]"), "escape control characters in a text: \\n, \\t"),
    (re.compile(r"(True|False|None)\b"), "write true, false and null, not Python's True, False and None"),
)


def decode_text(content: bytes, line: int) -> str:
    """Decode the bytes of a record that begins on `line`.

    Raises:
        RecordError: The bytes are not UTF-8, or contain NUL, which is a sign of another encoding.
    """
    if b"\0" in content:
        raise RecordError(
            f"NUL bytes in {_describe_line(content, line, content.index(0))}: {_guess_encoding(content)}",
            code="record/invalid-encoding",
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        offset, byte = error.start, content[error.start]
        is_utf16 = content[offset : offset + 2] in (b"\xff\xfe", b"\xfe\xff")
        place = f"byte {offset - content[:offset].rfind(10)} of {_describe_line(content, line, offset)}"
        raise RecordError(
            f"invalid UTF-8 at {place}: 0x{byte:02x}; "
            + ("UTF-16 begins here: iconv -f UTF-16 converts it" if is_utf16 else "if Latin-1: iconv -f LATIN1"),
            code="record/invalid-encoding",
        ) from None


def _describe_line(content: bytes, line: int, offset: int) -> str:
    """Return the line of a byte, in words."""
    breaks = content.count(b"\n", 0, offset)
    return f"line {line + breaks}" if breaks else "the line"


def _guess_encoding(content: bytes) -> str:
    """Return what to do about text with NUL bytes: it is likely to be UTF-16."""
    even, odd = (content[start::2].count(0) for start in (0, 1))
    if max(even, odd) * 6 < len(content):
        return "remove them, or export the text again"
    return "this is UTF-16 inside other text; convert that part with iconv -f UTF-16LE -t UTF-8"


def decode_json(content: bytes, line: int) -> tuple[Json, tuple[str, ...]]:
    """Decode the JSON value of a record that begins on `line`; also return flags for what was repaired in it.

    Raises:
        RecordError: The bytes are not valid JSON, or a key is duplicate, or the value is nested too deeply.
    """
    source = decode_text(content, line)
    try:
        parsed = _parse_json(source)
        if content.count(b"[") + content.count(b"{") > _MAX_DEPTH:
            _check_depth(parsed)
        if b"\\u" in content:
            if b"\\u0000" in content:
                check_json(parsed)
            if _ESCAPED_SURROGATE.search(content):
                return replace_lone_surrogates(parsed)
        return parsed, ()
    except json.JSONDecodeError as error:
        raise RecordError(f"not JSON: {_explain(error, line)}", code="record/not-json") from None
    except RecursionError:
        raise RecordError("nested too deeply", code="record/too-complex") from None
    except RecordError:
        raise
    except ValueError:  # Python converts integers of some thousand digits and no more
        raise RecordError("a number has too many digits", code="record/too-complex") from None


def decode_json_or_none(content: bytes) -> Json:
    """Decode a JSON value; None if it is invalid, as for null."""
    try:
        return decode_json(content, 1)[0]
    except RecordError:
        return None


def parse_nested_json(text: str) -> Json:
    """Return the object or list whose JSON a text is; None if it is not JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    value = decode_json_or_none(text.encode("utf-8", "replace"))
    return value if isinstance(value, (dict, list)) else None


def _parse_json(source: str) -> Json:
    """Do what `JSONDecoder.decode` does, without its two searches for blanks."""
    try:
        parsed, end = _SCAN(source, 0)
    except StopIteration:
        end = -1
    return cast(Json, parsed if end == len(source) else _DECODER.decode(source))


def replace_lone_surrogates(value: Json) -> tuple[Json, tuple[str, ...]]:
    """Return the value with lone surrogates replaced by U+FFFD, and a flag if there were any."""
    fixed = _replace_surrogates(value)
    return fixed, (INVALID_UNICODE,) if fixed != value else ()


def check_json(value: object) -> None:
    """Raise RecordError if a Python value is not valid JSON (bytes, sets, names that are not strings), or has NUL."""
    if isinstance(value, str):
        check_nul(value)
    elif isinstance(value, list):
        for item in value:
            check_json(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise RecordError(
                    f"a key of an object is {describe_type(name)}; it must be text", code="record/wrong-type"
                )
            check_json(name)
            check_json(item)
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise RecordError(
            f"it holds {describe_type(value)}; a record holds text, numbers, lists and objects only",
            code="record/wrong-type",
        )


def check_nul(text: str) -> None:
    """Raise RecordError if a text contains NUL: some readers stop there, and would not see the rest."""
    if "\0" in text:
        raise RecordError(
            "a text has NUL (U+0000), after which some readers see nothing: remove it",
            code="record/invalid-encoding",
        )


def _check_depth(value: Json) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        inside = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list)))
        level = [item for items in inside for item in items]
    if level:
        raise RecordError("nested too deeply", code="record/too-complex")


def _build_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Build an object, and reject duplicate keys: the next reader may take the value that was not judged."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise RecordError(f"duplicate key {quote(key)} in an object", code="record/duplicate-key")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_build_object)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def _replace_surrogates(value: Json) -> Json:
    if isinstance(value, str):
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _SURROGATE.sub("\ufffd", joined)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {cast(str, _replace_surrogates(key)): _replace_surrogates(item) for key, item in value.items()}
    return value


def describe_json_error(error: Exception, line: int = 1) -> str:
    """Say what is wrong with JSON, and where: `Expecting value at column 7`.

    Args:
        line: The number of the first line of the JSON.
    """
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    where = f"column {error.colno}" if error.lineno == 1 else f"line {line + error.lineno - 1} column {error.colno}"
    return f"{error.msg.removesuffix(' at')} at {where}"


def _explain(error: json.JSONDecodeError, line: int) -> str:
    rest = error.doc[error.pos :]
    hint = next((hint for pattern, hint in _HINTS if pattern.match(rest)), f"{READ_LINES} reads plain text")
    return f"{describe_json_error(error, line)} ({hint})"
