"""An exported adapter has the same effect in llama.cpp as in PyTorch, by the logits of the whole vocabulary."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from guardcli.engine import EngineConfig, LogitCoroutine, LogitQuery, RequestStep, open_engine
from guardcli.errors import InputError, ModelError, OutputError, TuneError
from guardcli.models import Adapter, Model
from guardcli.models.adapter import FINGERPRINT, TEMPLATE
from guardcli.models.gguf import read_header
from guardcli.training.base_model import BaseModel
from guardcli.training.gguf_export import LoraCheckpoint, export_gguf
from guardcli.training.lora_model import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from guardcli.training.run_dir import RunDir
from guardcli.training.tensor_names import to_gguf_order
from guardcli.training.tokenizer import TokenizedExample
from tests import tiny_base
from tests.tiny_base import safetensors, torch
from tests.training.conftest import Bench

peft = pytest.importorskip("peft")

# The largest differences seen over all logits and all prompts of a tiny model in F32, whose cache llama.cpp keeps in
# F16: 0.0035 without an adapter, 0.0024 with it, 0.0033 in what it changes, which is up to 50; of the log-odds of the
# verdict, which it changes by up to 4.7, 0.0009.
LOGITS, ODDS = 0.02, 0.005


@pytest.fixture(scope="module")
def checkpoint(trained: RunDir) -> Path:
    assert trained.last_checkpoint is not None
    return trained.last_checkpoint


@pytest.fixture(scope="module")
def gguf(checkpoint: Path, bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "adapter.gguf"
    assert export_gguf(LoraCheckpoint.from_folder(checkpoint), bench.base, path, template="llama-guard-3-8b") == 14
    return path


def in_llama_cpp(
    base: Path, prompts: list[TokenizedExample], *adapters: Adapter, model: Path | None = None
) -> np.ndarray:
    """Logits where the verdict comes next: prompts, vocabulary. `model` is the GGUF of the base if left out."""

    def ask(prompt: TokenizedExample, vocabulary: int) -> LogitCoroutine[tuple[float, ...]]:
        (logits,) = yield RequestStep(
            np.array(prompt.tokens[: prompt.verdict_index], dtype=np.int32),
            (LogitQuery(prompt.verdict_index - 1, tuple(range(vocabulary))),),
            prefix_len=1,
        )
        return logits.values

    with Model.load(model or base.with_suffix(".gguf"), adapters=adapters) as loaded:
        vocabulary = json.loads((base / "config.json").read_text())["vocab_size"]
        engine = open_engine(loaded.llama, EngineConfig(threads=1))
        logits_of_prompts = [
            logits for _, (logits,) in engine.run((None, [ask(prompt, vocabulary)]) for prompt in prompts)
        ]
        engine.close()
    return np.array(logits_of_prompts)


def in_torch(
    bench: Bench, prompts: list[TokenizedExample], checkpoint: Path | None = None, *, base: BaseModel | None = None
) -> np.ndarray:
    """The same by the library that trained it."""
    model = (base or bench.base).load("cpu", "float32")
    if checkpoint is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = peft.PeftModel.from_pretrained(model, str(checkpoint))
    with torch.no_grad():
        logits_of_prompts = [
            model(torch.tensor([list(prompt.tokens[: prompt.verdict_index])])).logits[0, -1].numpy()
            for prompt in prompts
        ]
    return np.array(logits_of_prompts)


def test_adapter_has_the_same_effect_in_llama_cpp_as_in_torch(
    bench: Bench, base: Path, checkpoint: Path, gguf: Path
) -> None:
    prompts = [*bench.data.train, *bench.data.held_out]
    before, after = in_torch(bench, prompts), in_torch(bench, prompts, checkpoint)
    before_there, after_there = in_llama_cpp(base, prompts), in_llama_cpp(base, prompts, Adapter(gguf))
    assert np.abs(before_there - before).max() < LOGITS
    assert np.abs(after_there - after).max() < LOGITS
    change, change_there = after - before, after_there - before_there
    assert np.abs(change_there - change).max() < LOGITS
    assert np.abs(change).max() > 1000 * LOGITS
    safe, unsafe = bench.data.verdict_ids
    odds, odds_there = (logits[:, unsafe] - logits[:, safe] for logits in (change, change_there))
    assert np.abs(odds_there - odds).max() < ODDS
    assert np.abs(odds).max() > 100 * ODDS


def test_scale_of_one_half_halves_the_adapter(
    bench: Bench, base: Path, checkpoint: Path, gguf: Path, tmp_path: Path
) -> None:
    prompts = list(bench.data.held_out)
    halved = tmp_path / "halved"
    shutil.copytree(checkpoint, halved)
    config = json.loads((halved / ADAPTER_CONFIG_FILE).read_text())
    (halved / ADAPTER_CONFIG_FILE).write_text(json.dumps(config | {"lora_alpha": config["lora_alpha"] / 2}))
    there = in_llama_cpp(base, prompts, Adapter(gguf, 0.5))
    assert np.abs(there - in_torch(bench, prompts, halved)).max() < LOGITS


def with_large_attention(checkpoint: Path, folder: Path, *, unpermuted: bool = False) -> Path:
    """An adapter that changes queries and keys by much, and nothing else; perhaps with its rows in the wrong order."""
    shutil.copytree(checkpoint, folder)
    tensors = safetensors.load_file(folder / ADAPTER_FILE)
    generator = torch.Generator().manual_seed(0)
    for name in [name for name in sorted(tensors) if "lora_B" in name]:
        heads = {"q_proj": 4, "k_proj": 2}.get(name.split(".")[-3])
        tensors[name] = torch.randn(tensors[name].shape, generator=generator) * (0.3 if heads else 0.0)
        if heads and unpermuted:
            tensors[name] = to_gguf_order(tensors[name], heads).contiguous()
    safetensors.save_file(tensors, folder / ADAPTER_FILE)
    return folder


def test_queries_and_keys_are_permuted(bench: Bench, base: Path, checkpoint: Path, tmp_path: Path) -> None:
    """Within the tolerance only if their rows are in llama.cpp's order."""
    right, wrong = (
        with_large_attention(checkpoint, tmp_path / "a"),
        with_large_attention(checkpoint, tmp_path / "b", unpermuted=True),
    )
    prompts = list(bench.data.held_out)
    export_gguf(LoraCheckpoint.from_folder(right), bench.base, tmp_path / "out.gguf", template=None)
    there = in_llama_cpp(base, prompts, Adapter(tmp_path / "out.gguf"))
    assert np.abs(there - in_torch(bench, prompts, right)).max() < LOGITS
    assert np.abs(there - in_torch(bench, prompts, wrong)).max() > 10 * LOGITS


