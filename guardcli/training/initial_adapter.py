"""The adapter of an earlier run that a training run starts with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import InputError, setting
from guardcli.models.identity import file_digests
from guardcli.training.base_model import BaseModel
from guardcli.training.config import TrainConfig
from guardcli.training.gguf_export import LoraCheckpoint
from guardcli.training.lora_model import ADAPTER_FILE
from guardcli.training.run_dir import read_manifest, resolve_checkpoint


@dataclass(frozen=True, slots=True)
class InitialAdapter:
    """A folder with a LoRA adapter in PEFT's format, and the SHA-256 of its weights.

    `template` is the name of the template that it was trained for, or None where the folder does not say. It may be
    another one than that of the new run: what an adapter knows of texts helps with other questions about them.
    """

    folder: Path
    sha256: str
    template: str | None

    @classmethod
    def from_folder(cls, folder: Path, base: BaseModel, config: TrainConfig) -> InitialAdapter:
        """Take the best checkpoint of a run, or else its last; or a checkpoint, or any LoRA.

        Args:
            base: the weights that the new run trains an adapter for.

        Raises:
            InputError: there is no adapter, or it is for other weights, or of another shape than the new run's.
            TuneError: it is not a plain LoRA.
        """
        checkpoint = LoraCheckpoint.from_folder(resolve_checkpoint(folder))
        manifest = read_manifest(checkpoint.folder)
        if manifest and manifest["base"] != base.fingerprint():
            raise InputError(
                f"{checkpoint.folder} was trained on other weights than the new run",
                code="tune/other-weights",
            )
        if (checkpoint.rank, checkpoint.alpha) != (config.lora_rank, config.lora_alpha):
            raise InputError(
                f"{checkpoint.folder} has another shape: train with "
                f"{setting('TrainConfig.lora_rank', checkpoint.rank)} and "
                f"{setting('TrainConfig.lora_alpha', checkpoint.alpha)}",
                code="tune/invalid-run",
            )
        template = manifest["template"] if manifest else None
        return cls(checkpoint.folder, _sha256(checkpoint.folder / ADAPTER_FILE), template)


def _sha256(file: Path) -> str:
    try:
        return file_digests([file]).whole
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", code="input/unreadable") from error
