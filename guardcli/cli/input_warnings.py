"""Warnings about an input, each once, on stderr: text that is not judged, skipped messages, fields that are missing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence

from guardcli import formats
from guardcli.cli import output
from guardcli.conversation import Malformed, Record
from guardcli.errors import InputError
from guardcli.formats import (
    MORE_PATHS,
    TEXT_AS_KEY,
    UNKNOWN_SPEAKER,
    UNREAD_TEXT,
    Remark,
    find_field,
    has_value_at,
    remarks_on,
)
from guardcli.text.escaping import escape_terminal

_MAX_PATHS = 10  # paths of unread text that are named; `guard check --paths` lists all


class InputWarnings:
    """Warns of what a user should know of the records that pass through `watch`.

    Args:
        as_user: The roles of `--as-user`, whose messages are judged.
        keep: The fields of `--keep`, which some record should have.
        text_fields: The fields of `--text-field`, which some record should have.
    """

    def __init__(
        self, as_user: Collection[str] = (), *, keep: Sequence[str] = (), text_fields: Sequence[str] = ()
    ) -> None:
        self._warned: set[str] = set(as_user)
        self._unread_paths: set[str] = set()
        self._num_records = 0
        self._missing_keep = set(keep)
        self._missing_text_fields = {text: path for text in text_fields for path in formats.parse_paths(text)}

    def watch(self, records: Iterable[Record | Malformed]) -> Iterator[Record | Malformed]:
        """Yield the records unchanged, and warn of each before it is yielded."""
        for record in records:
            self._num_records += 1
            if self._missing_keep:
                self._missing_keep = {
                    name for name in self._missing_keep if not any(True for _ in find_field(record.fields, name))
                }
            if self._missing_text_fields:
                self._missing_text_fields = {
                    text: path
                    for text, path in self._missing_text_fields.items()
                    if not has_value_at(dict(record.fields), path)
                }
            for remark in remarks_on(record):
                self.show(remark)
            yield record

    def show(self, remark: Remark) -> None:
        """Show a remark, unless one like it was shown before."""
        if remark.topic == UNREAD_TEXT:
            self._warn_of_unread_text(remark.name, remark.location)
        elif remark.topic == "operator_messages":
            role = remark.name
            self._warn(
                role,
                remark.location,
                f"{role} messages before the first turn are the operator's: they are counted in `skipped`, and not "
                f"judged; --as-user {role} judges them",
            )
        else:
            self._warn(
                UNKNOWN_SPEAKER,
                remark.location,
                "a line begins with a name that is no known speaker; it was read as part of the message before it "
                f"(flag {UNKNOWN_SPEAKER})",
            )

    def report_missing_fields(self) -> bool:
        """Name the fields of options that no record had, and return whether there are any."""
        if not self._num_records:
            return False
        for option, names in (("--keep", self._missing_keep), ("--text-field", self._missing_text_fields)):
            for name in sorted(names):
                message = f"{option} {shlex.quote(name)}: no record has such a field"
                output.echo_error(InputError(message, code="option/field-not-found"))
        return bool(self._missing_keep or self._missing_text_fields)

    def _warn_of_unread_text(self, path: str, location: str) -> None:
        if path in self._unread_paths or len(self._unread_paths) > _MAX_PATHS:
            return
        self._unread_paths.add(path)
        if len(self._unread_paths) > _MAX_PATHS or path == MORE_PATHS:
            output.echo_err("guard: there is more text that is not judged: guard check --paths FILES lists all of it")
            return
        option = escape_terminal(shlex.quote(path))
        text_field = "" if path.endswith(TEXT_AS_KEY) else f", --text-field {option} judges it"
        output.echo_err(
            f"guard: {escape_terminal(location)}: the text under {escape_terminal(path)} is not judged: "
            f"--ignore {option} calls it metadata{text_field}"
        )

    def _warn(self, topic: str, location: str, message: str) -> None:
        if topic in self._warned:
            return
        self._warned.add(topic)
        output.echo_err(f"guard: {escape_terminal(location)}: {message}")
