"""A training run on disk: what it is made of, its log, and its checkpoints, from the last of which it is taken up.

::

    RUN/run.json                      what the run is made of; a run is taken up only if all of it is the same
    RUN/log.jsonl                     a line a step, and one for each look at the held-out examples
    RUN/checkpoints/step-00000100/    an adapter as PEFT has it; the last one also holds the optimizer's state

A checkpoint is written aside and renamed: it is whole or not there. It knows no model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from guardcli.errors import InputError, OutputError
from guardcli.files.atomic import replacing

STATE = "state.pt"
_FACTS, _LOG, _CHECKPOINTS = "run.json", "log.jsonl", "checkpoints"


class Run:
    """A folder that holds a run. `step` is how many steps its last checkpoint has."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
        """Begin a run, or with `resume` take one up, or begin it where there is none.

        Raises:
            OutputError: the folder holds another run, or this one and it is not to be taken up; it cannot be written.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._take_up(json.loads(json.dumps(facts)), resume=resume)
        except OSError as error:
            raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from error

    def _take_up(self, facts: dict[str, Any], *, resume: bool) -> None:
        file = self.folder / _FACTS
        if file.exists():
            if not resume:
                raise OutputError(f"{self.folder} holds a run: --resume takes it up, or name another folder with -o")
            if differing := _differing(_read(file), facts):
                raise OutputError(f"{self.folder} holds another run; what differs: {differing}")
        else:
            with replacing(file) as place:
                place.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        checkpoint = last_checkpoint(self.folder)
        self.step = step_of(checkpoint) if checkpoint else 0
        self._cut_log()

    @property
    def checkpoint(self) -> Path | None:
        """The last checkpoint."""
        return last_checkpoint(self.folder)

    def log(self, line: Mapping[str, Any]) -> None:
        """Append to the log. Raises OutputError: the disk is full, for one."""
        try:
            with (self.folder / _LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.folder / _LOG}: {error.strerror}") from error

    def keep(self, step: int, write: Callable[[Path], None]) -> None:
        """Make a checkpoint of what `write` puts into a folder. Raises OutputError."""
        place = self.folder / _CHECKPOINTS / f"step-{step:08}"
        aside = place.with_name(f".{place.name}")
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            write(aside)
            aside.rename(place)
            for older in place.parent.glob(f"step-*/{STATE}"):
                if older.parent != place:
                    older.unlink()
        except (OSError, RuntimeError) as error:  # PyTorch raises a RuntimeError where a disk is full
            raise OutputError(f"cannot write {place}: {getattr(error, 'strerror', None) or error}") from error
        self.step = step

    def _cut_log(self) -> None:
        """Take out of the log what is behind the last checkpoint: it will be done again."""
        file = self.folder / _LOG
        lines = file.read_text("utf-8").splitlines(keepends=True) if file.exists() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.step]
        with replacing(file) as place:
            place.write_text("".join(kept if self.step else []), "utf-8")


def last_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint of a run; None if there is none."""
    found = [path.parent for path in folder.glob(f"{_CHECKPOINTS}/step-*/{STATE}")]
    return max(found, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """After how many steps a checkpoint was made."""
    return int(checkpoint.name.removeprefix("step-"))


def written_files(folder: Path) -> list[Path]:
    """The files of a run that stand in its folder itself."""
    return [folder / _FACTS, folder / _LOG]


def facts_files(folder: Path) -> list[Path]:
    """Where `facts_of` looks."""
    return [place / _FACTS for place in (folder, folder.parent.parent)]


def facts_of(folder: Path) -> dict[str, Any]:
    """What the run is made of to which a folder belongs, itself or one of its checkpoints; empty if there is none."""
    for file in facts_files(folder):
        if file.is_file():
            return _read(file)
    return {}


def _read(file: Path) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(facts, dict):
        raise InputError(f"{file} describes no run")
    return facts


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} (there {before.get(name)!r}, now {now.get(name)!r})" for name in names)
