"""`guard report` from outside: one page, small, and deaf to what a chat log says to a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardcli import __version__
from guardcli.report.explanations import FLAGS
from guardcli.taxonomy import Taxonomy
from tests.cli.running import guard
from tests.cli.test_check import at_a_terminal
from tests.report.pages import Page, assert_inert
from tests.rows import TAXONOMY, row, write

BUNDLED = Taxonomy.load("llama-guard-3")
MEANINGS = {category.id: category.description or "" for category in BUNDLED.categories}
LLAMA_GUARD_3 = TAXONOMY | {"prompt": BUNDLED.prompt_digest}

HOSTILE = "</pre><script>document.title='owned'</script><img src=x onerror=alert(1)>"


@pytest.fixture
def verdicts(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        row(1, 0.1, meta={"ts": "2026-01-30T10:00"}),
        row(2, 0.93, id=HOSTILE, text=HOSTILE, categories=["S1", "self-harm"], meta={"ts": "2026-01-31"}),
        row(3, 0.51, source="b.jsonl", flags=["near_threshold"], meta={}),
        row(4, None, error="not JSON: x"),
    ]
    return write(tmp_path / "v.jsonl", [one | {"taxonomy": LLAMA_GUARD_3} for one in rows])


def report(*arguments: str | Path, cwd: Path | None = None) -> Page:
    """The page on stdout."""
    done = guard("report", *arguments, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return Page(done.stdout)


def test_what_it_tells(verdicts: Path) -> None:
    done = guard("report", verdicts, "-o", "r.html", "--title", "October", "--time", "ts", cwd=verdicts.parent)
    undated = "guard: 2 of 4 rows have no readable date in ts: they are not in the chart over time\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{undated}guard: wrote r.html\n")
    page = Page((verdicts.parent / "r.html").read_text("utf-8"))
    assert page.title == "October"
    assert page.finding == (
        "2 of 4 rows (50.00%) are unsafe, most often for S1 Violent Crimes (50% of them). "
        "1 (25.00%) could not be judged."
    )
    figures = [figure.text for figure in page.root.find("div", class_="figure")]
    assert figures == ["4 rows", "1 safe (25.00%)", "2 unsafe (50.00%)", "1 not judged (25.00%)"]
    assert [row[:3] for row in page.rows("categories")] == [
        ["Violent Crimes S1 " + MEANINGS["S1"], "1", "50.0%"],
        ["self-harm", "1", "50.0%"],
        ["Indiscriminate Weapons S9 " + MEANINGS["S9"], "1", "50.0%"],
    ]
    assert page.rows("time") == [["2026-01-30", "1", "0", "0", "0.00%"], ["2026-01-31", "0", "1", "0", "100.00%"]]
    assert "2 of 4 rows have no readable date" in page.section("time").text
    assert page.rows("sources") == [["chats.jsonl", "1", "1", "1", "33.33%"], ["b.jsonl", "0", "1", "0", "100.00%"]]
    assert page.rows("errors") == [["not JSON", "1"]]
    assert page.rows("flags") == [["near_threshold", FLAGS["near_threshold"], "1"]]


def test_where_the_page_comes_from(verdicts: Path) -> None:
    page = report("v.jsonl", "--date", "2026-02-01", "--title", "It's", cwd=verdicts.parent)
    terms = dict(zip(*([node.text for node in page.section("origin").find(tag)] for tag in ("dt", "dd")), strict=True))
    assert terms == {
        "rows": "4",
        "model, with its digest": "tiny@0123456789ab",
        "prompt template": "llama-guard-3-8b",
        "taxonomy": "llama-guard-3",
        "digest of the prompt": BUNDLED.prompt_digest,
        "digest of the decision": TAXONOMY["decision"],
        "command": "guard report v.jsonl --date 2026-02-01 --title 'It'\"'\"'s'",
        "guard": __version__,
    }
    assert page.root.find("p", class_="quiet")[0].text == "2026-02-01"
    assert "2026-02-01" not in report("v.jsonl", cwd=verdicts.parent).text


@pytest.mark.parametrize("date", ["yesterday", "01.02.2026", "2026-13-01"])
def test_a_date_that_is_none(verdicts: Path, date: str) -> None:
    done = guard("report", verdicts, "--date", date)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected 2026-01-31 or today" in done.stderr


def test_the_names_of_a_policy_of_ones_own(tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\ncategories: [{id: S1, name: Spoilers, description: Ends of films.}]\n")
    taxonomy = {"name": "mine", "prompt": Taxonomy.load(policy).prompt_digest, "decision": "0"}
    verdicts = write(tmp_path / "v.jsonl", [row(1, 0.9, taxonomy=taxonomy, categories=["S1"])])
    assert report(verdicts).rows("categories")[0][0] == "S1"
    assert report(verdicts, "-t", policy).rows("categories")[0][0] == "Spoilers S1 Ends of films."
    done = guard("report", verdicts, "-t", "llama-guard-3")
    assert done.returncode == 0
    assert "-t llama-guard-3: no row was judged by this policy" in done.stderr


@pytest.mark.parametrize("model", ["SmolLM2@0123456789ab+smol-guard@0123456789ab:1.0", "starter@0123456789ab"])
def test_a_small_model_has_a_banner(tmp_path: Path, verdicts: Path, model: str) -> None:
    rows = write(tmp_path / "small.jsonl", [row(1, 0.1, model=model)])
    (banner,) = report(rows).root.find("p", class_="banner")
    assert banner.text.startswith(f"Made with a small model. {model} is often wrong")
    assert report(verdicts).root.find("p", class_="banner") == []


def test_the_slider_has_what_every_threshold_flags(verdicts: Path) -> None:
    page = report(verdicts)
    (slider,) = page.root.find("div", class_="slider")
    data = json.loads(slider.attributes["data-choices"])
    assert (data["threshold"], data["steps"], len(data["all"])) == (0.5, 1000, 1000)
    assert [data["all"][step] for step in (0, 100, 101, 510, 511, 930, 931)] == [3, 3, 2, 2, 1, 1, 0]
    assert slider.attributes["data-flagged"] == "2"
    assert [marker.text for marker in page.root.find("div", class_="marker")] == ["threshold 0.5", ""]
    assert page.rows("scores")[0] == ["0.1", "3", "100.00%"]
    assert page.rows("scores")[5:7] == [["0.6", "1", "33.33%"], ["0.7", "1", "33.33%"]]


@pytest.mark.parametrize(
    "rows",
    [
        [row(1, 0.4, threshold=0.3, verdict="unsafe", categories=["S1"]), row(2, 0.6)],
        [row(1, 0.4, scoring="per_category", category_scores={"S1": 0.4}, verdict="unsafe", categories=["S1"])],
        [row(1, 0.6, calibrated=0.55, temperature=2.0), row(2, 0.6, calibrated=0.52, temperature=5.0)],
    ],
)
def test_verdicts_that_no_single_threshold_made_have_no_slider(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    page = report(write(tmp_path / "v.jsonl", rows))
    assert page.root.find("div", class_="slider") == []
    assert "do not follow from one threshold" in page.section("scores").text


def test_a_page_says_that_scores_are_calibrated(tmp_path: Path) -> None:
    calibrated = row(1, 0.2, calibrated=1 / 3, temperature=2.0, threshold=0.3, verdict="unsafe", categories=["S1"])
    page = report(write(tmp_path / "v.jsonl", [calibrated, row(2, 0.1, threshold=0.3)]))
    assert "Scores are calibrated, at temperature 2." in page.section("scores").text
    assert page.rows("scores")[2][:2] == ["0.3", "1"]


def test_examples_of_every_category(verdicts: Path) -> None:
    section = report(verdicts).section("examples")
    assert [heading.text for heading in section.find("h3")] == [
        *("Violent Crimes S1", "self-harm", "Indiscriminate Weapons S9"),
        "Near the threshold",
    ]
    rows = [[cell.text for cell in body.find("td")] for body in section.find("tbody")]
    assert rows[0] == ["unsafe", "0.9300", "0.5", "S1 Violent Crimes, self-harm", "chats.jsonl:2 user#1"]
    assert rows[2] == ["unsafe", "0.5100", "0.5", "S9 Indiscriminate Weapons", "b.jsonl:3 user#1"]


@pytest.mark.parametrize(
    ("rows", "headings"),
    [
        ([row(1, 0.01), row(2, 0.02)], []),
        ([row(1, 0.01), row(2, 0.4)], ["Near the threshold"]),
        ([row(1, 0.9686)], ["Indiscriminate Weapons S9"]),
        ([row(line, 0.9 + line / 100) for line in range(1, 4)], ["Indiscriminate Weapons S9"]),
        ([row(line, 0.9 + line / 100) for line in range(1, 5)], ["The highest scores of all"]),
        (
            [*(row(line, 0.9 + line / 100) for line in range(1, 5)), row(5, 0.7, categories=["S1"])],
            ["Indiscriminate Weapons S9", "Violent Crimes S1", "The highest scores of all"],
        ),
    ],
)
def test_examples_are_near_what_they_are_examples_of_and_not_shown_twice(
    tmp_path: Path, rows: list[dict[str, Any]], headings: list[str]
) -> None:
    page = report(write(tmp_path / "v.jsonl", [one | {"taxonomy": LLAMA_GUARD_3} for one in rows]))
    shown = [node.text for node in page.section("examples").find("h3")] if page.has_section("examples") else []
    assert shown == headings


def test_nothing_in_it_runs_or_is_fetched(verdicts: Path) -> None:
    done = guard("report", verdicts, "--with-text", "--title", HOSTILE)
    assert_inert(done.stdout)
    assert Page(done.stdout).title == HOSTILE
    assert HOSTILE in [node.text for node in Page(done.stdout).root.find("pre")]


def test_messages_and_ids_on_request_only(tmp_path: Path) -> None:
    planted = {
        "id": "planted-id",
        "text": "planted-text",
        "meta": {"ts": "2026-01-31", "planted-key": "planted-value"},
        "unread": ["planted-path"],
        "skipped": {"planted-kind": 1},
        "planted-field": "planted-extra",
    }
    rows = [row(1, 0.9, **planted), row(2, None, **planted | {"error": "no 'planted-quote': planted-detail"})]
    verdicts = write(tmp_path / "v.jsonl", rows)
    without, with_text = (report(verdicts, "--time", "ts", *options) for options in ([], ["--with-text"]))
    assert "planted" not in without.text
    assert [pre.text for pre in with_text.root.find("pre")] == ["planted-text"]
    assert "chats.jsonl:1 user#1 planted-id" in with_text.text
    assert not any("planted" in (value or "") for node in without.root.walk() for value in node.attributes.values())


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    page = report(write(tmp_path / "v.jsonl", [row(1, 0.9, text="x" * 5_000)]), "--with-text")
    assert page.root.find("pre")[0].text == "x" * 2_000 + "… (3,000 more characters)"


@pytest.mark.slow
def test_100_000_rows_make_a_small_page(tmp_path: Path) -> None:
    rows = [
        row(
            line, line % 997 / 997, source=f"file-{line % 600}", text="\u202e<" * 5_000, id="<" * 1_000,
            categories=[f"{'<' * 300}{line % 400}"] if line % 997 / 997 >= 0.5 else [], flags=[f"{line}<"],
        )
        for line in range(1, 2_001)
    ]  # fmt: skip
    rows += [row(line, line % 997 / 997, source=f"file-{line % 600}") for line in range(2_001, 100_001)]
    page = guard("report", write(tmp_path / "v.jsonl", rows), "--with-text").stdout
    assert len(page.encode()) < 5_000_000
    assert "and 100 more sources" in Page(page).section("sources").text


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        ("", [], 3, "the input has no verdicts: the page is empty"),
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
    assert len(done.stderr.splitlines()) == bool(told) + (code == 0)
    assert (tmp_path / "r.html").exists() is (code == 0)


def test_a_field_that_no_row_kept_is_an_error(verdicts: Path) -> None:
    done = guard("report", verdicts, "--time", "when")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--time when: no row has this field" in done.stderr


def test_days_beyond_the_table_are_counted(tmp_path: Path) -> None:
    rows = [row(line, 0.1, meta={"ts": 1769860800 + 86400 * line}) for line in range(1, 404)]
    page = report(write(tmp_path / "v.jsonl", rows), "--time", "ts")
    assert len(page.rows("time")) == 400
    assert "and 3 later days" in page.section("time").text
    bars = [bar.attributes["title"] for bar in page.section("time").find("div") if "title" in bar.attributes]
    assert len(bars) == 14  # months: too many days for a bar each
    assert bars[0] == "2026-02: 0 of 28 (0.00%)"


def test_with_text_says_that_no_row_has_a_message(tmp_path: Path) -> None:
    rows = write(tmp_path / "v.jsonl", [row(1, 0.1), row(2, 0.9)])
    done = guard("report", rows, "--with-text", "-o", tmp_path / "page.html")
    assert done.stderr == (
        "guard: --with-text: no row has its message; guard check --with-text puts it there\n"
        f"guard: wrote {tmp_path / 'page.html'}\n"
    )
    assert done.returncode == 0


@pytest.mark.parametrize("words", [["report", "v.jsonl"], ["diff", "v.jsonl", "v.jsonl", "--format", "html"]])
def test_a_page_does_not_fill_a_terminal(verdicts: Path, words: list[str]) -> None:
    shown, code = at_a_terminal(*words, cwd=verdicts.parent)
    assert "name a file with -o" in " ".join(shown.split())
    assert "<html" not in shown
    assert code == 2
