"""`guard decide` from outside: stored verdicts, new thresholds, no model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from guardcli.taxonomy import Taxonomy
from tests.cli.running import GUARD, environment, guard
from tests.rows import TAXONOMY, row, write
from tests.test_house import loaded_by

POLICY = "name: acme\nextends: llama-guard-3\nthreshold: 0.3\ncategories:\n  - {id: S9, key: weapons}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    write(tmp_path / "v.jsonl", [row(1, 0.2), row(2, 0.4), row(3, 0.9)])
    return tmp_path


def test_thresholds_keys_and_digests_are_those_of_the_edited_policy(desk: Path) -> None:
    done = guard("decide", "v.jsonl", "-t", "policy.yaml", "--from-taxonomy", "llama-guard-3", cwd=desk)
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
        (
            [row(1, None), row(2, 0.9), row(3, 0.2), row(4, None)],
            ["-t", "llama-guard-3"],
            3,
            "guard: 0 of 4 verdicts changed\nguard: 2 of 4 rows could not be judged, and 1 is unsafe\n",
        ),
        ([row(1, 0.2)], ["-t", "openai-moderation"], 2, "guard: v.jsonl: row 1: it was judged by another policy"),
        ([row(1, 0.2)], ["-t", "openai-moderation"], 2, "[row/other-policy]\n"),
        ([row(1, 0.9)], ["-t", "policy.yaml"], 2, "name the old policy with --from-taxonomy [row/other-policy]\n"),
        ([row(1, 0.9)], ["-t", "policy.yaml", "--from-taxonomy", "openai-moderation"], 2, "[row/other-policy]\n"),
        ([row(1, 0.9)], ["-t", "own.yaml"], 2, "v.jsonl: row 1: a threshold by category needs a score"),
        ([{"x": 1}], ["-t", "llama-guard-3"], 2, "[row/invalid]\n"),
    ],
)
def test_what_cannot_be_decided(desk: Path, rows: list[dict], arguments: list[str], code: int, message: str) -> None:  # type: ignore[type-arg]
    (desk / "own.yaml").write_text("name: x\nextends: llama-guard-3\ncategories:\n  - {id: S9, threshold: 0.1}\n")
    write(desk / "v.jsonl", rows)
    done = guard("decide", "v.jsonl", *arguments, cwd=desk)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_the_changes_of_many_verdicts_are_counted(desk: Path) -> None:
    write(desk / "v.jsonl", [row(line, line % 1000 / 1000) for line in range(1, 5001)])
    done = guard("decide", "v.jsonl", "-t", "llama-guard-3", "--threshold", "0.7", "--exit-zero", cwd=desk)
    assert done.stderr == "guard: 1,000 of 5,000 verdicts changed, 1,000 unsafe → safe\n"


def test_each_verdict_is_decided_as_it_comes(desk: Path) -> None:
    """The row of the first one is written while the second is not."""
    lines = (desk / "v.jsonl").read_bytes().splitlines(keepends=True)
    command = [*GUARD, "decide", "-t", "llama-guard-3", "--threshold", "0.95"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        decided = []
        for line in lines:
            process.stdin.write(line)
            process.stdin.flush()
            decided.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.read() == b""
    assert [(found["line"], found["verdict"]) for found in decided] == [(1, "safe"), (2, "safe"), (3, "safe")]


def test_llama_cpp_is_not_loaded(desk: Path) -> None:

    arguments = ["decide", str(desk / "v.jsonl"), "-t", "llama-guard-3"]
    code = f"from guardcli.cli.main import main\ntry: main({arguments!r})\nexcept SystemExit: pass"
    assert not {"llama_cpp", "rich", "jinja2"} & loaded_by(code)


def calibration(**changes: Any) -> dict[str, Any]:
    """A calibration of the model and the policy of the rows: 0.2 is 0.33 at its temperature."""
    value: dict[str, Any] = {
        "schema": 1,
        "temperature": 2.0,
        "threshold": 0.33,
        "objective": "f1",
        "model": "renamed@0123456789ab",
        "template": "llama-guard-3-8b",
        "scoring": "verdict",
        "taxonomy": {"name": "llama-guard-3", "prompt": TAXONOMY["prompt"]},
        "fit": None,
    }
    return value | changes


def test_a_calibration_is_applied_and_taken_away_again(desk: Path) -> None:
    (desk / "c.json").write_text(json.dumps(calibration()))
    done = guard("decide", "v.jsonl", "-t", "llama-guard-3", "--calibration", "c.json", cwd=desk)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["verdict"], r["score"], round(r["calibrated"], 3), r["threshold"], r["temperature"]) for r in rows] == [
        ("unsafe", 0.2, 0.333, 0.33, 2.0), ("unsafe", 0.4, 0.449, 0.33, 2.0), ("unsafe", 0.9, 0.75, 0.33, 2.0),
    ]  # fmt: skip
    assert done.stderr == "guard: 2 of 3 verdicts changed, 2 safe → unsafe\n"
    back = guard("decide", "-t", "llama-guard-3", "--exit-zero", stdin=done.stdout)
    assert [json.loads(line) for line in back.stdout.splitlines()] == [
        json.loads(line) for line in (desk / "v.jsonl").read_text().splitlines()
    ]
    assert back.stderr == (
        "guard: 2 of 3 verdicts changed, 2 unsafe → safe\nguard: 3 verdicts had been made of calibrated scores, and "
        "now of raw ones: add --calibration to calibrate them again\n"
    )


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"model": "tiny@ffffffffffff"}, [], "v.jsonl: row 1: the calibration was fitted for the model tiny@ffffffff"),
        ({"taxonomy": {"name": "x", "prompt": "ff"}}, [], "[calibration/other-prompt]\n"),
        ({}, ["-t", "policy.yaml"], "the taxonomy acme has the threshold 0.3, and the calibration 0.33: choose one"),
        ({"temperature": -1}, [], "c.json: not a calibration: expected a temperature from 0.05 to 20, got -1"),
        ({}, ["--calibration", "no.json"], "guard: no.json: no such file [input/not-found]\n"),
    ],
)
def test_a_calibration_that_does_not_fit(
    desk: Path, changes: dict[str, Any], arguments: list[str], message: str
) -> None:
    (desk / "c.json").write_text(json.dumps(calibration(**changes)))
    done = guard("decide", "v.jsonl", "-t", "llama-guard-3", "--calibration", "c.json", *arguments, cwd=desk)
    assert message in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_the_threshold_of_the_policy_is_for_calibrated_scores(desk: Path) -> None:
    (desk / "c.json").write_text(json.dumps(calibration(threshold=None, objective=None)))
    done = guard(
        *("decide", "v.jsonl", "-t", "policy.yaml", "--from-taxonomy", "llama-guard-3", "--calibration", "c.json"),
        cwd=desk,
    )  # fmt: skip
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["unsafe"] * 3
    assert done.stderr.startswith(
        "guard: with a calibration, the thresholds of the taxonomy apply to calibrated scores: 0.3\n"
    )
