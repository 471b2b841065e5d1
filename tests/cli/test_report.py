"""`guard report` from outside: one page, small, and deaf to what a chat log says to a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.running import guard
from tests.rows import row, write

HOSTILE = "</pre><script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    rows = [
        row(1, 0.1, meta={"ts": "2026-01-30T10:00"}),
        row(2, 0.93, id=HOSTILE, text=HOSTILE, categories=["S1", "self-harm"], meta={"ts": "2026-01-31"}),
        row(3, 0.51, source="b.jsonl", text="a secret", meta={}),
        row(4, None, error="not JSON: x"),
    ]
    return write(tmp_path / "v.jsonl", rows)


def test_what_it_tells(verdicts: Path) -> None:
    done = guard("report", verdicts, "-o", "r.html", "--title", "October", "--time", "ts", cwd=verdicts.parent)
    page = (verdicts.parent / "r.html").read_text("utf-8")
    undated = "guard: 2 of 4 rows have no readable date in ts: they are not in the table over time\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", undated)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>")[1]))
    expected = (
        *("October", "4 rows", "2 unsafe (50.00%)", "1 not judged (25.00%)", "tiny@0123456789ab", "llama-guard-3"),
        *(
            "self-harm 1 50.0%",
            "2026-01-31 0 1 0 100.00%",
            "2 of 4 rows have no readable date",
            "b.jsonl 0 1 0 100.00%",
            "not JSON 1",
        ),
    )
    for told in expected:
        assert told in text, told


def test_nothing_in_it_runs_or_is_fetched(verdicts: Path) -> None:
    page = guard("report", verdicts, "--with-text").stdout
    assert page.count("&lt;script&gt;") == 2 * 2  # as id and as text, among the certain and among the borderline
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]""", page.replace("&lt;img src=x", ""))


def test_messages_on_request_only(verdicts: Path) -> None:
    assert "a secret" not in guard("report", verdicts).stdout
    assert "a secret" in guard("report", verdicts, "--with-text").stdout


@pytest.mark.slow
def test_100_000_rows_make_a_small_page(tmp_path: Path) -> None:
    rows = [row(line, line % 997 / 997, source=f"file-{line % 500}", text="x" * 200) for line in range(1, 100_001)]
    write(tmp_path / "v.jsonl", rows)
    page = guard("report", tmp_path / "v.jsonl", "--with-text").stdout
    assert len(page.encode()) < 100_000
    assert "and 480 more" in page


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        ("", [], 3, "there are no verdicts in it"),
        ('{"x":1}\n', [], 2, "[row/invalid]\n"),
        ("", ["-o", "no/where.html"], 2, "[output/not-written]\n"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: str, arguments: list[str], code: int, message: str) -> None:
    (tmp_path / "v.jsonl").write_text(content)
    done = guard("report", "v.jsonl", *arguments, cwd=tmp_path)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize(
    ("values", "code", "told"),
    [
        (["2026-01-31", 1769860800, "1769860800000"], 0, ""),
        (["2026-01-31", "01.05.2026"], 0, "1 of 2 rows have no readable date in ts, such as '01.05.2026'"),
        (["01.05.2026", None], 2, "[option/invalid]\n"),
        ([None, None], 2, "[option/field-not-found]\n"),
    ],
)
def test_rows_without_a_date_are_told(tmp_path: Path, values: list[object], code: int, told: str) -> None:
    write(tmp_path / "v.jsonl", [row(line, 0.1, meta={"ts": value}) for line, value in enumerate(values, start=1)])
    done = guard("report", "v.jsonl", "--time", "ts", "-o", "r.html", cwd=tmp_path)
    assert done.returncode == code
    assert told in done.stderr
    assert bool(told) is bool(done.stderr)
    assert (tmp_path / "r.html").exists() is (code == 0)


def test_a_field_that_no_row_kept_is_an_error(verdicts: Path) -> None:
    done = guard("report", verdicts, "--time", "when")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--time when: no row has this field" in done.stderr


def test_days_beyond_the_table_are_counted(tmp_path: Path) -> None:
    rows = [row(line, 0.1, meta={"ts": 1769860800 + 86400 * line}) for line in range(1, 404)]
    page = guard("report", write(tmp_path / "v.jsonl", rows), "--time", "ts").stdout
    assert page.count("<tr><td>202") == 400
    assert "and 3 later days" in page
