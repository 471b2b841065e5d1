"""What is learned about the inputs while they are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from guardcli.formats.unread_text import TextStatus


@dataclass(slots=True)
class ReadReport:
    """What was detected in the inputs so far; look at it after any record, or at the end.

    Attributes:
        list_texts: whether to list every text of the JSON records.
        formats: each detected format, as (source, name), in the order of detection.
        notes: sentences that the user should see, as (source, note).
        texts: the path, the text and the status of each text, if they are listed. Take them now and then.
        source: the input that is being read.
    """

    list_texts: bool = False
    formats: dict[tuple[str, str], None] = field(default_factory=dict, init=False)
    notes: list[tuple[str, str]] = field(default_factory=list, init=False)
    source: str = field(default="", init=False)
    texts: list[tuple[str, str, TextStatus]] = field(default_factory=list, init=False)

    def add_format(self, name: str) -> None:
        """Note that a format was detected in the current input."""
        self.formats[self.source, name] = None

    def take_texts(self) -> list[tuple[str, str, TextStatus]]:
        """Return the texts since the last call."""
        texts, self.texts = self.texts, []
        return texts
