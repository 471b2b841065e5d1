"""Rows that version 0.1 wrote (tests/golden/schema-1) go through every command that reads rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import guard

ROWS = Path(__file__).parents[1] / "golden" / "schema-1"


UNKNOWN, NOT_READ = "tolerance_unknown", "categories_not_read"


@pytest.mark.parametrize(
    ("name", "threshold", "safe_row", "error_flags"),
    [
        ("verdict", "0.5", ("safe", [], []), []),
        ("verdict", "0.0001", ("unsafe", None, [NOT_READ, UNKNOWN]), [UNKNOWN]),
        ("scores", "0.0001", ("unsafe", ["S1"], [NOT_READ, UNKNOWN]), [UNKNOWN]),
        ("each", "0.5", ("safe", [], []), []),
    ],
)
def test_decide(
    name: str, threshold: str, safe_row: tuple[str, list[str] | None, list[str]], error_flags: list[str]
) -> None:
    done = guard("decide", ROWS / f"{name}.jsonl", "-t", "llama-guard-3", "--threshold", threshold)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [row["schema"] for row in rows]) == (3, [2, 2, 2])
    decided = [(row["verdict"], row["categories"], row["flags"]) for row in rows]
    assert decided == [safe_row, safe_row, ("error", [], error_flags)]


def test_per_category_row_gets_the_new_name_of_its_scoring() -> None:
    done = guard("decide", ROWS / "each.jsonl", "-t", "llama-guard-3", "--threshold", "0.0001")
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["scoring"], first["verdict"], len(first["categories"])) == ("per_category", "unsafe", 14)


def test_report_and_diff(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert guard("report", ROWS / "verdict.jsonl", "-o", page).returncode == 0
    assert "3" in page.read_text("utf-8")
    done = guard("diff", ROWS / "verdict.jsonl", ROWS / "each.jsonl", "--format", "json")
    assert json.loads(done.stdout)["verdicts"] == [
        {"before": "error", "after": "error", "rows": 1},
        {"before": "safe", "after": "safe", "rows": 2},
    ]


def test_eval(tmp_path: Path) -> None:
    records = (ROWS / "chats.jsonl").read_text("utf-8").splitlines()
    labeled = [json.loads(record) | {"label": label} for record, label in zip(records, (0, 1, 0), strict=True)]
    (tmp_path / "chats.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in labeled))
    done = guard("eval", tmp_path / "chats.jsonl", "--verdicts", ROWS / "verdict.jsonl", "--format", "json")
    (system,) = json.loads(done.stdout)["systems"]
    assert (system["errors"], system["counts"]) == (1, {"tp": 0, "fp": 0, "fn": 1, "tn": 1})
