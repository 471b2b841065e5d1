"""`guard check --paths`: where the input has text, how often, and what happens to it, without a model."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from guardcli.cli import exit_codes, output
from guardcli.cli.inputs import InputOptions
from guardcli.conversation import Malformed
from guardcli.formats import TextStatus
from guardcli.report.terminal import format_table
from guardcli.text.escaping import escape_terminal, pluralize

LONGEST_EXAMPLE = 40  # characters
MOST_PATHS = 1000  # that are listed; an object whose keys are data may have any number


@dataclass(slots=True)
class _Place:
    """How many texts have a path and a status, and one of them."""

    example: str
    count: int = 0


@dataclass(slots=True)
class _Listing:
    places: dict[tuple[str, str], _Place] = field(default_factory=dict)
    more: int = 0

    def add(self, path: str, text: str, status: str) -> None:
        """Count a text."""
        if (path, status) not in self.places and len(self.places) >= MOST_PATHS:
            self.more += 1
            return
        self.places.setdefault((path, status), _Place(" ".join(text.split())[:LONGEST_EXAMPLE])).count += 1


def list_text(input_options: InputOptions, sources: Sequence[str]) -> int:
    """Write the list to stdout, and under it the option that settles what is open. The exit code: 0 if nothing is."""
    listing = _Listing()
    records = unreadable = 0
    reasons: dict[str, str] = {}
    for record in input_options.read(sources, on_text=listing.add):
        records += 1
        if isinstance(record, Malformed):
            unreadable += 1
            if len(reasons) < LONGEST_EXAMPLE:
                reasons.setdefault(record.reason.split(":")[0], f"{record.key.location}: {record.reason}")
    if not records:
        output.echo_err("guard: nothing to list: the input holds no records")
        return exit_codes.UNJUDGED
    if rows := _rows(listing):
        output.write(format_table(("", "texts", "path", "example"), rows, width=output.table_width(), right=(1,)))
    else:
        output.write("plain text: every record is judged whole\n")
    for reason in reasons.values():
        output.echo_err(f"guard: {escape_terminal(reason)}")
    if listing.more:
        output.echo_err(f"guard: {pluralize(listing.more, 'text')} more, under other paths")
    left = [
        path for (path, status) in sorted(listing.places) if status in (TextStatus.UNREAD.value, TextStatus.ERROR.value)
    ]
    if left:
        named = ",".join(dict.fromkeys(left))
        output.echo_err("guard: not judged, and nothing says that it is metadata. If all of it is:")
        output.echo_err(f"  --ignore {escape_terminal(shlex.quote(named))}")
        output.echo_err("or --text-field PATH, for each field that is to be judged as a user's message.")
    return exit_codes.UNJUDGED if left or unreadable else exit_codes.OK


def _rows(listing: _Listing) -> list[tuple[str, str, str, str]]:
    """What happens to texts, how many there are, where, and one of them."""
    places = sorted(listing.places.items(), key=lambda item: (_ORDER.index(item[0][1]), item[0][0]))
    return [(status, f"{place.count:,}", path, place.example) for (path, status), place in places]


_STATUSES = (
    TextStatus.ERROR,
    TextStatus.UNREAD,
    TextStatus.JUDGED,
    TextStatus.SKIPPED,
    TextStatus.IGNORED,
    TextStatus.METADATA_BY_PLACE,
    TextStatus.METADATA_BY_FORM,
)
_ORDER = [status.value for status in _STATUSES]
