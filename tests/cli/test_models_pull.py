"""`guard models pull` from a hub on loopback: what it takes, what it refuses, and what it leaves in the cache."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardcli.models.registry import REGISTRY
from tests import tiny
from tests.cli.running import guard, launch
from tests.hub import COMMIT, TOKEN, Hub, serve

NAME = "llama-guard-3-8b"
REPOSITORY = REGISTRY[NAME].repositories[0]
CHAT_TEMPLATE = "<BEGIN UNSAFE CONTENT CATEGORIES> <|start_header_id|>"

pytestmark = pytest.mark.slow  # each pulls in a process of its own

Pull = Callable[..., "subprocess.CompletedProcess[str]"]


def model(folder: Path, name: str, **options: object) -> bytes:
    path = folder / name
    return tiny.write(path, chat_template=CHAT_TEMPLATE, answers=True, **options).read_bytes()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Two quantizations of a model, the second one smaller."""
    folder = tmp_path_factory.mktemp("hub")
    return {"G.Q8_0.gguf": model(folder, "a.gguf"), "G.Q4_K_M.gguf": model(folder, "b.gguf", half=True)}


@pytest.fixture
def hub(guards: dict[str, bytes]) -> Iterator[Hub]:
    files = {**guards, "README.md": b"#", "mmproj-G.gguf": b"x"}
    with serve(Hub({REPOSITORY: files})) as served:
        yield served


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


