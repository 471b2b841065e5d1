"""The lines of a journal: JSON objects, each with a digest that covers the line before it.

::

    {"digest":"5be1…","manifest":{"content":{…},"version":2}}
    {"digest":"90c4…","begin":{"rows":0}}
    {"digest":"1fa3…","checkpoint":{"rows":512,"records":512,…}}
    {"digest":"c07d…","begin":{"rows":512}}
    {"digest":"e552…","ended":{"reason":"SIGTERM"}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias, Union

VERSION = 2

_DIGEST_BYTES = 16
_HEAD = b'{"digest":"'
_HEAD_SIZE = len(_HEAD) + 2 * _DIGEST_BYTES + 2  # and the quote and comma behind it
_OLD_HEAD = b'{"manifest"'  # how guard 0.1 began its journals


class CorruptJournal(ValueError):
    """A file is not a journal, or was changed after it was written."""


class OldJournal(CorruptJournal):
    """A journal of guard 0.1, whose lines have no digests."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first line: everything that the rows depend on."""

    content: Mapping[str, Any]
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Begin:
    """An attempt at a block begins after `rows` rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block is committed.

    Totals over the run so far: `rows`, input `records`, `unsafe` rows, `errors`. The output has `size` bytes, of which
    `digest` is the SHA-256. The next block begins at `line` of `unit`. `position` is how many bytes of the inputs, as
    they are on disk, are read by then, roughly.
    """

    rows: int = 0
    records: int = 0
    unsafe: int = 0
    errors: int = 0
    size: int = 0
    unit: int = 0
    line: int = 1
    position: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt at the open block ended cleanly: by a signal that was handled, or on a full disk."""

    reason: str


@dataclass(frozen=True, slots=True)
class Died:
    """The process died during the attempt. `fault` is the first line of faulthandler's trace; None without one."""

    fault: str | None


@dataclass(frozen=True, slots=True)
class PoisonRecord:
    """A record of the open block that crashes the process, and the signal of the crash. It becomes an error row."""

    unit: int
    line: int
    part: str | None
    signal: str


@dataclass(frozen=True, slots=True)
class Isolated:
    """All records of the open block were tried one by one; only the listed poison records crash the process."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is finished."""

    rows: int


Entry: TypeAlias = Union[Manifest, Begin, Checkpoint, Ended, Died, PoisonRecord, Isolated, Finished]  # noqa: UP007

# By the names in a journal, which must stay as they are.
_TYPE_BY_NAME: dict[str, type[Entry]] = {
    "manifest": Manifest,
    "begin": Begin,
    "checkpoint": Checkpoint,
    "ended": Ended,
    "died": Died,
    "guilty": PoisonRecord,
    "cleared": Isolated,
    "finished": Finished,
}
_NAME_BY_TYPE = {kind: name for name, kind in _TYPE_BY_NAME.items()}
_FIELD_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "str": (str,),
    "str | None": (str, type(None)),
    "Mapping[str, Any]": (dict,),
}


class DigestChain:
    """Encodes and decodes the lines of one journal in order. The digest of a line covers all lines before it::

    {"digest":"<BLAKE2b of the digest before and of this line>","checkpoint":{…}}
    """

    def __init__(self) -> None:
        self._last = b""

    def encode(self, entry: Entry) -> bytes:
        """Return the next line, with its line break."""
        body = json.dumps({_NAME_BY_TYPE[type(entry)]: asdict(entry)}, separators=(",", ":")).encode()
        return _HEAD + self._advance(body) + b'",' + body[1:] + b"\n"

    def decode(self, line: bytes) -> Entry:
        """Parse the next line, given without its line break. Raises CorruptJournal."""
        digest, body = line[len(_HEAD) : _HEAD_SIZE - 2], b"{" + line[_HEAD_SIZE:]
        if not line.startswith(_HEAD) or line[_HEAD_SIZE - 2 : _HEAD_SIZE] != b'",' or digest != self._advance(body):
            raise CorruptJournal("its digest does not match")
        try:
            return _entry(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise CorruptJournal(str(error) or "nested too deeply") from error

    def _advance(self, body: bytes) -> bytes:
        self._last = hashlib.blake2b(self._last + body, digest_size=_DIGEST_BYTES).hexdigest().encode()
        return self._last


def decode(content: bytes, chain: DigestChain) -> Iterator[Entry]:
    """All entries of a journal's whole lines.

    Raises:
        OldJournal: guard 0.1 wrote it.
        CorruptJournal: it is not a journal, or a line was changed.
    """
    if content.startswith(_OLD_HEAD):
        raise OldJournal
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            entry = chain.decode(line)
        except CorruptJournal as error:
            raise CorruptJournal(f"line {number}: {error}") from None
        if isinstance(entry, Manifest) is not (number == 1):
            raise CorruptJournal(f"line {number}: a manifest is expected in the first line, and only there")
        if isinstance(entry, Manifest) and entry.version != VERSION:
            raise CorruptJournal(f"line 1: version {entry.version}; this guard reads version {VERSION}")
        yield entry


def _entry(value: Any) -> Entry:
    """The entry in a JSON value. Raises ValueError: none of these."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("expected an object with one key")
    ((name, content),) = value.items()
    kind = _TYPE_BY_NAME.get(name)
    if kind is None or not isinstance(content, dict):
        raise ValueError(f"expected one of {', '.join(_TYPE_BY_NAME)}")
    expected = {field.name: _FIELD_TYPES[str(field.type)] for field in fields(kind)}
    if content.keys() != expected.keys():
        raise ValueError(f"{name}: expected the fields {', '.join(expected)}")
    for field, types in expected.items():
        entry = content[field]
        if not isinstance(entry, types) or isinstance(entry, bool) or (isinstance(entry, int) and entry < 0):
            raise ValueError(f"{name}.{field}: invalid value")
    return kind(**content)
