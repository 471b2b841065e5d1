"""Parquet files, such as those of LMSYS-Chat and WildChat. Each row is read as the JSON object of a JSON Lines export.

pyarrow is imported only when there is such a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from guardcli.formats import magic
from guardcli.formats.errors import RecordError, StreamError, too_long_message
from guardcli.formats.frames import Frame
from guardcli.formats.input_stream import InputStream

_ROWS = 64  # read at a time
_INSTALL = "this is Parquet: run pip install pyarrow to read it, or export it as JSON Lines"


def matches(stream: InputStream) -> bool:
    """Return whether a file is Parquet, by its first and last bytes. Pipes never are: Parquet is read from its end."""
    if not stream.is_file:
        return False
    file = stream.stream
    try:
        place = file.tell()
        head = file.read(len(magic.PARQUET))
        tail = b""
        if head == magic.PARQUET:
            file.seek(-len(head), os.SEEK_END)
            tail = file.read()
        file.seek(place)
    except (OSError, AttributeError):
        return False
    return tail == magic.PARQUET


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield each row from row `stream.start` on; its number is its line, and the first is 1."""
    limit = stream.reader.limit
    last = stream.start - 1
    try:
        for last, row in _iter_rows(stream.stream, stream.start):
            text = json.dumps(row, ensure_ascii=False, default=_as_text)
            raw = text.encode("utf-8", "backslashreplace") + b"\n"
            is_long = len(raw) > limit
            yield Frame(
                last,
                RecordError(too_long_message("the row", limit), code="record/too-long")
                if is_long
                else json.loads(text),
                raw,
            )
    except StreamError as error:
        yield Frame(last + 1, RecordError(error.reason, code=error.code))


def _iter_rows(file: BinaryIO, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the values of each row, beginning with row `start`.

    Raises:
        StreamError: The file cannot be read, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise StreamError(_INSTALL, code="system/library-missing") from error
    try:
        table = parquet.ParquetFile(file)
        names = table.schema_arrow.names
        if len(set(names)) < len(names):
            raise StreamError(
                "two columns have the same name, so one of them would not be read: rename one",
                code="input/invalid-header",
            )
        number = 0
        for group in range(table.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            if number + rows < start:
                number += rows
                continue
            for batch in table.iter_batches(batch_size=_ROWS, row_groups=[group]):
                for row in batch.to_pylist():
                    number += 1
                    if number >= start:
                        yield number, row
    except (
        pyarrow.ArrowException,
        OSError,
        ValueError,
        OverflowError,
    ) as error:  # of times that Python cannot represent
        raise StreamError(f"the Parquet data cannot be read any further: {error}", code="input/damaged") from error


def _as_text(value: Any) -> str:
    """Convert values that JSON has no form for: bytes to text, times to ISO 8601, everything else with `str`."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    iso = getattr(value, "isoformat", None)
    return str(iso() if iso is not None else value)
