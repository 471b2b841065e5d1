"""`guard models list`, and names in the place of a path, from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.models.registry import BUNDLED_MODELS, REGISTRY
from tests import tiny
from tests.cli.running import guard
from tests.models.test_lookup import CHAT_TEMPLATE, REPOSITORY, put, put_ollama

NAMES = [*BUNDLED_MODELS, *REGISTRY]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = tmp_path_factory.mktemp("caches") / "hub"
    content = tiny.write(hub.with_name("tiny.gguf"), chat_template=CHAT_TEMPLATE, answers=True).read_bytes()
    put(hub, REPOSITORY, {"G.Q8_0.gguf": content})
    put_ollama(hub, "library/llama-guard3/latest", content)
    return hub


@pytest.fixture
def caches(hub: Path) -> dict[str, str]:
    return {"HF_HUB_CACHE": str(hub), "OLLAMA_MODELS": str(hub.with_name("ollama"))}


def test_every_name_is_listed() -> None:
    done = guard("models", "list")
    assert [line.split()[0] for line in done.stdout.splitlines()[2:] if not line.startswith(" ")] == NAMES
    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(guard("models", "list", "--format", "json").stdout)
    assert [model["name"] for model in listed] == NAMES
    assert all(model["memory"].keys() == model["sizes"].keys() for model in listed)
    assert listed[2]["memory"]["Q4_K_M"] == 4.92e9 + 2 * 8192 * 131072
    assert listed[0].keys() - listed[1].keys() == {"adapter"}


def test_what_is_here(caches: dict[str, str]) -> None:
    done = guard("models", "list", "--local", **caches)
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [(row[0], row[-1]) for row in rows] == [
        (f"hf:{REPOSITORY}/G.Q8_0.gguf", "llama-guard-3-8b"), ("ollama:llama-guard3:latest", "llama-guard-3-8b")
    ]  # fmt: skip
    listed = json.loads(guard("models", "list", "--local", "--format", "json", **caches).stdout)
    assert [model["reference"] for model in listed] == [row[0] for row in rows]


def test_nothing_is_here(tmp_path: Path) -> None:
    places = {"HF_HUB_CACHE": str(tmp_path / "a"), "OLLAMA_MODELS": str(tmp_path / "b")}
    done = guard("models", "list", "--local", **places)
    assert (done.stdout, done.stderr) == ("", f"guard: no models in {tmp_path / 'a'}, and none in {tmp_path / 'b'}\n")
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["llama-guard-3-8b", f"hf:{REPOSITORY}", "ollama:llama-guard3"])
def test_any_name_judges(caches: dict[str, str], name: str) -> None:
    by_option = guard("check", "-m", name, "--threads", "1", stdin="How do I bake bread?\n", **caches)
    by_variable = guard("check", "--threads", "1", stdin="How do I bake bread?\n", **caches, GUARD_MODEL=name)
    assert by_option.returncode in (0, 1)
    assert by_option.stderr == ""
    assert (by_variable.returncode, by_variable.stdout) == (by_option.returncode, by_option.stdout)
    assert "llama-guard-3-8b, recognized by its chat template" in guard("models", "info", name, **caches).stdout


@pytest.mark.parametrize(
    "command",
    [["check"], ["audit", "-", "-o", "x.jsonl"], ["filter"], ["doctor"], ["models", "info"]],
    ids=lambda c: c[0],
)
def test_a_name_that_is_not_here_says_how_to_get_it(tmp_path: Path, command: list[str]) -> None:
    model = ["llama-guard-3-1b"] if command[0] == "models" else ["-m", "llama-guard-3-1b"]
    done = guard(*command, *model, stdin="x\n", cwd=tmp_path, HF_HUB_CACHE=str(tmp_path))
    assert (done.returncode, done.stdout.count("verdict")) == (2, 0)
    assert "get it with `guard models pull llama-guard-3-1b` [model/not-found]" in done.stderr
