"""`guard decide` from outside: stored verdicts, new thresholds, no model."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from guardcli.taxonomy import Taxonomy
from tests.commands.running import guard
from tests.rows import row, write
from tests.test_house import loaded_by

POLICY = "name: acme\nextends: llama-guard-3\nthreshold: 0.3\ncategories:\n  - {id: S9, key: weapons}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    write(tmp_path / "v.jsonl", [row(1, 0.2), row(2, 0.4), row(3, 0.9)])
    return tmp_path


def test_thresholds_keys_and_digests_are_those_of_the_edited_policy(desk: Path) -> None:
    done = guard("decide", "v.jsonl", "-t", "policy.yaml", "--was", "llama-guard-3", cwd=desk)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["verdict"], r["threshold"], r["categories"]) for r in rows] == [
        ("safe", 0.3, []), ("unsafe", 0.3, None), ("unsafe", 0.3, ["weapons"]),
    ]  # fmt: skip
    policy = Taxonomy.load(desk / "policy.yaml")
    assert {json.dumps(r["taxonomy"]) for r in rows} == {
        json.dumps({"name": "acme", "prompt": policy.prompt_digest, "decision": policy.decision_digest})
    }
    assert done.stderr == "guard: 1 of 3 verdicts changed, 1 safe → unsafe\n"
    assert done.returncode == 1


def test_the_same_policy_changes_nothing(desk: Path) -> None:
    before = (desk / "v.jsonl").read_text()
    done = guard("decide", "v.jsonl", "-t", "llama-guard-3", "--exit-zero", cwd=desk)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [json.loads(x) for x in before.splitlines()]
    assert (done.stderr, done.returncode) == ("guard: 0 of 3 verdicts changed\n", 0)


def test_from_stdin_with_a_threshold(desk: Path) -> None:
    text = (desk / "v.jsonl").read_text()
    done = guard("decide", "-t", "llama-guard-3", "--threshold", "0.95", stdin=text)
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["safe"] * 3
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "message"),
    [
        ([], ["-t", "llama-guard-3"], 3, "0 of 0 verdicts changed"),
        ([row(1, None)], ["-t", "llama-guard-3"], 3, ""),
        ([row(1, 0.2)], ["-t", "openai-moderation"], 2, "what the model read (llama-guard-3, prompt 6c2a66d22e86e27a)"),
        ([row(1, 0.2)], ["-t", "openai-moderation"], 2, "need a new run of guard check"),
        ([row(1, 0.9)], ["-t", "policy.yaml"], 2, "names the category 'S9', which the policy does not: give the old"),
        ([row(1, 0.9)], ["-t", "policy.yaml", "--was", "openai-moderation"], 2, "reads it differently"),
        ([row(1, 0.9)], ["-t", "own.yaml"], 2, "v.jsonl: row 1: a threshold by category needs a score for each"),
        ([{"x": 1}], ["-t", "llama-guard-3"], 2, "v.jsonl:1: no verdict row"),
    ],
)
def test_what_cannot_be_decided(desk: Path, rows: list[dict], arguments: list[str], code: int, message: str) -> None:  # type: ignore[type-arg]
    (desk / "own.yaml").write_text("name: x\nextends: llama-guard-3\ncategories:\n  - {id: S9, threshold: 0.1}\n")
    write(desk / "v.jsonl", rows)
    done = guard("decide", "v.jsonl", *arguments, cwd=desk)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_100_000_verdicts_take_less_than_5_seconds_and_no_model(desk: Path) -> None:
    """Half of them: the time of the machine that runs the tests is not known."""
    write(desk / "v.jsonl", [row(line, line % 1000 / 1000) for line in range(50_000)])
    start = time.monotonic()
    done = guard("decide", "v.jsonl", "-t", "llama-guard-3", "--threshold", "0.7", "--exit-zero", cwd=desk)
    assert time.monotonic() - start < 5
    assert re.fullmatch(r"guard: 10,000 of 50,000 verdicts changed, 10,000 unsafe → safe\n", done.stderr)


def test_llama_cpp_is_not_loaded(desk: Path) -> None:

    arguments = ["decide", str(desk / "v.jsonl"), "-t", "llama-guard-3"]
    code = f"from guardcli.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass"
    assert not {"llama_cpp", "rich", "jinja2"} & loaded_by(code)
