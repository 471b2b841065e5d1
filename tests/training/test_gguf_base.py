"""A GGUF as the base of a training run: the weights of llama.cpp, in Hugging Face's order."""

from __future__ import annotations

import ctypes
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import pytest

from guardcli.errors import ModelError
from guardcli.models import Adapter
from guardcli.training.base_model import open_base
from guardcli.training.dataset import TokenizedDataset
from guardcli.training.gguf_base import GgufBase
from guardcli.training.gguf_export import LoraCheckpoint, export_gguf
from guardcli.training.huggingface_base import HuggingFaceBase
from guardcli.training.loop import TrainingData, fine_tune
from guardcli.training.lora_model import LoraModel
from guardcli.training.run_dir import RunDir
from guardcli.training.tensor_names import to_gguf_order, to_hugging_face_order
from guardcli.training.tokenizer import TokenizedExample
from tests import tiny
from tests.tiny_base import KV_HEADS, torch
from tests.training.conftest import SETTINGS, Bench
from tests.training.test_gguf_export import LOGITS, in_llama_cpp, in_torch


def test_a_file_has_the_weights_of_the_folder_that_it_was_made_of(base: Path) -> None:
    of_folder, of_file = (
        open_base(path).load("cpu", "float32").state_dict() for path in (base, base.with_suffix(".gguf"))
    )
    assert of_folder.keys() == of_file.keys()
    for name, values in of_folder.items():
        assert torch.equal(values, of_file[name]), name


def test_a_file_and_its_folder_are_one_base(base: Path) -> None:
    folder, file = open_base(base), open_base(base.with_suffix(".gguf"))
    assert (type(folder), type(file)) == (HuggingFaceBase, GgufBase)
    assert (file.num_heads, file.num_kv_heads) == (folder.num_heads, folder.num_kv_heads) == (4, KV_HEADS)
    assert file.fingerprint() == folder.fingerprint()


def test_a_file_tokenizes_as_its_folder(bench: Bench, base: Path, files: tuple[Path, Path]) -> None:
    tokenizer = open_base(base.with_suffix(".gguf")).tokenizer()
    assert TokenizedDataset.from_file(files[0], tokenizer, max_length=4096).examples == bench.data.train


def test_orders_are_inverse_to_each_other() -> None:
    weight = np.arange(24).reshape(8, 3)
    assert to_gguf_order(weight, 2)[:, 0].tolist() == [0, 6, 3, 9, 12, 18, 15, 21]
    assert (to_hugging_face_order(to_gguf_order(weight, 2), 2) == weight).all()


@pytest.mark.parametrize("file_type", [1, 2, 3, 7, 9], ids=["F16", "Q4_0", "Q4_1", "Q8_0", "Q5_1"])
def test_quantized_weights_are_those_that_llama_cpp_reads(base: Path, tmp_path: Path, file_type: int) -> None:
    quantized = quantize(base.with_suffix(".gguf"), tmp_path / "quantized.gguf", file_type)
    dequantized = quantize(quantized, tmp_path / "dequantized.gguf", 0)
    here, there = (GgufBase.from_file(path).load("cpu", "float32").state_dict() for path in (quantized, dequantized))
    for name, values in there.items():
        assert torch.equal(values, here[name]), name
    original = GgufBase.from_file(base.with_suffix(".gguf")).load("cpu", "float32").state_dict()
    assert not torch.equal(original["lm_head.weight"], here["lm_head.weight"])


def quantize(source: Path, target: Path, file_type: int) -> Path:
    """Let llama.cpp write a GGUF of another type (0 is F32)."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.nthread = file_type, True, 1
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) == 0
    return target


def test_factors_of_rotary_frequencies_are_applied(bench: Bench, base: Path, tmp_path: Path) -> None:
    tensors = gguf.GGUFReader(base.with_suffix(".gguf")).tensors
    weights = {tensor.name: tensor.data for tensor in tensors} | {"rope_freqs.weight": np.array([1.0, 2, 4, 8])}
    file = tiny.write(tmp_path / "scaled.gguf", made=weights, name="Llama Guard 3 (scaled)")
    prompts = list(bench.data.held_out)
    there, here = in_llama_cpp(base, prompts, model=file), in_torch(bench, prompts, base=GgufBase.from_file(file))
    assert np.abs(there - here).max() < LOGITS
    assert np.abs(here - in_torch(bench, prompts)).max() > 100 * LOGITS  # they matter


def test_an_adapter_trained_on_a_file_has_the_same_effect_there(bench: Bench, base: Path, tmp_path: Path) -> None:
    file = GgufBase.from_file(base.with_suffix(".gguf"))
    run = RunDir(tmp_path / "run", {}, resume=False)
    data = TrainingData(bench.data.train, bench.data.held_out, bench.data.verdict_ids)
    for _ in fine_tune(LoraModel(file, SETTINGS), data, run, SETTINGS):
        pass
    assert run.last_checkpoint is not None
    adapter = tmp_path / "adapter.gguf"
    export_gguf(LoraCheckpoint.from_folder(run.last_checkpoint), file, adapter, template="llama-guard-3-8b")
    prompts: list[TokenizedExample] = list(bench.data.held_out)
    there = in_llama_cpp(base, prompts, Adapter(adapter))
    assert np.abs(there - in_torch(bench, prompts, run.last_checkpoint)).max() < LOGITS


def refused(path: Path) -> tuple[str, str]:
    with pytest.raises(ModelError) as caught:
        GgufBase.from_file(path)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_file_with_other_tensors_is_refused_by_an_error_of_its_own(
    base: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file = GgufBase.from_file(base.with_suffix(".gguf"))
    tensors = file._read_tensors()
    if change == "missing":
        del tensors["token_embd.weight"]
    else:
        tensors["blk.0.attn_q.bias"] = tensors["output_norm.weight"]
    monkeypatch.setattr(GgufBase, "_read_tensors", lambda _: tensors)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        file.load("cpu", "float32")
    assert caught.value.code == "model/not-loaded"


def test_files_that_cannot_be_trained_are_refused(base: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "none.gguf")[0] == "model/unreadable"
    assert refused(tiny.write_adapter(tmp_path / "adapter.gguf"))[0] == "model/adapter-mismatch"
    part = tmp_path / "x-00001-of-00002.gguf"
    part.write_bytes(base.with_suffix(".gguf").read_bytes())
    code, message = refused(part)
    assert code == "model/unsupported"
    assert "llama-gguf-split" in message
