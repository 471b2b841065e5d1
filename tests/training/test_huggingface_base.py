"""The folder of a base model: what it must have, and the fingerprint of its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from guardcli.errors import ModelError
from guardcli.models.gguf import read_header
from guardcli.training.huggingface_base import HuggingFaceBase


def test_from_folder_reads_the_numbers_of_heads(base: Path) -> None:
    assert HuggingFaceBase.from_folder(base) == HuggingFaceBase(base, num_heads=4, num_kv_heads=2)


def test_fingerprint_is_that_of_the_gguf(base: Path) -> None:
    assert HuggingFaceBase.from_folder(base).fingerprint() == read_header(base.with_suffix(".gguf")).fingerprint


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        HuggingFaceBase.from_folder(folder)
    return str(caught.value)


def test_other_folders_are_rejected(base: Path, tmp_path: Path) -> None:
    assert "is not a folder of Hugging Face weights: config.json: No such file" in refused(tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{")
    assert "is not a folder of Hugging Face weights: config.json: Expecting" in refused(tmp_path)
    config.write_text("[]")
    assert "does not describe a model" in refused(tmp_path)
    config.write_text(json.dumps({"architectures": ["Llama4ForConditionalGeneration"]}))
    assert "is not a Llama (architecture Llama4ForConditionalGeneration)" in refused(tmp_path)
    config.write_text("{}")
    assert "(architecture none)" in refused(tmp_path)
    shutil.copy(base / "config.json", config)
    assert "holds no weights (*.safetensors)" in refused(tmp_path)


def test_damaged_weights_are_an_error(base: Path, tmp_path: Path) -> None:
    shutil.copy(base / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFaceBase.from_folder(tmp_path).load("cpu", "float32")
    with pytest.raises(ModelError, match="cannot be read"):
        HuggingFaceBase.from_folder(tmp_path).fingerprint()