@pytest.fixture
def pull(hub: Hub, cache: Path) -> Pull:
    """Pull in a process of its own: the hub's library reads the environment when it is imported."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return launch("models", "pull", *arguments, **hub.variables, HF_HUB_CACHE=str(cache), **variables)

    return run


def files_in(cache: Path) -> list[str]:
    """The files of snapshots and blobs."""
    kinds = (path for pattern in ("*/snapshots/**/*", "*/blobs/*") for path in cache.glob(pattern))
    return sorted(path.name for path in kinds if path.is_file() or path.is_symlink())


def test_a_model_is_pulled_by_its_name_and_judges(pull: Pull, hub: Hub, cache: Path, guards: dict[str, bytes]) -> None:
    done = pull(NAME)
    assert "guard: Q8_0 is the best that fits: it needs 2.1 GB of the " in done.stderr
    assert "guard: license Llama 3.1: see the card of meta-llama/Llama-Guard-3-8B" in done.stderr
    path = Path(done.stdout.rstrip("\n"))
    assert path == cache / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / COMMIT / "G.Q8_0.gguf"
    assert done.returncode == 0
    assert path.resolve().name == hashlib.sha256(guards["G.Q8_0.gguf"]).hexdigest()
    assert hub.downloads() == [(f"{REPOSITORY}/G.Q8_0.gguf", "")]
    judged = guard("check", "-m", NAME, "--threads", "1", stdin="hi\n", HF_HUB_CACHE=str(cache))
    assert (judged.returncode, judged.stderr) in ((0, ""), (1, ""))

    again = pull(NAME)
    assert (again.stdout, again.returncode, len(hub.downloads())) == (done.stdout, 0, 1)

    path.resolve().write_bytes(guards["G.Q8_0.gguf"][:-1] + b"\x01")  # somebody changed it
    refused = guard("check", "-m", NAME, stdin="hi\n", HF_HUB_CACHE=str(cache))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "[model/digest-mismatch]" in refused.stderr
    mended = pull(NAME)
    assert (mended.returncode, path.read_bytes()) == (0, guards["G.Q8_0.gguf"])
    assert len(hub.downloads()) == 2


def test_the_quantization_can_be_named(pull: Pull, hub: Hub) -> None:
    done = pull(NAME, "--quant", "q4_k_m")
    assert (Path(done.stdout.strip()).name, done.returncode) == ("G.Q4_K_M.gguf", 0)
    assert done.stderr.startswith("guard: Q4_K_M was asked for\n")
    missing = pull(f"{NAME}:Q2_K")
    assert (missing.stdout, missing.returncode) == ("", 2)
    assert f"hf:{REPOSITORY} has no Q2_K; there are Q4_K_M, Q8_0 [model/not-found]" in missing.stderr
    assert len(hub.downloads()) == 1


def test_a_broken_transfer_is_resumed(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    """The hub's library writes 10 MB at a time; what comes behind a GGUF's tensors is never read."""
    padded = model(tmp_path, "m.gguf") + bytes(25_000_000)
    hub.repositories, hub.cuts = {"a/b": {"m.gguf": padded}}, 1
    done = pull("hf:a/b")
    assert done.returncode == 0
    (_, first), (_, second) = hub.downloads()
    assert (first, second) == ("", "bytes=10485760-")
    assert Path(done.stdout.strip()).read_bytes() == padded


def test_a_wrong_digest_is_not_kept(pull: Pull, hub: Hub, cache: Path, guards: dict[str, bytes]) -> None:
    hub.arriving["G.Q8_0.gguf"] = guards["G.Q8_0.gguf"][:-1] + b"\x01"
    done = pull(NAME)
    assert (done.stdout, done.returncode) == ("", 2)
    assert "does not match its digest" in done.stderr
    assert "[model/digest-mismatch]" in done.stderr
    assert files_in(cache) == []
    judged = guard("check", "-m", NAME, stdin="hi\n", HF_HUB_CACHE=str(cache))
    assert "[model/not-found]" in judged.stderr


def test_a_gated_model_says_which_page_to_accept(pull: Pull, hub: Hub, cache: Path) -> None:
    hub.gated.add(REPOSITORY)
    for variables in ({}, {"HF_TOKEN": "hf_of_somebody_else"}):
        done = launch("models", "pull", NAME, **hub.variables | {"HF_HUB_CACHE": str(cache)} | variables)
        assert (done.stdout, done.returncode) == ("", 2)
        assert "requires you to accept its license. [model/gated]\n" in done.stderr
        assert f"1. Log in and accept it on http://127.0.0.1:{hub.port}/{REPOSITORY}\n" in done.stderr
    with_token = launch("models", "pull", NAME, **hub.variables | {"HF_HUB_CACHE": str(cache), "HF_TOKEN": TOKEN})
    assert (with_token.returncode, TOKEN in with_token.stdout + with_token.stderr) == (0, False)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("hf:nobody/nothing", "there is no repository nobody/nothing, or it is private"),
        (f"hf:{REPOSITORY}/none.gguf",
         f"{REPOSITORY} has no file none.gguf; there are G.Q4_K_M.gguf, G.Q8_0.gguf [model/not-found]"),
        (f"hf:{REPOSITORY}@v9", f"{REPOSITORY} has no revision v9 [model/not-found]"),
        ("ollama:llama-guard3", "is a model of Ollama's: get it with `ollama pull llama-guard3:latest`"),
        ("guard.gguf", "invalid model 'guard.gguf'; expected a registered name or hf:OWNER/REPO[/FILE]; guard models"),
        ("smol", "smol is installed: there is nothing to download"),
        ("starter", "the model starter no longer comes with guard: use -m smol, which took its place"),
        ("lama-guard-3-1b", "; did you mean llama-guard-3-1b, llama-guard-3-8b or llama-guard-4-12b?"),
    ],
)  # fmt: skip
def test_what_is_not_there(pull: Pull, cache: Path, reference: str, message: str) -> None:
    done = pull(reference)
    assert (done.stdout, done.returncode) == ("", 2)
    assert message in done.stderr
    assert files_in(cache) == []


def test_all_parts_of_a_split_model(pull: Pull, hub: Hub, cache: Path, tmp_path: Path) -> None:
    tiny.write(tmp_path / "S.gguf", chat_template=CHAT_TEMPLATE, answers=True, tensors_per_file=8)
    parts = {f"split/{path.name}": path.read_bytes() for path in sorted(tmp_path.glob("S-*.gguf"))}
    hub.repositories = {"a/b": parts}
    done = pull("hf:a/b")
    assert (Path(done.stdout.strip()).name, done.returncode) == ("S-00001-of-00003.gguf", 0)
    assert [file for file, _ in hub.downloads()] == [f"a/b/{name}" for name in parts]
    judged = guard("check", "-m", "hf:a/b", "--threads", "1", stdin="hi\n", HF_HUB_CACHE=str(cache))
    assert judged.returncode in (0, 1)
    del parts["split/S-00002-of-00003.gguf"]
    missing = pull("hf:a/b@main")
    assert "a/b has no file split/S-00002-of-00003.gguf" in missing.stderr
    assert missing.returncode == 2


def test_a_damaged_file_that_was_published_so_is_not_kept(pull: Pull, hub: Hub, cache: Path, tmp_path: Path) -> None:
    hub.repositories = {"a/b": {"m.gguf": model(tmp_path, "m.gguf")[:-64]}}
    done = pull("hf:a/b")
    assert (done.stdout, done.returncode, files_in(cache)) == ("", 2, [])
    assert "[model/damaged]" in done.stderr


def test_another_model_than_the_registered_one_is_not_kept(pull: Pull, hub: Hub, cache: Path, tmp_path: Path) -> None:
    other = tiny.write(tmp_path / "m.gguf", chat_template="<BEGIN UNSAFE CONTENT CATEGORIES> [INST] S1: ")
    hub.repositories = {REPOSITORY: {"m.gguf": other.read_bytes()}}
    done = pull(NAME)
    assert (done.stdout, done.returncode, files_in(cache)) == ("", 2, [])
    assert "expected the family llama-guard-3-8b, got llama-guard-2; it was removed" in done.stderr
    assert "[model/wrong-template]" in done.stderr


def test_a_model_that_is_no_guard_is_kept_and_told(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    hub.repositories = {"a/b": {"poet.gguf": tiny.write(tmp_path / "poet.gguf", name="poet").read_bytes()}}
    done = pull("hf:a/b")
    assert (Path(done.stdout.strip()).name, done.returncode) == ("poet.gguf", 1)
    assert "poet.gguf is the only model of hf:a/b" in done.stderr
    assert "is not a known guard model" in done.stderr


def test_a_hub_that_does_not_answer(pull: Pull, hub: Hub) -> None:
    done = pull(NAME, HF_HUB_OFFLINE="1")
    assert (done.stdout, done.returncode) == ("", 2)
    assert f"cannot download hf:{REPOSITORY}: " in done.stderr
    assert "[model/not-downloaded]" in done.stderr
    assert hub.requests == []
