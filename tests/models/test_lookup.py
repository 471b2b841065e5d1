"""What names a model, and where its file is: in the caches of the hub and of Ollama, which are only read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardcli import Guard
from guardcli.errors import GuardError, ModelError
from guardcli.models import Model, ModelConfig, find_model
from guardcli.models.local_models import local_models
from guardcli.models.quantization import quantization_of
from guardcli.models.reference import HubReference, OllamaReference, RegisteredReference, parse_reference
from guardcli.models.registry import REGISTRY
from tests import tiny

CHAT_TEMPLATE = "<BEGIN UNSAFE CONTENT CATEGORIES> <|start_header_id|>"
COMMITS = "a" * 40, "b" * 40
REPOSITORY = REGISTRY["llama-guard-3-8b"].repositories[0]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("lookup") / "tiny.gguf"
    return tiny.write(path, name="Tiny Guard", chat_template=CHAT_TEMPLATE, answers=True).read_bytes()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    return tmp_path / "hub"


def put(
    hub: Path, repository: str, files: dict[str, bytes], *, commit: str = COMMITS[0], ref: str | None = "main"
) -> Path:
    """Lay files into a cache as huggingface_hub does; the snapshot's folder."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for name, data in files.items():
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    if ref is not None:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit)
    return snapshot


def put_ollama(hub: Path, name: str, data: bytes, *, host: str = "host.example") -> Path:
    """Lay a model into Ollama's folder; the path of its blob. `name` is namespace/name/tag."""
    root = hub.with_name("ollama")
    digest = hashlib.sha256(data).hexdigest()
    blob = root / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": f"sha256:{'0' * 64}"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"},
    ]
    manifest = root / "manifests" / host / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return blob


def code_of(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        find_model(name)
    return f"{caught.value.code}: {caught.value}"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hf:a/b", HubReference("a/b")),
        ("hf:a/b/c.gguf", HubReference("a/b", "c.gguf")),
        ("hf:a/b-GGUF/q8_0/c d.gguf@v1.0", HubReference("a/b-GGUF", "q8_0/c d.gguf", "v1.0")),
        ("hf:a/b@refs/pr/1", HubReference("a/b", None, "refs/pr/1")),
        ("ollama:llama-guard3", OllamaReference("llama-guard3", "latest")),
        ("ollama:me/guard:8b", OllamaReference("me/guard", "8b")),
        ("ollama:hf.co/me/guard:Q8_0", OllamaReference("hf.co/me/guard", "Q8_0")),
        ("llama-guard-3-8b", RegisteredReference(REGISTRY["llama-guard-3-8b"])),
        ("llama-guard-3-8b:q8_0", RegisteredReference(REGISTRY["llama-guard-3-8b"], "Q8_0")),
        ("./hf:a/b", None), ("a/b", None), ("model.gguf", None), ("llama-guard-3-8b.gguf", None), ("", None),
    ],
)  # fmt: skip
def test_references(text: str, reference: object) -> None:
    assert parse_reference(text) == reference
    if isinstance(reference, (HubReference, OllamaReference, RegisteredReference)):
        assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    ["hf:", "hf:a", "hf:a/", "hf:/b", "hf:../..", "hf:a/b/../c.gguf", "hf:a/b/./c", "hf:a/b/", "hf:a/b@", "hf:a/b@../x",
     "hf:a/..", "hf:a b/c", "hf:a/b//c", "ollama:", "ollama:a:", "ollama:../x", "ollama:a/b/c/d", "ollama:a/../b:c"],
)  # fmt: skip
def test_what_is_no_reference_cannot_leave_the_cache(text: str, hub: Path) -> None:
    assert code_of(text).startswith(f"model/not-found: invalid model {text!r}; expected ")


@given(st.from_regex(r"(hf|ollama):[a-z./:@ -]{0,20}", fullmatch=True))
def test_any_reference_is_parsed_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except GuardError:
        return
    assert reference is not None
    assert ".." not in str(reference).replace("@", "/").replace(":", "/").split("/")


