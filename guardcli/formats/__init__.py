"""Read records from bytes: JSON Lines and arrays, CSV, Parquet and plain text, in the formats of `INPUT_FORMATS`.

>>> import io
>>> records = ReadOptions().read_stream(io.BytesIO(b'{"prompt": "hi"}'), StreamPart("in.jsonl"))
>>> [record.conversation.messages[0].content for record in records]
['hi']

To add a format of records, write a module with `matches` and `parse`, and enter it in `registry.FORMATS`. To add a
format of inputs, write one with `matches` and `iter_frames`, and enter it in `frame_formats.FRAME_FORMATS`.
"""

from guardcli.formats.claims import has_value_at
from guardcli.formats.compiled_options import MAX_RECORD_BYTES
from guardcli.formats.decoding import describe_json_error
from guardcli.formats.errors import RecordError, StreamError
from guardcli.formats.input_stream import StreamPart
from guardcli.formats.parsing import parse, validate_conversation
from guardcli.formats.paths import find_field, get_at_path, parse_path, parse_paths
from guardcli.formats.read_options import INPUT_FORMATS, ReadOptions, load_requests
from guardcli.formats.read_report import ReadReport
from guardcli.formats.remarks import Remark, RemarkCollector, remarks_on
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
    "ReadReport",
    "RecordError",
    "Remark",
    "RemarkCollector",
    "StreamError",
    "StreamPart",
    "TextStatus",
    "describe_json_error",
    "find_field",
    "get_at_path",
    "has_value_at",
    "load_requests",
    "open_source",
    "parse",
    "parse_path",
    "parse_paths",
    "remarks_on",
    "validate_conversation",
]
