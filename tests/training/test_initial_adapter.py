"""The adapter that a run starts with: found in a run or a checkpoint, and refused where it does not fit."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from guardcli.errors import InputError
from guardcli.training.base_model import open_base
from guardcli.training.initial_adapter import InitialAdapter
from guardcli.training.lora_model import ADAPTER_FILE, LoraModel
from guardcli.training.run_dir import RunDir, resolve_checkpoint
from tests import tiny_base
from tests.training.conftest import SETTINGS, TEMPLATE, Bench

pytest.importorskip("torch", reason="tests of training need the extra dev-tune")


@pytest.fixture
def run(trained: RunDir, bench: Bench, tmp_path: Path) -> Path:
    """A copy of the finished run with a manifest as `guard tune train` writes it."""
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    (folder / "run.json").write_text(f'{{"base": "{bench.base.fingerprint()}", "template": "{TEMPLATE}"}}')
    return folder


def test_best_checkpoint_of_a_run_or_any_of_its_checkpoints(run: Path, bench: Bench) -> None:
    checkpoint = run / "checkpoints" / "step-00000008"
    for folder, expected in ((run, resolve_checkpoint(run, "best")), (checkpoint, checkpoint)):
        digest = hashlib.sha256((expected / ADAPTER_FILE).read_bytes()).hexdigest()
        assert InitialAdapter.from_folder(folder, bench.base, SETTINGS) == InitialAdapter(expected, digest, TEMPLATE)


def test_adapter_without_a_run_is_taken(run: Path, bench: Bench, tmp_path: Path) -> None:
    shutil.copytree(run / "checkpoints" / "step-00000008", tmp_path / "adapter")
    adapter = InitialAdapter.from_folder(tmp_path / "adapter", bench.base, SETTINGS)
    assert (adapter.folder, adapter.template) == (tmp_path / "adapter", None)


def test_other_adapters_are_refused(run: Path, bench: Bench, tmp_path: Path) -> None:
    other = open_base(tiny_base.write(tmp_path / "other", norm=2.0))
    with pytest.raises(InputError, match=r"was trained on other weights than the new run"):
        InitialAdapter.from_folder(run, other, SETTINGS)
    with pytest.raises(
        InputError, match=r"has another shape: train with TrainConfig\(lora_rank=4\) and TrainConfig\(lora_alpha=8"
    ):
        InitialAdapter.from_folder(run, bench.base, replace(SETTINGS, lora_rank=8))
    with pytest.raises(InputError, match="holds no LoRA adapter"):
        InitialAdapter.from_folder(tmp_path, bench.base, SETTINGS)


def test_adapter_of_other_matrices_is_refused(run: Path, bench: Bench) -> None:
    """PEFT itself would load what fits, and leave the rest at random."""
    from safetensors.torch import load_file, save_file

    file = run / "checkpoints" / "step-00000008" / ADAPTER_FILE
    tensors = load_file(file)
    save_file({name: tensor for name, tensor in tensors.items() if "k_proj" not in name}, file)
    with pytest.raises(InputError, match="adapts other matrices than this training"):
        LoraModel(bench.base, SETTINGS).load_adapter(file.parent)
    file.write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be read"):
        LoraModel(bench.base, SETTINGS).load_adapter(file.parent)
