"""The pages in a real browser: what a chat log says to it does not run, and nothing is fetched. Needs Chromium."""

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


def _evaluation() -> evaluation_report.Report:
    found = [item(1, True, HOSTILE, x=HOSTILE), item(2, False, x="b")]
    said = Conversation((Message("user", HOSTILE),), HOSTILE)
    found = [replace(one, record=Record(Key(HOSTILE, 1, id=HOSTILE), said, one.fields)) for one in found]
    systems = [system([0.2, 0.9], name=HOSTILE), system([0.2, None], name="b")]
    return evaluation_report.Report(
        evaluate(LabeledDataset(tuple(found)), systems, EvalConfig(slice_by=("x",), num_resamples=100)), {}, HOSTILE
    )


@pytest.mark.parametrize("name", ["diff", "audit", "evaluation"])
def test_nothing_of_a_chat_log_runs(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.html").write_text(pages()[name], "utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", (tmp_path / "page.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    title = dom.split("<title>")[1].split("</title>")[0]
    assert title != "owned"
    assert title in ("Verdicts that changed", "Evaluation") or title.startswith("&lt;script&gt;")
    for tag in ("<script", "<img", "<svg onload", "<a "):
        assert tag not in dom
    assert dom.count("&lt;script&gt;") > 3
