"""Read records from bytes: JSON Lines and arrays, CSV, Parquet and plain text, in the formats of `INPUT_FORMATS`.

>>> import io
>>> [record.conversation.messages[0].content for record in read(io.BytesIO(b'{"prompt": "hi"}'), "in.jsonl")]
['hi']

To add a JSON format, write a module with `matches` and `parse`, and enter it in `registry.FORMATS`.
"""

from guardcli.formats.claims import has_value_at
from guardcli.formats.errors import RecordError, StreamError
from guardcli.formats.parsing import parse, validate_conversation
from guardcli.formats.paths import find_field, get_at_path, parse_path, parse_paths
from guardcli.formats.read_options import MAX_RECORD_BYTES, ReadOptions, load_requests
from guardcli.formats.reading import INPUT_FORMATS, RecordLines, find_record_lines, read
from guardcli.formats.source import open_source
from guardcli.formats.transcript import UNKNOWN_SPEAKER
from guardcli.formats.unread_text import MORE_PATHS, TEXT_AS_KEY, UNREAD_TEXT, TextStatus

__all__ = [
    "INPUT_FORMATS",
    "MAX_RECORD_BYTES",
    "MORE_PATHS",
    "TEXT_AS_KEY",
    "UNKNOWN_SPEAKER",
    "UNREAD_TEXT",
    "ReadOptions",
    "RecordError",
    "RecordLines",
    "StreamError",
    "TextStatus",
    "find_field",
    "find_record_lines",
    "get_at_path",
    "has_value_at",
    "load_requests",
    "open_source",
    "parse",
    "parse_path",
    "parse_paths",
    "read",
    "validate_conversation",
]
