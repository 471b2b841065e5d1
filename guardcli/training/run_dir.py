"""The folder of a training run: its manifest, its log and its checkpoints.

::

    RUN/run.json                      the manifest; a run resumes only with the same one
    RUN/curves.svg                    the curves of the log, drawn at each checkpoint
    RUN/log.jsonl                     a line for each step, and one for each evaluation of the held-out examples
    RUN/checkpoints/step-00000100/    an adapter in PEFT's format; the last one also holds the optimizer's state

Every checkpoint stays, so that the best one can be exported.

A checkpoint is written to a hidden folder and then renamed, so it is either complete or not there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from guardcli.errors import InputError, OutputError, setting
from guardcli.files.atomic import atomic_write

OPTIMIZER_FILE = "state.pt"
CURVES_FILE = "curves.svg"
# What a manifest means that was written before these options existed.
_LATER_OPTIONS: dict[str, Any] = {
    "lr_schedule": "constant",
    "warmup_ratio": 0.0,
    "sampler": "by example",
    "verdict_weight": 1.0,
    "ids_weight": 1.0,
    "patience": None,
    "dtype": "auto",
    "init_from": None,
}

_MANIFEST, _LOG, _CHECKPOINTS = "run.json", "log.jsonl", "checkpoints"


@dataclass(frozen=True, slots=True)
class HeldOutScore:
    """The AUPRC of the held-out examples after a step; step 0 is before the first."""

    step: int
    auprc: float


class RunDir:
    """The folder of a run. `step` is the number of steps that its last checkpoint has."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], *, resume: bool) -> None:
        """Create the folder of a run; with `resume`, reopen it if it exists.

        Raises:
            OutputError: the folder holds a run and `resume` is off, or a run with another manifest; or it cannot be
                written.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(json.loads(json.dumps(manifest)), resume=resume)
        except OSError as error:
            raise OutputError(
                f"cannot write {error.filename or folder}: {error.strerror}", code="output/not-written"
            ) from error

    def _open(self, manifest: dict[str, Any], *, resume: bool) -> None:
        file = self.folder / _MANIFEST
        if file.exists():
            if not resume:
                raise OutputError(
                    f"{self.folder} already holds a run: continue it with RunDir.resume, or name another folder",
                    code="output/exists",
                )
            defaults = {name: value for name, value in _LATER_OPTIONS.items() if name in manifest}
            if differences := _differences(defaults | _read_json(file), manifest):
                raise OutputError(f"{self.folder} holds another run; what differs: {differences}", code="run/other-run")
        else:
            with atomic_write(file) as temporary:
                temporary.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        checkpoint = self.last_checkpoint
        self.step = step_of(checkpoint) if checkpoint else 0
        self._truncate_log()

    @property
    def last_checkpoint(self) -> Path | None:
        """The folder of the last checkpoint."""
        return find_last_checkpoint(self.folder)

    @property
    def evaluations(self) -> list[HeldOutScore]:
        """The evaluations so far, in order."""
        return read_evaluations(self.folder)

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append a line to the log.

        Raises:
            OutputError: it cannot be written, for example because the disk is full.
        """
        try:
            with (self.folder / _LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write {self.folder / _LOG}: {error.strerror}", code="output/not-written"
            ) from error

    def save_checkpoint(self, step: int, write: Callable[[Path], None]) -> None:
        """Make a checkpoint of the files that `write` puts into a folder.

        Raises:
            OutputError: it cannot be written.
        """
        checkpoint = _checkpoint_folder(self.folder, step)
        temporary = checkpoint.with_name(f".{checkpoint.name}")
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            write(temporary)
            temporary.rename(checkpoint)
            for optimizer_file in checkpoint.parent.glob(f"step-*/{OPTIMIZER_FILE}"):
                if optimizer_file.parent != checkpoint:
                    optimizer_file.unlink()
        except (OSError, RuntimeError) as error:  # PyTorch raises a RuntimeError when the disk is full
            raise OutputError(
                f"cannot write {checkpoint}: {getattr(error, 'strerror', None) or error}", code="output/not-written"
            ) from error
        self.step = step

    def _truncate_log(self) -> None:
        """Remove the lines after the last checkpoint: those steps will run again."""
        file = self.folder / _LOG
        kept = [entry for entry in read_log(self.folder) if self.step and entry["step"] <= self.step]
        with atomic_write(file) as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), "utf-8")


