"""The parts of an audit on a cluster: beside the output, a folder with the rows of each unit and its journal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guardcli.audit import Unit
from guardcli.audit.journal import files_of
from guardcli.distributed.proof import Proof, digest_of
from guardcli.distributed.task import UnitTask
from guardcli.distributed.unit_notes import notes_path
from guardcli.errors import InputError, OutputError

SUFFIX = ".parts"


class PartsFolder:
    """Names the parts of an audit, and says what each of them is made of.

    The manifest of a part has the digest of that of the whole audit, which names all inputs: there may be as many
    parts. It also names the kind of its worker: one of another kind begins the part anew.
    """

    def __init__(self, output: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = output.with_name(output.name + SUFFIX)
        self._audit = digest_of(manifest)

    def create(self) -> None:
        """Create the folder unless it is there. Raises OutputError."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {self.folder}: {error.strerror}", code="output/not-written") from error

    def path(self, number: int) -> Path:
        """The part of a unit, by its index."""
        return self.folder / f"{number:06}.jsonl"

    def identity(self, number: int, start: int) -> dict[str, Any]:
        """What a part holds: a unit of a run from a line on."""
        return {"audit": self._audit, "unit": number, "start": start}

    def task(self, number: int, unit: Unit, start: int, proof: Proof) -> UnitTask:
        """What a worker needs to judge a unit from a line on. Raises InputError: its status is not known."""
        source = unit.source
        if source.status is None:
            raise InputError(f"{source.path} was not hashed in this run", code="input/unreadable")
        return UnitTask(
            number=number,
            unit=replace(unit, source=replace(source, status=None, cuts=())),  # not the cuts of all other units
            start=start,
            modified_ns=source.status.mtime_ns,
            part=str(self.path(number)),
            manifest={**self.identity(number, start), "kind": digest_of(proof.hardware)},
        )

    def remove(self, count: int) -> None:
        """Remove the parts of so many units, and the folder if nothing else is in it."""
        for number in range(count):
            part = self.path(number)
            for file in (*files_of(part), notes_path(part)):
                file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()
