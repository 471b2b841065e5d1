"""Parquet files, such as those of LMSYS-Chat and WildChat. Each row is read as the JSON object of a JSON Lines export.

pyarrow is imported only when there is such a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from guardcli.conversation import Json
from guardcli.formats import magic
from guardcli.formats.errors import StreamError

_ROWS = 64  # read at a time
_INSTALL = "this is Parquet: install what reads it with pip install pyarrow, or export it as JSON Lines"


def is_parquet(stream: BinaryIO) -> bool:
    """Return whether a file is Parquet, by its first and last bytes. Pipes never are: Parquet is read from its end."""
    try:
        if not stream.seekable():
            return False
        place = stream.tell()
        head = stream.read(len(magic.PARQUET))
        tail = b""
        if head == magic.PARQUET:
            stream.seek(-len(head), os.SEEK_END)
            tail = stream.read()
        stream.seek(place)
    except (OSError, AttributeError):
        return False
    return tail == magic.PARQUET


def iter_rows(stream: BinaryIO, start: int = 1) -> Iterator[tuple[int, Json, bytes]]:
    """Yield the number, the value and the JSON bytes of each row, beginning with row `start`; the first row is 1.

    Raises:
        StreamError: The file cannot be read, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise StreamError(_INSTALL) from error
    try:
        file = parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise StreamError("two columns have one name, and one of them would not be read: rename it")
        number = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if number + rows < start:
                number += rows
                continue
            for batch in file.iter_batches(batch_size=_ROWS, row_groups=[group]):
                for value in batch.to_pylist():
                    number += 1
                    if number >= start:
                        yield _to_row(number, value)
    except (
        pyarrow.ArrowException,
        OSError,
        ValueError,
        OverflowError,
    ) as error:  # for times that Python cannot represent
        raise StreamError(f"the Parquet data cannot be read any further: {error}") from error


def _to_row(number: int, value: dict[str, Any]) -> tuple[int, Json, bytes]:
    raw = json.dumps(value, ensure_ascii=False, default=_as_text)
    return number, json.loads(raw), raw.encode("utf-8", "backslashreplace") + b"\n"


def _as_text(value: Any) -> str:
    """Convert values that JSON has no form for: bytes to text, times to ISO 8601, everything else with `str`."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    iso = getattr(value, "isoformat", None)
    return str(iso() if iso is not None else value)
