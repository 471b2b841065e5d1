"""`guard check --paths`: list the paths of text in the input, how often each occurs, and whether it is judged."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from guardcli.cli import exit_codes, output
from guardcli.conversation import Malformed
from guardcli.errors import as_options
from guardcli.formats import ReadOptions, ReadReport, TextStatus
from guardcli.report.terminal import format_table
from guardcli.text.escaping import escape_terminal, pluralize

_MAX_EXAMPLE_LENGTH = 40  # characters
_MAX_REASONS = 40
_MAX_PATHS = 1000  # an object whose keys are data may have any number


@dataclass(slots=True)
class _Texts:
    """The texts with one path and one status: their number, and the beginning of the first."""

    example: str
    count: int = 0


@dataclass(slots=True)
class _Listing:
    texts: dict[tuple[str, TextStatus], _Texts] = field(default_factory=dict)  # by path and status
    num_unlisted: int = 0

    def add(self, path: str, text: str, status: TextStatus) -> None:
        """Count a text."""
        if (path, status) not in self.texts and len(self.texts) >= _MAX_PATHS:
            self.num_unlisted += 1
            return
        self.texts.setdefault((path, status), _Texts(" ".join(text.split())[:_MAX_EXAMPLE_LENGTH])).count += 1


def list_text(read_options: ReadOptions, sources: Sequence[str], *, examples: bool) -> int:
    """Write the list to stdout, and to stderr the options for text that is not judged.

    Args:
        read_options: How the records are read.
        sources: The names of the inputs.
        examples: Show the beginning of the first text of each path.

    Returns:
        The exit code: 0 if all text is judged or known to be metadata, else 3.
    """
    listing = _Listing()
    num_records = num_unreadable = 0
    reasons: dict[str, str] = {}
    report = ReadReport(list_texts=True)
    for record in read_options.read(sources, report=report):
        for path, text, status in report.take_texts():
            listing.add(path, text, status)
        num_records += 1
        if isinstance(record, Malformed):
            num_unreadable += 1
            if len(reasons) < _MAX_REASONS:
                reasons.setdefault(record.reason.split(":")[0], f"{record.key.location}: {record.reason}")
    if not num_records:
        output.echo_err("guard: nothing to list: the input holds no records")
        return exit_codes.UNJUDGED
    if rows := _rows(listing):
        headings: tuple[str, ...] = ("", "texts", "path", "example")
        if not examples:
            headings, rows = headings[:-1], [row[:-1] for row in rows]
        output.write(format_table(headings, rows, width=output.table_width(), right=(1,)))
    else:
        output.write("plain text: every record is judged whole\n")
    for reason in reasons.values():
        output.echo_err(f"guard: {escape_terminal(as_options(reason))}")
    if listing.num_unlisted:
        output.echo_err(f"guard: {pluralize(listing.num_unlisted, 'text')} more, under other paths")
    open_statuses = (TextStatus.UNREAD, TextStatus.ERROR)
    unjudged = [path for (path, status) in sorted(listing.texts) if status in open_statuses]
    if unjudged:
        paths = ",".join(dict.fromkeys(unjudged))
        output.echo_err("guard: not judged, and nothing says that it is metadata. If all of it is:")
        output.echo_err(f"  --ignore {escape_terminal(shlex.quote(paths))}")
        output.echo_err("or --text-field PATH, for each field that is to be judged as a user's message.")
    return exit_codes.UNJUDGED if unjudged or num_unreadable else exit_codes.OK


def _rows(listing: _Listing) -> list[tuple[str, ...]]:
    """Return the rows of the table: status, number of texts, path, example."""
    by_status = sorted(listing.texts.items(), key=lambda item: (_STATUSES.index(item[0][1]), item[0][0]))
    return [(status.value, f"{texts.count:,}", path, texts.example) for (path, status), texts in by_status]


_STATUSES = (
    TextStatus.ERROR,
    TextStatus.UNREAD,
    TextStatus.JUDGED,
    TextStatus.SKIPPED,
    TextStatus.IGNORED,
    TextStatus.METADATA_BY_PLACE,
    TextStatus.METADATA_BY_FORM,
)