def test_a_model_in_the_hubs_cache(hub: Path, content: bytes) -> None:
    snapshot = put(
        hub, "a/b", {"guard-Q8_0.gguf": content, "README.md": b"", "mmproj-guard.gguf": b"", "imatrix.gguf": b""}
    )
    path = snapshot / "guard-Q8_0.gguf"
    for name in ("hf:a/b", "hf:a/b/guard-Q8_0.gguf", "hf:a/b@main", f"hf:a/b@{COMMITS[0]}"):
        assert find_model(name) == path
    assert ModelConfig("hf:a/b").files == [path]
    with Model.load("hf:a/b") as model:
        assert model.identity == f"guard-Q8_0@{hashlib.sha256(content).hexdigest()[:12]}"


def test_what_is_not_there_is_not_downloaded(hub: Path) -> None:
    put(hub, "a/b", {"guard-Q8_0.gguf": b"x"})
    for name in ("llama-guard-3-8b", "llama-guard-3-8b:Q4_K_M", "hf:a/c", "hf:a/b/x.gguf", "hf:a/b@v2"):
        assert code_of(name) == (
            f"model/not-found: {name} is not in the local cache: get it with `guard models pull {name}`"
        )
    with pytest.raises(GuardError) as caught:
        Guard("llama-guard-3-8b")
    assert caught.value.code == "model/not-found"


def test_of_several_quantizations_one_must_be_named(hub: Path) -> None:
    snapshot = put(hub, REPOSITORY, {"G.Q8_0.gguf": b"8", "G.Q4_K_M.gguf": b"4"})
    assert find_model("llama-guard-3-8b:Q8_0") == find_model("llama-guard-3-8b:q8_0") == snapshot / "G.Q8_0.gguf"
    assert code_of("llama-guard-3-8b").splitlines() == [
        "model/ambiguous: llama-guard-3-8b stands for several models in the local cache. Name one of them:",
        f"  -m hf:{REPOSITORY}/G.Q4_K_M.gguf",
        f"  -m hf:{REPOSITORY}/G.Q8_0.gguf",
    ]


def test_revisions(hub: Path) -> None:
    new = put(hub, "a/b", {"g.gguf": b"new"}, commit=COMMITS[1])
    old = put(hub, "a/b", {"g.gguf": b"old"}, commit=COMMITS[0], ref="v1")
    assert find_model("hf:a/b") == new / "g.gguf"
    assert find_model("hf:a/b@v1") == find_model(f"hf:a/b@{COMMITS[0]}") == old / "g.gguf"


def test_a_cache_that_was_copied_without_its_refs(hub: Path) -> None:
    snapshot = put(hub, "a/b", {"g.gguf": b"x"}, ref=None)
    assert find_model("hf:a/b") == snapshot / "g.gguf"
    put(hub, "a/b", {"other.gguf": b"y"}, commit=COMMITS[1], ref=None)
    assert code_of("hf:a/b").startswith("model/ambiguous")


def test_main_moved_on_to_a_commit_without_the_model(hub: Path) -> None:
    old = put(hub, "a/b", {"g.gguf": b"x"}, ref=None)
    put(hub, "a/b", {"README.md": b""}, commit=COMMITS[1])
    assert find_model("hf:a/b") == old / "g.gguf"


def test_a_split_model_is_one(hub: Path) -> None:
    files = {f"g-{number:05}-of-00002.gguf": bytes([number]) for number in (1, 2)}
    snapshot = put(hub, "a/b", files)
    assert find_model("hf:a/b") == snapshot / "g-00001-of-00002.gguf"
    assert len(ModelConfig("hf:a/b").files) == 2


def test_a_model_of_ollama(hub: Path, content: bytes) -> None:
    blob = put_ollama(hub, "library/llama-guard3/8b", content)
    assert find_model("ollama:llama-guard3:8b") == find_model("ollama:host.example/library/llama-guard3:8b") == blob
    assert "; there are the tags 8b: get it with `ollama pull llama-guard3:latest`" in code_of("ollama:llama-guard3")
    assert code_of("ollama:me/llama-guard3:8b").startswith("model/not-found")
    with Model.load("ollama:llama-guard3:8b") as model:
        assert model.identity == f"Tiny-Guard@{hashlib.sha256(content).hexdigest()[:12]}"
    put_ollama(hub, "library/llama-guard3/8b", b"other", host="other.example")
    assert code_of("ollama:llama-guard3:8b").startswith("model/ambiguous")


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"layers": 1}', '{"layers": [{}]}', '{"layers": []}', "[" * 9999,
                 '{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x"}]}'],
)  # fmt: skip
def test_a_damaged_manifest_of_ollama(hub: Path, manifest: str) -> None:
    put_ollama(hub, "library/g/latest", b"x")
    (hub.with_name("ollama") / "manifests/host.example/library/g/latest").write_text(manifest)
    assert code_of("ollama:g").startswith("model/damaged")
    assert list(local_models()) == []


