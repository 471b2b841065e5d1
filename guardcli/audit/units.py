"""The inputs of a run in units: a function of their bytes and of the size of a unit alone.

::

    a.jsonl   ├── unit 0 ──┼── unit 1 ──┤    records are lines: cut behind the line that reaches the size
    b.json.gz ├───────── unit 2 ────────┤    everything else is one unit a file
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from guardcli.audit.sources import Source
from guardcli.conversation import Conversation, Malformed, Record
from guardcli.files.section import FileSection
from guardcli.formats import ReadOptions, StreamPart, open_source


@dataclass(frozen=True, slots=True)
class Unit:
    """Bytes `begin` to `end` of a source, of which the first is on `first_line`; None as `record_lines`: all of it."""

    source: Source
    begin: int
    end: int
    first_line: int = 1
    record_lines: str | None = None

    @property
    def size(self) -> int:
        return self.end - self.begin

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes. Raises InputError: the source cannot be opened."""
        with open_source(self.source.path) as stream:
            whole = self.record_lines is None
            yield stream if whole else cast(BinaryIO, FileSection(stream, self.begin, self.end))


def split_into_units(sources: Sequence[Source], record_lines: Callable[[BinaryIO], str | None]) -> list[Unit]:
    """The units of all sources, in order. `record_lines` says what the lines of a source hold, if records are lines.

    Raises:
        InputError: a source cannot be opened.
    """
    units = []
    for source in sources:
        if source.cuts:
            with open_source(source.path) as stream:
                lines = record_lines(stream)
            if lines is not None:
                begins = [(0, 1), *source.cuts]
                ends = [offset for offset, _ in begins[1:]] + [source.size]
                units += [
                    Unit(source, begin, end, line, lines) for (begin, line), end in zip(begins, ends, strict=True)
                ]
                continue
        units.append(Unit(source, 0, source.size))
    return units


def read_unit(
    stream: BinaryIO,
    unit: Unit,
    start: int,
    *,
    options: ReadOptions | None = None,
    requests: Mapping[str, Conversation] | None = None,
) -> Iterator[Record | Malformed]:
    """Read the records of an open unit from line `start` of its source on.

    Args:
        requests: the requests of a batch run by `custom_id`; each record is an answer to one of them.
    """
    part = StreamPart(unit.source.path, start, unit.first_line, unit.record_lines)
    return (options or ReadOptions()).read_stream(stream, part, requests=requests)