def test_float16_halves_the_file_and_changes_little(
    bench: Bench, base: Path, checkpoint: Path, gguf: Path, tmp_path: Path
) -> None:
    half, loaded = tmp_path / "half.gguf", LoraCheckpoint.from_folder(checkpoint)
    export_gguf(loaded, bench.base, half, template="llama-guard-3-8b", dtype="float16")
    prompts = list(bench.data.held_out)
    there, expected = in_llama_cpp(base, prompts, Adapter(half)), in_torch(bench, prompts, checkpoint)
    assert 0 < np.abs(there - expected).max() < 5 * LOGITS
    tensors, tensors_of_half = (GGUFReader(path).tensors for path in (gguf, half))
    assert [2 * tensor.n_bytes for tensor in tensors_of_half] == [tensor.n_bytes for tensor in tensors]


def test_metadata(bench: Bench, base: Path, gguf: Path) -> None:
    header = read_header(gguf)
    told = {key: value for key, value in header.metadata.items() if not key.startswith("GGUF.")}
    assert told == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
        "general.base_model.count": 1,
        "general.base_model.0.name": "tiny-guard",
        FINGERPRINT: bench.base.fingerprint(),
        TEMPLATE: "llama-guard-3-8b",
    }
    assert header.n_tensors == 28


def test_export_is_deterministic(bench: Bench, checkpoint: Path, gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "adapter.gguf"
    export_gguf(LoraCheckpoint.from_folder(checkpoint), bench.base, path, template="llama-guard-3-8b")
    assert path.read_bytes() == gguf.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["adapter.gguf"]


def edited(checkpoint: Path, folder: Path, **config: object) -> Path:
    shutil.copytree(checkpoint, folder)
    before = json.loads((folder / ADAPTER_CONFIG_FILE).read_text())
    (folder / ADAPTER_CONFIG_FILE).write_text(json.dumps(before | config))
    return folder


def test_rank_stabilized_lora_scales_by_the_root_of_the_rank(checkpoint: Path, tmp_path: Path) -> None:
    assert LoraCheckpoint.from_folder(edited(checkpoint, tmp_path / "a", use_rslora=True)).alpha == 8.0 * 2.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_dora": True}, "uses use_dora, which a GGUF cannot hold: only plain LoRA can be exported"),
        ({"rank_pattern": {"q_proj": 2}}, "uses rank_pattern"),
        ({"peft_type": "IA3"}, "is an adapter of the type IA3: only LoRA can be exported"),
    ],
)
def test_other_adapters_are_rejected(checkpoint: Path, tmp_path: Path, config: dict[str, object], message: str) -> None:
    with pytest.raises(TuneError, match=message):
        LoraCheckpoint.from_folder(edited(checkpoint, tmp_path / "a", **config))


def test_damaged_adapters_are_rejected(checkpoint: Path, bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no LoRA adapter: adapter_config\.json: No such file"):
        LoraCheckpoint.from_folder(tmp_path)
    with pytest.raises(InputError, match="too large to convert to float"):
        LoraCheckpoint.from_folder(edited(checkpoint, tmp_path / "large", lora_alpha=10**400))
    folder = edited(checkpoint, tmp_path / "a")
    (folder / ADAPTER_FILE).unlink()
    with pytest.raises(InputError, match=f"{ADAPTER_FILE} cannot be read"):
        export_gguf(LoraCheckpoint.from_folder(folder), bench.base, tmp_path / "out.gguf", template=None)
    safetensors.save_file({"base_model.model.lm_head.lora_A.weight": torch.zeros(2, 2)}, folder / ADAPTER_FILE)
    with pytest.raises(InputError, match=r"lm_head\.lora_A\.weight is not part of a Llama that llama\.cpp can adapt"):
        export_gguf(LoraCheckpoint.from_folder(folder), bench.base, tmp_path / "out.gguf", template=None)
    assert not (tmp_path / "out.gguf").exists()


def test_path_that_cannot_be_written(checkpoint: Path, bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*: No such file or directory"):
        export_gguf(LoraCheckpoint.from_folder(checkpoint), bench.base, tmp_path / "none" / "out.gguf", template=None)


def test_adapter_is_rejected_by_another_base(gguf: Path, tmp_path: Path) -> None:
    other = tiny_base.write(tmp_path / "other", seed=1, norm=1.5).with_suffix(".gguf")
    with pytest.raises(ModelError, match=r"was trained for another model than .*: its weights are"):
        Model.load(other, adapters=[Adapter(gguf)])
