"""The options of reading, parsed: what `ReadOptions.compile` makes of texts, once a run."""

from __future__ import annotations

from dataclasses import dataclass

from guardcli.formats.paths import NamePaths, Step

MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledOptions:
    """How inputs are read.

    Attributes:
        frame_format: the name in `FRAME_FORMATS` of how the input is cut into records; detected if None.
        record_format: the name in `FORMATS` of the only format of a record to accept; None accepts all.
        messages_path: where in a JSON value the conversation is.
        max_record_bytes: a longer record is malformed.
        ignored: paths of metadata, with everything below them.
        text_fields: paths of text to judge in addition.
    """

    frame_format: str | None = None
    record_format: str | None = None
    messages_path: tuple[Step, ...] = ()
    max_record_bytes: int = MAX_RECORD_BYTES
    ignored: NamePaths = frozenset()
    text_fields: tuple[tuple[str, ...], ...] = ()