def test_weights_of_ollama_that_are_missing(hub: Path) -> None:
    put_ollama(hub, "library/g/latest", b"x").unlink()
    assert code_of("ollama:g").startswith("model/incomplete")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("llama-guard-3-8", "did you mean llama-guard-3-8b"),
        ("Llama-Guard-3-1B", "did you mean llama-guard-3-1b"),
        ("smoll", "did you mean smol"),
        ("zzz", "guard models list shows the names"),
    ],
)
def test_did_you_mean(name: str, advice: str) -> None:
    assert f"no such file, and no such name; {advice}" in code_of(name)


def test_what_looks_like_a_file_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [find_model(name) for name in ("no.gguf", "a/smoll")] == [Path("no.gguf"), Path("a/smoll")]
    Path("smoll").touch()
    assert find_model("smoll") == Path("smoll")


def test_the_places_of_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "OLLAMA_MODELS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, value, place in (
        ("UNUSED", "", ".cache/huggingface/hub"),
        ("XDG_CACHE_HOME", "~/xdg", "xdg/huggingface/hub"),
        ("HF_HOME", "$HOME/hf", "hf/hub"),
        ("HUGGINGFACE_HUB_CACHE", str(tmp_path / "old"), "old"),
        ("HF_HUB_CACHE", str(tmp_path / "new"), "new"),
    ):
        monkeypatch.setenv(variable, value)
        repository = f"a/{place.replace('/', '-').strip('.')}"
        snapshot = put(tmp_path / place, repository, {"g.gguf": content})
        assert find_model(f"hf:{repository}") == snapshot / "g.gguf"
    blob = put_ollama(tmp_path / ".ollama" / "x", "library/g/latest", content)
    blob.parent.parent.rename(tmp_path / ".ollama" / "models")
    assert find_model("ollama:g").is_relative_to(tmp_path / ".ollama" / "models")


@pytest.mark.parametrize(
    ("file", "quantization"),
    [
        ("Llama-Guard-3-8B.Q4_K_M.gguf", "Q4_K_M"), ("granite-guardian-4.1-8b-Q6_K.gguf", "Q6_K"),
        ("Llama-Guard-3-8B-q8_0.gguf", "Q8_0"), ("m.i1-IQ3_XXS.gguf", "IQ3_XXS"), ("m.f16.gguf", "F16"),
        ("m-fp16.gguf", "F16"), ("BF16/m-00001-of-00003.gguf", "BF16"), ("m-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"), ("qwen3guard.gguf", ""), ("m-q3guard.gguf", ""),
    ],
)  # fmt: skip
def test_quantizations_in_names(file: str, quantization: str) -> None:
    assert quantization_of(file) == quantization


def test_what_is_in_the_local_caches(hub: Path, content: bytes) -> None:
    snapshot = put(hub, REPOSITORY, {"G.gguf": content})
    put(hub, "a/b", {"cut.gguf": content[:-9]})
    blob = put_ollama(hub, "library/g/latest", content)
    damaged, registered, ollama = local_models()
    assert (registered.reference, registered.name, registered.family) == (
        f"hf:{REPOSITORY}/G.gguf", "llama-guard-3-8b", "llama-guard-3-8b"
    )  # fmt: skip
    assert (registered.path, registered.n_bytes, registered.quantization) == (snapshot / "G.gguf", len(content), "F32")
    assert (damaged.reference, damaged.family) == ("hf:a/b/cut.gguf", "")
    assert "is cut off" in damaged.problem
    assert (ollama.reference, ollama.path, ollama.problem) == ("ollama:g:latest", blob, "")
    for model in (registered, ollama):
        assert find_model(model.reference) == model.path
