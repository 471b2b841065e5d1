"""Trains a LoRA adapter for a Llama Guard: augmentation, tokenization, the training loop, and the export as a GGUF.

PyTorch, PEFT and the other libraries of the extra `tune` are imported only when they are used.
"""

from __future__ import annotations

from guardcli.training.base_model import BaseModel, open_base
from guardcli.training.config import LR_SCHEDULES, TRAIN_DTYPES, TrainConfig
from guardcli.training.dataset import TokenizedDataset
from guardcli.training.dependencies import check_installed
from guardcli.training.gguf_export import DTYPES, DType, LoraCheckpoint, export_gguf
from guardcli.training.initial_adapter import InitialAdapter
from guardcli.training.loop import TrainingData, TrainProgress, fine_tune, training_manifest
from guardcli.training.lora_model import LoraModel
from guardcli.training.prefix_groups import TokenCounts
from guardcli.training.run_dir import (
    CURVES_FILE,
    HeldOutScore,
    RunDir,
    manifest_paths,
    read_evaluations,
    read_log,
    read_manifest,
    resolve_checkpoint,
    run_files,
    step_of,
)
from guardcli.training.tokenizer import TokenizedExample, Tokenizer

__all__ = [
    "CURVES_FILE",
    "DTYPES",
    "LR_SCHEDULES",
    "TRAIN_DTYPES",
    "BaseModel",
    "DType",
    "HeldOutScore",
    "InitialAdapter",
    "LoraCheckpoint",
    "LoraModel",
    "RunDir",
    "TokenCounts",
    "TokenizedDataset",
    "TokenizedExample",
    "Tokenizer",
    "TrainConfig",
    "TrainProgress",
    "TrainingData",
    "check_installed",
    "export_gguf",
    "fine_tune",
    "manifest_paths",
    "open_base",
    "read_evaluations",
    "read_log",
    "read_manifest",
    "resolve_checkpoint",
    "run_files",
    "step_of",
    "training_manifest",
]