def find_last_checkpoint(folder: Path) -> Path | None:
    """The folder of the last complete checkpoint of a run, or None."""
    checkpoints = [file.parent for file in folder.glob(f"{_CHECKPOINTS}/step-*/{OPTIMIZER_FILE}")]
    return max(checkpoints, key=step_of, default=None)


def find_best_checkpoint(folder: Path) -> Path | None:
    """The folder of the checkpoint of a run with the highest held-out AUPRC, the first of equals; None if none has one.

    Raises:
        InputError: the log cannot be read.
    """
    checkpoints = [
        (evaluation.auprc, checkpoint)
        for evaluation in read_evaluations(folder)
        if (checkpoint := _checkpoint_folder(folder, evaluation.step)).is_dir()
    ]
    return max(checkpoints, key=lambda pair: pair[0])[1] if checkpoints else None


def resolve_checkpoint(folder: Path, which: Literal["best", "last"] | None = None) -> Path:
    """The folder of a run's best or last checkpoint; None is the best if there is one, else the last.

    A folder that is not a run's is returned as it is: that of a checkpoint, or of any adapter.

    Raises:
        InputError: the best one was asked for and the run has no held-out scores, or its log cannot be read.
    """
    best = None if which == "last" else find_best_checkpoint(folder)
    if best is None and which == "best":
        raise InputError(
            f"{folder} has no checkpoint with a held-out AUPRC: train with "
            f"{setting('TrainingData.from_datasets.held_out')}, or take the last one",
            code="tune/invalid-run",
        )
    return best or find_last_checkpoint(folder) or folder


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The entries of a run's log; empty without a log. The last line is left out if it is not complete.

    Raises:
        InputError: it cannot be read.
    """
    file = folder / _LOG
    if not file.is_file():
        return []
    try:
        lines = [line for line in file.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]
        entries = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", code="tune/invalid-run"
        ) from error
    if not all(isinstance(entry, dict) and isinstance(entry.get("step"), int) for entry in entries):
        raise InputError(f"{file} is not the log of a training run", code="tune/invalid-run")
    return entries


def read_evaluations(folder: Path) -> list[HeldOutScore]:
    """The evaluations of a run, in order. Raises InputError: its log cannot be read."""
    return [HeldOutScore(entry["step"], entry["auprc"]) for entry in read_log(folder) if "auprc" in entry]


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was made: 100 for `step-00000100`."""
    return int(checkpoint.name.removeprefix("step-"))


def run_files(folder: Path) -> list[Path]:
    """The files that a run writes directly into its folder."""
    return [folder / _MANIFEST, folder / _LOG, folder / CURVES_FILE]


def manifest_paths(folder: Path) -> list[Path]:
    """Where `read_manifest` looks, for the folder of a run and for that of a checkpoint."""
    return [parent / _MANIFEST for parent in (folder, folder.parent.parent)]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the run that a folder is, or is a checkpoint of; empty without one.

    Raises:
        InputError: it cannot be read.
    """
    for file in manifest_paths(folder):
        if file.is_file():
            return _read_json(file)
    return {}


def _checkpoint_folder(run: Path, step: int) -> Path:
    return run / _CHECKPOINTS / f"step-{step:08}"


def _read_json(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read: {getattr(error, 'strerror', None) or error}", code="tune/invalid-run"
        ) from error
    if not isinstance(manifest, dict):
        raise InputError(f"{file} does not describe a run", code="tune/invalid-run")
    return manifest


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} (there {before.get(name)!r}, now {now.get(name)!r})" for name in names)
