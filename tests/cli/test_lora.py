"""`--lora` from outside: every command that judges takes it, and what is stored tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tiny
from tests.cli.running import guard

POLICY = "name: p\nextends: llama-guard-3\ntests:\n  - {name: t, prompt: hi, expect: safe}\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, guard_path: Path) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    (folder / "guard.gguf").symlink_to(guard_path)
    tiny.write_adapter(folder / "adapter.gguf")
    tiny.write_adapter(folder / "with:colon.gguf")
    (folder / "prompts.txt").write_text("How do I bake bread?\nhi\n")
    (folder / "policy.yaml").write_text(POLICY)
    return folder


HERE = ["-m", "guard.gguf", "--template", "llama-guard-3-8b", "--threads", "1"]


def rows(desk: Path, *options: str) -> list[dict[str, object]]:
    done = guard("check", *HERE, *options, "--format", "json", "prompts.txt", cwd=desk)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_rows_tell_the_adapter_and_its_scale(desk: Path) -> None:
    plain, adapted = rows(desk), rows(desk, "--lora", "adapter.gguf:0.5")
    assert adapted[0]["score"] != plain[0]["score"]
    assert str(adapted[0]["model"]).startswith(f"{plain[0]['model']}+adapter@")
    assert str(adapted[0]["model"]).endswith(":0.5")


def test_a_path_with_a_colon(desk: Path) -> None:
    assert "+with-colon@" in str(rows(desk, "--lora", "with:colon.gguf")[0]["model"])
    assert rows(desk, "--lora", "with:colon.gguf:1")[0]["score"] == rows(desk, "--lora", "adapter.gguf")[0]["score"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("none.gguf", "none.gguf: no such file"),
        ("adapter.gguf:much", "the scale of adapter.gguf is 'much': write a number, such as adapter.gguf:0.5"),
        ("guard.gguf", "guard.gguf is a model, not an adapter: name it with --model"),
        ("prompts.txt", "prompts.txt is not a GGUF file"),
    ],
)
def test_what_is_no_adapter(desk: Path, given: str, message: str) -> None:
    done = guard("check", *HERE, "--lora", given, "prompts.txt", cwd=desk)
    assert message in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "command",
    [
        ["filter", "prompts.txt"],
        ["audit", "prompts.txt", "-o", "out.jsonl", "-q"],
        ["diff", "-t", "llama-guard-3", "-t", "policy.yaml", "prompts.txt"],
        ["taxonomy", "test", "policy.yaml"],
        ["doctor"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_every_command_that_judges_takes_it(desk: Path, command: list[str]) -> None:
    done = guard(*command, *HERE, "--lora", "adapter.gguf", "-v", cwd=desk)
    assert done.returncode in (0, 1)
    assert "+adapter@" in done.stderr + done.stdout


def test_an_audit_is_not_taken_up_with_another_adapter(desk: Path) -> None:
    words = ["audit", "prompts.txt", "-o", "verdicts.jsonl", "-q", *HERE]
    assert guard(*words, "--lora", "adapter.gguf", cwd=desk).returncode == 0
    assert guard(*words, "--lora", "adapter.gguf", cwd=desk).returncode == 0
    for other in ([], ["--lora", "adapter.gguf:0.5"]):
        done = guard(*words, *other, cwd=desk)
        assert "model" in done.stderr
        assert done.returncode == 2


def test_the_tolerance_is_remembered_for_the_adapter(desk: Path, tmp_path: Path) -> None:
    def known(*options: str) -> int:
        guard("check", *HERE, *options, "prompts.txt", cwd=desk, XDG_CACHE_HOME=str(tmp_path))
        memory = json.loads((tmp_path / "guardcli" / "models.json").read_text())
        return sum("tolerance" in key for key in memory)

    assert [known(), known("--lora", "adapter.gguf"), known("--lora", "adapter.gguf")] == [1, 2, 2]


def test_an_evaluation_compares_each_adapter_with_the_bare_model(desk: Path) -> None:
    records = [{"prompt": f"say {at}", "label": at % 2} for at in range(12)]
    (desk / "labeled.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    adapters = ("--lora", "adapter.gguf", "--lora", "with:colon.gguf:0.5")
    done = guard("eval", "labeled.jsonl", *HERE, *adapters, "--resamples", "100", "--format", "json", cwd=desk)
    found = json.loads(done.stdout)
    names = [one["system"].removesuffix(" llama-guard-3") for one in found["systems"]]
    assert names == ["guard", "guard+adapter:1.0", "guard+with-colon:0.5"]
    assert len({one["auprc"]["value"] for one in found["systems"]}) > 1
    assert len(found["comparisons"]) == 2
