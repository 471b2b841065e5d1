"""Plain text: every line that is not blank is one user message."""

from __future__ import annotations

from collections.abc import Iterator

from guardcli.conversation import Conversation, Message
from guardcli.formats import decoding
from guardcli.formats.errors import RecordError, too_long_message
from guardcli.formats.frames import Body, Frame
from guardcli.formats.input_stream import InputStream
from guardcli.formats.json_sniffing import plain_text_problem
from guardcli.formats.line_reader import append_blank, strip_marks


def matches(stream: InputStream) -> bool:
    """Return true: any text can be read as lines."""
    return True


def iter_frames(stream: InputStream) -> Iterator[Frame]:
    """Yield a conversation for each line that is not blank.

    Where the format was detected, a line that looks like a JSON record is malformed: it is likely to be one, and must
    not pass as harmless text.
    """
    format_given = stream.format_given
    blank = b""
    for line in stream.reader.iter_lines():
        number, content, raw, whole = line
        content = strip_marks(content)
        if whole and (not content or content.isspace()):
            blank = append_blank(blank, raw)
            continue
        body: Body
        try:
            if not whole:
                raise RecordError(too_long_message("the line", stream.reader.limit), code="record/too-long")
            message = Message("user", decoding.decode_text(content, number))
            if not format_given and (problem := plain_text_problem(content)):
                raise RecordError(problem, code="record/looks-like-json")
            body = Conversation((message,))
        except RecordError as error:
            body = error
        yield Frame(number, body, raw, blank)
        blank = b""
