"""What a worker notes of a unit beside its part, so that nobody reads the rows again to sum them up.

::

    000000.jsonl            rows
    000000.jsonl.journal
    000000.jsonl.notes      a digest of its second line, which has the summary of the rows, and their digest
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from guardcli.distributed.proof import source_digest
from guardcli.errors import OutputError
from guardcli.formats import Remark
from guardcli.judging.summary import Summary
from guardcli.judging.summary_json import add_json, to_json
from guardcli.judging.writers import jsonl

SUFFIX = ".notes"

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class UnitNotes:
    """The summary of the rows of a unit, as JSON, and the remarks on its records."""

    summary: Mapping[str, Any]
    remarks: tuple[Remark, ...] = ()

    def add_to(self, summary: Summary) -> None:
        """Add the rows to a summary of those before."""
        add_json(summary, self.summary)


def notes_path(part: Path) -> Path:
    """Where the notes on a part are."""
    return part.with_name(part.name + SUFFIX)


def write_notes(part: Path, rows_digest: str, summary: Summary, remarks: list[Remark]) -> None:
    """Write the notes on a part whose rows have a digest. Raises OutputError: the disk is full, for one."""
    content = {
        "guardcli": source_digest(),
        "rows": rows_digest,
        "summary": to_json(summary),
        "remarks": [asdict(remark) for remark in remarks],
    }
    body = jsonl.dumps(content).encode()
    path = notes_path(part)
    try:
        path.write_bytes(_digest(body) + b"\n" + body + b"\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", code="output/not-written") from error


def read_notes(part: Path, rows_digest: str) -> UnitNotes | None:
    """Read the notes on a part whose rows have a digest; None if there are none by this guardcli on these rows."""
    try:
        digest, _, body = notes_path(part).read_bytes().partition(b"\n")
    except OSError:
        return None
    body = body.removesuffix(b"\n")
    if digest != _digest(body):
        return None
    content = json.loads(body)
    if (content["guardcli"], content["rows"]) != (source_digest(), rows_digest):
        return None
    return UnitNotes(content["summary"], tuple(Remark(**remark) for remark in content["remarks"]))


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest().encode()
