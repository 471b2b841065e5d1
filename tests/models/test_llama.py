"""The door to llama.cpp's models: what is refused, in which words, and a log that says nothing unasked."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest

from guardcli.errors import ModelError
from guardcli.models import Adapter, Model, set_log_sink
from guardcli.models.llama import LlamaModel, Offload
from tests import tiny
from tests.models.test_gguf import file

WITHOUT_GPU = pytest.mark.skipif(llama_cpp.llama_supports_gpu_offload(), reason="this build can use a GPU")


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    yield
    set_log_sink(None)


@WITHOUT_GPU
def test_a_gpu_is_required_and_cannot_be_used(tiny_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        LlamaModel(tiny_path, Offload("require"))
    assert str(caught.value) == (
        "a GPU is required, and this build of llama-cpp-python cannot use one. Install it for CUDA with:\n"
        '  CMAKE_ARGS="-DGGML_CUDA=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF" '
        "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
    )


@WITHOUT_GPU
@pytest.mark.parametrize("offload", [Offload(), Offload("off"), Offload("auto", layers=1), Offload("off", layers=1)])
def test_without_a_gpu(tiny_path: Path, offload: Offload) -> None:
    model = LlamaModel(tiny_path, offload)
    assert (model.n_ctx_train, model.offloaded) == (4096, False)
    model.close()
    model.close()
    assert model.handle is None


def test_the_log_is_quiet(tiny_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    LlamaModel(tiny_path, Offload()).close()
    assert capfd.readouterr() == ("", "")


def test_the_log_goes_to_a_sink(tiny_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    set_log_sink(said.append)
    LlamaModel(tiny_path, Offload()).close()
    assert "general.name" in "".join(said)
    set_log_sink(None)
    said.clear()
    LlamaModel(tiny_path, Offload()).close()
    assert (said, capfd.readouterr()) == ([], ("", ""))


@pytest.mark.parametrize("content", [b"", file()], ids=["empty", "no architecture"])
def test_what_llama_cpp_refuses(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m\u00e9.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        LlamaModel(path, Offload())
    assert str(caught.value).startswith(f"llama.cpp cannot load {path}: llama_model_load")
    assert capfd.readouterr() == ("", "")


def test_the_reason_of_a_refusal_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(file())
    with pytest.raises(ModelError, match="unknown model architecture: ''"):
        LlamaModel(path, Offload())


def test_a_path_that_is_no_utf_8(tiny_path: Path, tmp_path: Path) -> None:
    """As on an old Latin-1 disk. The messages of what cannot be loaded name it too."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    model, adapter, broken = (folder / name for name in ("\udce9.gguf", "l\udcff.gguf", "\udcfe.gguf"))
    shutil.copy(tiny_path, model)
    tiny.write_adapter(adapter)
    broken.write_bytes(file())
    cache = folder / "cache" / "models.json"
    for _ in range(2):
        with Model.load(model, template="llama-guard-3-8b", adapters=[Adapter(adapter)], cache=cache) as loaded:
            assert re.fullmatch(r"-@[0-9a-f]{12}\+l-@[0-9a-f]{12}:1\.0", loaded.identity)
    assert len(json.loads(cache.read_text())) == 2
    with pytest.raises(ModelError, match=r"llama\.cpp cannot load"):
        LlamaModel(broken, Offload())
    native = LlamaModel(model, Offload())
    with pytest.raises(ModelError, match=r"llama\.cpp cannot put the adapter"):
        native.load_adapters([(broken, 1.0)])
