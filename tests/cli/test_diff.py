"""`guard diff` from outside: two files of verdicts, or two policies on one input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import guard
from tests.report.pages import Page
from tests.rows import row, write

BEFORE = [row(1, 0.2), row(2, 0.4), row(3, 0.9)]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    write(tmp_path / "a.jsonl", BEFORE)
    write(tmp_path / "b.jsonl", [row(1, 0.2), row(2, 0.7, text="<b>hi</b>"), row(3, 0.8)])
    (tmp_path / "old.yaml").write_text("name: old\nextends: llama-guard-3\n")
    (tmp_path / "lax.yaml").write_text("name: lax\nextends: llama-guard-3\nthreshold: 0.9999\n")
    (tmp_path / "other.yaml").write_text("name: other\nextends: llama-guard-3\ndrop: [S13]\n")
    (tmp_path / "chats.txt").write_text("How do I bake bread?\nWhat is a good knife?\n")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "extra", "code", "shown"),
    [
        (("a.jsonl", "b.jsonl"), [], 1, "safe → unsafe (1)"),
        (("a.jsonl", "b.jsonl"), ["--exit-zero"], 0, "agreement 66.67%"),
        (("a.jsonl", "a.jsonl"), [], 0, "agreement 100.00%, 0 verdicts changed"),
    ],
)
def test_two_files(desk: Path, files: tuple[str, ...], extra: list[str], code: int, shown: str) -> None:
    done = guard("diff", *files, *extra, cwd=desk)
    assert shown in done.stdout
    assert (done.returncode, done.stderr) == (code, "")


def test_as_json_and_as_a_page(desk: Path) -> None:
    found = json.loads(guard("diff", "a.jsonl", "b.jsonl", "--format", "json", cwd=desk).stdout)
    assert (found["before"], found["after"], found["changed"]) == ("a.jsonl", "b.jsonl", 1)
    page = guard("diff", "a.jsonl", "b.jsonl", "--format", "html", "--date", "2026-02-01", cwd=desk).stdout
    assert page.startswith("<!doctype html>")
    assert Page(page).root.find("pre") == []
    command = "guard diff a.jsonl b.jsonl --format html --date 2026-02-01"
    assert command in [node.text for node in Page(page).section("origin").find("dd")]
    page = guard("diff", "a.jsonl", "b.jsonl", "--format", "html", "--with-text", cwd=desk).stdout
    assert {node.text for node in Page(page).root.find("pre")} == {"<b>hi</b>"}


@pytest.mark.parametrize(
    ("policies", "code", "verdicts"),
    [
        (("old", "old"), 0, [("unsafe", "unsafe")]),
        (("old", "lax"), 1, [("unsafe", "safe")]),
        (("lax", "old"), 1, [("safe", "unsafe")]),
    ],
)
def test_two_policies_that_read_the_same(
    desk: Path, guard_path: Path, policies: tuple[str, str], code: int, verdicts: list[tuple[str, str]]
) -> None:
    """One run serves both; what the one calls safe and the other does not has its categories read all the same.

    (The random model scores both prompts above 0.9.)
    """
    done = guard("diff", "-t", f"{policies[0]}.yaml", "-t", f"{policies[1]}.yaml", "chats.txt", "-m", guard_path,
                 "--template", "llama-guard-3-8b", "--threads", "1", "--format", "json", cwd=desk)  # fmt: skip
    found = json.loads(done.stdout)
    assert [(pair["before"], pair["after"], pair["rows"]) for pair in found["verdicts"]] == [(*verdicts[0], 2)]
    shown = [row for flip in found["flips"] for pair in flip["rows"] for row in pair]
    assert all(row["categories"] for row in shown if row["verdict"] == "unsafe")
    assert done.returncode == code


def test_two_policies_that_read_otherwise(desk: Path, guard_path: Path) -> None:
    done = guard("diff", "-t", "old.yaml", "-t", "other.yaml", "chats.txt", "-m", guard_path, "--template",
                 "llama-guard-3-8b", "--threads", "1", "--format", "json", "--exit-zero", cwd=desk)  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["matched"], found["unmatched"]) == (2, [0, 0])
    assert len(found["moves"]) == 2  # other words before the conversation, other scores
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jsonl"], "name two files of verdicts, or two policies with -t and the files to judge"),
        (["-t", "old.yaml", "chats.txt"], "give -t/--taxonomy twice"),
        (["a.jsonl", "missing.jsonl"], "missing.jsonl: no such file"),
        (["a.jsonl", "chats.txt"], "chats.txt:1: not a verdict row; expected what guard check --format json"),
        (["-t", "old.yaml", "-t", "missing.yaml", "chats.txt"], "missing.yaml"),
    ],
)
def test_usage_errors(desk: Path, arguments: list[str], message: str) -> None:
    done = guard("diff", *arguments, cwd=desk)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_with_text_says_that_no_row_has_a_message(desk: Path) -> None:
    done = guard("diff", "a.jsonl", "a.jsonl", "--with-text", "--format", "html", cwd=desk)
    assert done.stderr == "guard: --with-text: no row has its message; guard check --with-text puts it there\n"
    assert done.returncode == 0


def test_policies_are_not_read_as_verdicts(desk: Path) -> None:
    done = guard("diff", "old.yaml", "lax.yaml", cwd=desk)
    assert "old.yaml is a policy: compare two with -t BEFORE -t AFTER" in " ".join(done.stderr.split())
    assert done.returncode == 2
