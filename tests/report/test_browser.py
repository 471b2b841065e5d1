"""The pages in a real browser: what a chat log says to it does not run, and the page's own script does its work.

Needs Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from guardcli.conversation import Conversation, Key, Message, Record
from guardcli.evaluation import EvalConfig, evaluate
from guardcli.evaluation.comparison import compare_runs
from guardcli.evaluation.datasets import LabeledDataset
from guardcli.judging.summary import summarize
from guardcli.report import audit_report, diff_report, evaluation_report
from tests.evaluation.planted import item, system
from tests.report.pages import TAGS, Page
from tests.rows import verdict

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=2000", "--dump-dom"),
)
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "\"'><svg onload=\"document.title='owned'\"><a href=\"javascript:document.title='owned'\">x</a>"
)
MADE_BY_SCRIPT = {"button"}

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]


def pages() -> dict[str, str]:
    before = [verdict(1, 0.2, id=HOSTILE, text=HOSTILE, source=HOSTILE)]
    after = [verdict(1, 0.9, id=HOSTILE, text=HOSTILE, source=HOSTILE, categories=[HOSTILE], flags=[HOSTILE])]
    error = [verdict(2, None, error=HOSTILE, source="b")]
    return {
        "diff": diff_report.as_page(compare_runs(before, after), HOSTILE, HOSTILE, with_text=True),
        "evaluation": evaluation_report.as_page(_evaluation(), with_text=True),
        "audit": audit_report.as_page(summarize([*after, *error]), HOSTILE, with_text=True),
    }


def _evaluation() -> evaluation_report.EvaluationReport:
    samples = [item(1, True, HOSTILE, x=HOSTILE), item(2, False, x="b")]
    said = Conversation((Message("user", HOSTILE),), HOSTILE)
    samples = [replace(one, record=Record(Key(HOSTILE, 1, id=HOSTILE), said, one.fields)) for one in samples]
    systems = [system([0.2, 0.9], name=HOSTILE), system([0.2, None], name="b")]
    evaluation = evaluate(LabeledDataset(tuple(samples)), systems, EvalConfig(slice_by=("x",), num_resamples=100))
    return evaluation_report.EvaluationReport(evaluation, {}, HOSTILE)


def dom(folder: Path, html: str, *, then: str = "") -> Page:
    """The page as the browser has it once its scripts have run, and then a script of the test's own.

    The page's policy allows no such script: the test takes the policy out for it.
    """
    if then:
        html = html.replace('http-equiv="Content-Security-Policy"', 'name="none"')
        html = html.replace("</body>", f"<script>{then}</script></body>")
    (folder / "page.html").write_text(html, "utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'browser'}", (folder / "page.html").as_uri()]
    return Page(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)


def type_into(selector: str, value: str) -> str:
    """A script that writes into an input."""
    return (
        f"const input = document.querySelector('{selector}'); input.value = '{value}';"
        "input.dispatchEvent(new Event('input'));"
    )


@pytest.mark.parametrize("name", ["diff", "audit", "evaluation"])
def test_nothing_of_a_chat_log_runs(tmp_path: Path, name: str) -> None:
    page = dom(tmp_path, pages()[name])
    assert page.title == {"diff": "Verdicts that changed", "audit": HOSTILE, "evaluation": "Evaluation"}[name]
    assert {node.tag for node in page.root.walk()[1:]} <= TAGS | MADE_BY_SCRIPT
    assert len(page.root.find("script")) == 1
    assert page.root.find("button")  # the page's own script has run
    assert HOSTILE in [node.text for node in page.root.find("pre")]


def test_a_script_in_the_page_does_not_run(tmp_path: Path) -> None:
    """Even if a value were not escaped."""
    html = pages()["audit"].replace("<body>", "<body><script>document.title='owned'</script>")
    assert dom(tmp_path, html).title == HOSTILE


SCORES = [0.1, 0.2, 0.3, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95]


def audit_page() -> str:
    rows = [verdict(line, score, source=f"file-{line}") for line, score in enumerate(SCORES, start=1)]
    return audit_report.as_page(summarize(rows), "An audit", with_text=False)


def test_the_slider_says_what_another_threshold_flags(tmp_path: Path) -> None:
    move = type_into("input[type=range]", "700")
    page = dom(tmp_path, audit_page(), then=move)
    (slider,) = page.root.find("div", class_="slider")
    assert "hidden" not in slider.attributes
    (output,) = slider.find("output")
    assert output.text == "At 0.700 the guard flags 4 rows (40.00%), 3 fewer than now."
    (marker,) = page.root.find("div", class_="other")
    assert ("hidden" in marker.attributes, marker.attributes["style"]) == (False, "left: 70%;")


def test_a_threshold_can_be_typed(tmp_path: Path) -> None:
    samples = [item(line, line > 4) for line in range(1, len(SCORES) + 1)]
    evaluation = evaluate(LabeledDataset(tuple(samples)), [system(SCORES)], EvalConfig(num_resamples=100))
    html = evaluation_report.as_page(evaluation_report.EvaluationReport(evaluation, {}, "x"), with_text=False)
    write = type_into("input[type=number]", "0.61")
    (output,) = dom(tmp_path, html, then=write).root.find("output")
    assert output.text == (
        "At 0.610 the guard flags 5 of 6 unsafe records (recall 0.833) and 0 of 4 safe ones "
        "(false positive rate 0.000): precision 1.000, F1 0.909."
    )


def test_tables_are_sorted_and_filtered(tmp_path: Path) -> None:
    rows = [verdict(line, 0.9 if line % 3 else 0.1, source=f"file-{line}") for line in range(1, 21)]
    html = audit_report.as_page(summarize(rows), "An audit", with_text=False)
    click = "document.querySelectorAll('#sources ~ .scroll th button')[0].click();" * 2  # descending
    names = [row[0] for row in dom(tmp_path, html, then=click).rows("sources")]
    assert names == sorted((f"file-{line}" for line in range(1, 21)), reverse=True)
    click = "document.querySelectorAll('#sources ~ .scroll th button')[4].click();"
    shares = [row[4] for row in dom(tmp_path, html, then=click).rows("sources")]
    assert shares == ["0.00%"] * 6 + ["100.00%"] * 14  # as numbers, not as text
    write = type_into("#sources ~ .filter", "FILE-2")
    section = dom(tmp_path, html, then=write).section("sources")
    shown = [row for row in section.find("tr")[1:] if "hidden" not in row.attributes]
    assert [row.find("td")[0].text for row in shown] == ["file-2", "file-20"]


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("name", ["diff", "audit", "evaluation"])
def test_no_page_is_wider_than_the_window(tmp_path: Path, name: str, width: int) -> None:
    """Wide tables scroll by themselves."""
    inner = pages()[name].replace('http-equiv="Content-Security-Policy"', 'name="none"')
    (tmp_path / "inner.html").write_text(inner, "utf-8")
    outer = (
        f"<!doctype html><html><head><title>x</title></head><body><iframe src=inner.html width={width} height=800>"
        "</iframe><script>onload = () => { const page = document.querySelector('iframe').contentDocument;"
        "document.title = page.documentElement.scrollWidth; }</script></body></html>"
    )
    (tmp_path / "outer.html").write_text(outer, "utf-8")
    flags = ["--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'browser'}"]
    command = [str(CHROMIUM), *FLAGS, *flags, (tmp_path / "outer.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert int(shown.split("<title>")[1].split("</title>")[0]) <= width
