"""What a model's files say of it, and that it is what llama.cpp and loading say, too."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from guardcli.errors import ModelError
from guardcli.models import Model
from guardcli.models.identity import parts_of
from guardcli.models.llama import LlamaModel, Offload
from guardcli.models.memory import WeightSizes, estimate_memory, kv_bytes_by_layer
from guardcli.models.model_info import FILE_TYPES, ModelInfo, examine
from guardcli.prompts import TEMPLATES
from guardcli.report.model_report import format_model_info
from tests import tiny
from tests.models.test_gguf import F32, STRING, file, pair, tensor, text, u32

CHAT_TEMPLATE = "<BEGIN UNSAFE CONTENT CATEGORIES> <|start_header_id|>"
MARKS = {name: " ".join(template.chat_template_marks) for name, template in TEMPLATES.items()}


@pytest.fixture(scope="module")
def guard_info(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    path = tmp_path_factory.mktemp("info") / "tiny.gguf"
    return examine(tiny.write(path, name="tiny", answers=True, chat_template=CHAT_TEMPLATE))


def test_what_the_header_says(guard_info: ModelInfo) -> None:
    assert (guard_info.family, guard_info.recognized_by) == ("llama-guard-3-8b", "its chat template")
    assert (guard_info.name, guard_info.architecture, guard_info.quantization) == ("tiny", "llama", "F32")
    assert (guard_info.n_layers, guard_info.n_ctx_train) == (2, 4096)
    assert (guard_info.tokenizer, guard_info.pretokenizer) == ("gpt2", "llama-bpe")
    assert guard_info.n_tokens == len(tiny.vocabulary(user_defined=False)[0])
    assert guard_info.chat_template == hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest()[:16]
    assert guard_info.digest == hashlib.sha256(guard_info.path.read_bytes()).hexdigest()
    assert (guard_info.problems, guard_info.warnings) == ((), ())


def test_a_doubt_about_the_family_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tiny.write(tmp_path / "tiny.gguf", name="ShieldGemma 2B", answers=True, chat_template=CHAT_TEMPLATE)
    doubt = (
        "it is judged as llama-guard-3-8b, by its chat template; by its name, 'ShieldGemma 2B' it would be "
        'shieldgemma: if it is, use ModelConfig(template="shieldgemma")'
    )
    assert examine(path).warnings == (doubt,)
    Model.load(path).close()
    assert caplog.messages == [f"{path}: {doubt}"]
    Model.load(path, template="llama-guard-3-8b").close()
    assert len(caplog.messages) == 1


def test_its_sizes_are_llama_cpps(guard_info: ModelInfo) -> None:
    native = LlamaModel(guard_info.path, Offload("off"))
    sizes = guard_info.sizes
    assert sizes.embedding + sum(sizes.layers) + sizes.output == native.size == 4 * guard_info.n_weights
    assert sum(sizes.kv_per_token) == native.kv_bytes_per_token
    native.close()


def test_a_head_can_be_wider_than_its_part_of_the_embedding(tmp_path: Path) -> None:
    """As in Qwen3 0.6B: llama.cpp caches what the file says, not width divided by heads."""
    path = _write(tmp_path / "wide.gguf", lambda writer: (writer.add_key_length(24), writer.add_value_length(24)))
    native = LlamaModel(path, Offload("off"))
    assert sum(examine(path).sizes.kv_per_token) == native.kv_bytes_per_token == 2 * 2 * (24 + 24) * 2
    native.close()


def test_layers_are_cached_as_wide_as_their_heads() -> None:
    """As in Gemma 4: heads of another number and width where there is a window, and last layers without a cache."""
    attention = {
        "head_count": 8, "head_count_kv": [4, 4, 1, 4], "key_length": 64, "value_length": 32, "key_length_swa": 16,
        "value_length_swa": 8, "sliding_window_pattern": [True, True, False, True], "shared_kv_layers": 1,
    }  # fmt: skip
    metadata = {f"gemma4.attention.{key}": value for key, value in attention.items()}
    metadata |= {"general.architecture": "gemma4", "gemma4.embedding_length": 512}
    assert kv_bytes_by_layer(metadata, 4) == (2 * 24 * 4, 2 * 24 * 4, 2 * 96, 0)
    del metadata["gemma4.attention.sliding_window_pattern"]
    assert kv_bytes_by_layer(metadata, 4) == (2 * 96 * 4, 2 * 96 * 4, 2 * 96, 0)
    assert kv_bytes_by_layer({}, 4) == ()


def _write(path: Path, add: Callable[[gguf.GGUFWriter], object]) -> Path:
    """A model of two layers, four heads and two heads of keys and values."""
    tokens, types = tiny.vocabulary(user_defined=False)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(24)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(list(tiny.MERGES))
    add(writer)
    shapes = {
        "attn_q": (96, 32), "attn_k": (48, 32), "attn_v": (48, 32), "attn_output": (32, 96), "ffn_gate": (64, 32),
        "ffn_up": (64, 32), "ffn_down": (32, 64), "attn_norm": (32,), "ffn_norm": (32,),
    }  # fmt: skip
    made = {f"blk.{layer}.{part}.weight": shape for layer in range(2) for part, shape in shapes.items()}
    made |= {"token_embd.weight": (len(tokens), 32), "output.weight": (len(tokens), 32), "output_norm.weight": (32,)}
    for name, shape in made.items():
        writer.add_tensor(name, np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_memory_by_layers_on_a_gpu() -> None:
    sizes = WeightSizes(embedding=7, layers=(10, 20, 30), output=5, kv_per_token=(1, 1, 1))
    cells = 2 * 256
    needs = [estimate_memory(sizes, 256, layers) for layers in (0, 1, 3, 4)]
    assert [(need.main, need.gpu) for need in needs] == [
        (72 + 3 * cells, 0), (42 + 2 * cells, 30 + cells), (12, 60 + 3 * cells), (7, 65 + 3 * cells)
    ]  # fmt: skip


def test_an_output_that_is_the_embedding_is_held_twice(tmp_path: Path) -> None:
    names = ["token_embd.weight", "blk.0.attn_q.weight", "output_norm.weight"]
    path = tmp_path / "tied.gguf"
    path.write_bytes(file(tensors=[tensor(8, name=name) for name in names], data=96))
    sizes = examine(path).sizes
    assert (sizes.embedding, sizes.layers, sizes.output) == (32, (32,), 64)


@pytest.mark.parametrize("name", MARKS)
def test_every_family_is_recognized_by_its_chat_template(tmp_path: Path, name: str) -> None:
    if not MARKS[name]:
        pytest.skip("this family has no chat template of its own")
    path = tiny.write(tmp_path / "m.gguf", name="", chat_template=MARKS[name])
    assert (examine(path).family, examine(path).recognized_by) == (name, "its chat template")


def test_a_name_is_enough_and_a_warning(tmp_path: Path) -> None:
    by_name = examine(tiny.write(tmp_path / "x.gguf", name="Llama Guard 3 8B"))
    assert (by_name.family, by_name.recognized_by) == ("llama-guard-3-8b", "its name, 'Llama Guard 3 8B'")
    assert by_name.warnings == ("it has no chat template: only its name says that it is a guard",)
    by_file = examine(tiny.write(tmp_path / "llama-guard-3-1b.gguf"))
    assert by_file.family == "llama-guard-3-1b"
    assert by_file.recognized_by == "its file's name, 'llama-guard-3-1b.gguf'"


def test_what_loading_refuses_is_a_problem(tmp_path: Path) -> None:
    unknown = examine(tiny.write(tmp_path / "poet.gguf", name="poet"))
    assert (unknown.family, len(unknown.problems)) == (None, 1)
    with pytest.raises(ModelError) as caught:
        Model.load(unknown.path)
    assert unknown.problems == (str(caught.value),)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"lacking": 0x41}, "its vocabulary lacks the tokens of 1 bytes: some text would be lost"),
        ({"tokenizer": "bert"}, "the model's tokenizer 'bert' is not supported; expected gpt2 or llama"),
        ({"pretokenizer": "superbpe"},
         "the model's pre-tokenizer 'superbpe' is not supported: some texts of many digits take llama.cpp minutes"),
    ],
)  # fmt: skip
def test_vocabularies_that_cannot_be_used(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    path = tiny.write(tmp_path / "m.gguf", chat_template=CHAT_TEMPLATE, **changes)  # type: ignore[arg-type]
    assert examine(path).problems == (problem,)
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    assert caught.value.code in ("model/unsupported", "model/not-loaded")  # llama.cpp has no such tokenizer


def test_special_tokens_that_are_missing_or_text(tmp_path: Path) -> None:
    """Llama Guard 4's are all in the tiny vocabulary; Llama Guard 1's `<s>` is not."""
    path = tiny.write(tmp_path / "m.gguf", chat_template=MARKS["llama-guard-1"])
    assert examine(path).problems == tuple(
        f"its vocabulary has no special token {name}, which the prompt of llama-guard-1 needs"
        for name in ("</s>", "<s>")
    )
    typed = tiny.write(tmp_path / "typed.gguf", chat_template=CHAT_TEMPLATE)
    content = typed.read_bytes()
    types = tiny.vocabulary(user_defined=False)[1]
    array = np.array(types, np.int32).tobytes()
    assert content.count(array) == 1
    normal = np.array([1 if kind == 3 else kind for kind in types], np.int32).tobytes()
    typed.write_bytes(content.replace(array, normal))
    assert "its vocabulary has <|eot_id|> as ordinary text: a user could write it" in examine(typed).problems


def test_all_parts_of_a_split_model(tmp_path: Path) -> None:
    one = examine(tiny.write(tmp_path / "tiny.gguf", chat_template=CHAT_TEMPLATE, answers=True))
    tiny.write(tmp_path / "split.gguf", chat_template=CHAT_TEMPLATE, answers=True, tensors_per_file=8)
    parts = sorted(tmp_path.glob("split-*.gguf"))
    assert len(parts) == 3
    for named in parts:
        info = examine(named)
        assert info.parts == tuple(parts)
        assert (info.sizes, info.n_weights, info.tensor_types) == (one.sizes, one.n_weights, one.tensor_types)
        assert info.digest == hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
        with Model.load(named) as model:
            assert model.identity == f"split-00001-of-00003@{info.digest[:12]}"


def test_missing_parts_are_named(tmp_path: Path) -> None:
    tiny.write(tmp_path / "split.gguf", chat_template=CHAT_TEMPLATE, tensors_per_file=8)
    first, second, third = sorted(tmp_path.glob("split-*.gguf"))
    second.unlink()
    for load in (examine, Model.load):
        with pytest.raises(ModelError, match=r"of which split-00002-of-00003\.gguf is missing") as caught:
            load(third)
        assert caught.value.code == "model/incomplete"
    renamed = first.rename(tmp_path / "model.gguf")
    with pytest.raises(ModelError, match="is part 1 of a model of 3 files, and its name does not say so"):
        examine(renamed)


def test_a_damaged_part_is_refused(tmp_path: Path) -> None:
    tiny.write(tmp_path / "split.gguf", chat_template=CHAT_TEMPLATE, tensors_per_file=8)
    parts = sorted(tmp_path.glob("split-*.gguf"))
    os.truncate(parts[2], parts[2].stat().st_size - 200)
    with pytest.raises(ModelError) as caught:
        examine(parts[0])
    assert caught.value.code == "model/damaged"
    assert str(parts[2]) in str(caught.value)


@pytest.mark.parametrize(
    ("strings", "code"),
    [
        ({"general.type": "adapter"}, "model/adapter-mismatch"),
        ({"general.type": "imatrix"}, "model/unsupported"),
        ({"general.type": "mmproj"}, "model/unsupported"),
    ],
)
def test_files_that_are_no_language_model(tmp_path: Path, strings: dict[str, str], code: str) -> None:
    path = tiny.write(tmp_path / "m.gguf", chat_template=CHAT_TEMPLATE, strings=strings)
    for load in (examine, Model.load):
        with pytest.raises(ModelError) as caught:
            load(path)
        assert caught.value.code == code


def test_big_endian_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "big.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_name("Llama Guard 3 8B")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    for load in (examine, Model.load):
        with pytest.raises(ModelError, match="is a big-endian GGUF file: this machine needs the little-endian one"):
            load(path)


def test_quantizations_by_importance(tmp_path: Path) -> None:
    path = tmp_path / "iq.gguf"
    path.write_bytes(
        file(
            pair("general.file_type", 4, u32(27)),
            pair("quantize.imatrix.file", STRING, text("imatrix.gguf")),
            tensors=[tensor(256, kind=21, name="blk.0.a"), tensor(512, kind=23, offset=128, name="blk.1.a")],
            data=128 + 2 * 136,
        )
    )
    info = examine(path)
    assert (info.quantization, info.tensor_types) == ("IQ3_M", {"IQ4_XS": 512, "IQ3_S": 256})
    assert (info.imatrix, info.sizes.layers) == ("imatrix.gguf", (110, 272))
    assert "IQ3_M keeps less than 4 bits of a weight: scores differ from those of the original" in info.warnings
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ModelError, match="is cut off"):
        examine(path)


def test_without_a_file_type_it_is_that_of_most_weights(tmp_path: Path) -> None:
    path = tmp_path / "q.gguf"
    tensors = [tensor(32, kind=0, name="a"), tensor(64, kind=8, offset=128, name="b")]
    path.write_bytes(file(pair("general.file_type", 4, u32(0)), tensors=tensors, data=128 + 68))
    assert (examine(path).quantization, examine(path).tensor_types) == ("Q8_0", {"Q8_0": 64, "F32": 32})
    path.write_bytes(file(tensors=[tensor(32, kind=200, name="a")], data=32))
    info = examine(path)
    assert (info.quantization, info.sizes.output) == ("unknown", 0)
    assert "some tensors have an unknown type: sizes do not include them" in info.warnings


def test_layers_that_see_a_window(tmp_path: Path) -> None:
    pairs = (
        pair("general.architecture", STRING, text("gemma2")),
        pair("gemma2.attention.sliding_window", 4, u32(4096)),
        pair("gemma2.attention.layer_norm_rms_epsilon", F32, b"\0\0\0\0"),
    )
    path = tmp_path / "swa.gguf"
    path.write_bytes(file(*pairs))
    assert "some of its layers attend to 4,096 tokens only" in examine(path).warnings


def test_names_of_quantizations_are_llama_cpps() -> None:
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    assert {number: names[number] for number in FILE_TYPES} == FILE_TYPES


@pytest.mark.parametrize("blob_prefix", ["", "sha256-"])
def test_a_file_in_a_cache_must_be_what_its_name_says(tmp_path: Path, blob_prefix: str) -> None:
    """The Hugging Face cache names blobs by their digest, and so does Ollama."""
    made = tiny.write(tmp_path / "made.gguf", chat_template=CHAT_TEMPLATE, answers=True)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    blob = tmp_path / "blobs" / f"{blob_prefix}{digest}"
    blob.parent.mkdir()
    shutil.copy(made, blob)
    link = tmp_path / "snapshots" / "guard.gguf"
    link.parent.mkdir()
    link.symlink_to(blob)
    assert examine(link).digest == digest
    Model.load(link).close()
    with blob.open("r+b") as content:
        content.seek(-1, os.SEEK_END)
        content.write(b"\x01")
    for load in (examine, Model.load):
        with pytest.raises(ModelError) as caught:
            load(link)
        assert caught.value.code == "model/digest-mismatch"
        assert f"delete {blob}" in str(caught.value)


def test_a_digest_is_remembered_for_each_part(tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    tiny.write(tmp_path / "split.gguf", chat_template=CHAT_TEMPLATE, tensors_per_file=8)
    first, *_ = parts = parts_of(sorted(tmp_path.glob("split-*.gguf"))[0])
    once = examine(first, cache=cache)
    known = cache.read_text()
    assert known.count("sha256 2") == len(parts) + 1
    assert (examine(first, cache=cache), cache.read_text()) == (once, known)


def test_a_header_that_was_changed_is_shown_or_refused(tmp_path: Path) -> None:
    content = tiny.write(tmp_path / "m.gguf", chat_template=CHAT_TEMPLATE).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "changed.gguf"
    refused = 0
    for _ in range(200):
        changed = bytearray(content)
        changed[int(random.integers(8, 2500))] = int(random.integers(256))
        path.write_bytes(changed)
        try:
            info = examine(path)
        except ModelError:
            refused += 1
            continue
        assert format_model_info(info, [0, 1, info.n_layers + 1])
        assert json.dumps(info.to_dict([0]))
    assert 0 < refused < 200
