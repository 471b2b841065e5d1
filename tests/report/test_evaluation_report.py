"""An evaluation as text, Markdown, JSON and a page, in which the data can do nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

from guardcli.conversation import Key, Malformed
from guardcli.evaluation import AblationResult, EvalConfig, evaluate
from guardcli.evaluation.datasets import LabeledDataset
from guardcli.evaluation.metrics import ThresholdObjective
from guardcli.report.evaluation_report import EvaluationReport, as_json, as_markdown, as_page, as_text
from tests.evaluation.planted import item, system

HOSTILE = "<script>document.title='owned'</script>|\x1b[31m"
ITEMS = (
    item(1, True, "S1", lang="en"), item(2, False, lang="en"), item(3, True, "S2", lang="th"),
    item(4, False, lang="th"), item(5, True, HOSTILE, lang=HOSTILE),
)  # fmt: skip
ONE = system([0.9, 0.2, 0.3, 0.6, 0.8], categories=[{"S1": 0.9}, {"S1": 0.1}, {"S1": 0.1}, {"S1": 0.2}, {"S1": 0.3}])
TWO = replace(system([0.9, 0.1, 0.8, None, 0.7], name=HOSTILE), seconds=1.5, tokens=1234)


def report(*systems: Any, **config: Any) -> EvaluationReport:
    labelled = LabeledDataset(
        ITEMS,
        (Malformed(Key("set.jsonl", 9), "not JSON", "record/not-json"),),
        Counter({"without a label": 2}),
        Counter({"xstest": 5}),
    )
    evaluation = evaluate(labelled, systems, EvalConfig(num_resamples=100, **config))
    return EvaluationReport(evaluation, {"one": [AblationResult("own removed", 10, 2, 1)]}, "set.jsonl")


def test_as_text() -> None:
    text = as_text(report(ONE), color=False, width=120)
    assert text.startswith(
        "set.jsonl: 5 labelled records, 3 unsafe (60.0%); read as xstest; 2 without a label; "
        "1 cannot be read (line 9: not JSON)\n"
    )
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert "right: unsafe, safe 2, 1" in lines
    assert "missed, false alarms 1, 1" in lines
    assert "not judged 0" in lines
    assert any(line.startswith("S1 1 1.000 (") for line in lines)
    assert "own removed 10 2 0.222 1" in lines
    assert "threshold 0.5" in lines


def test_several_systems_slices_and_thresholds() -> None:
    text = as_text(
        report(
            ONE, TWO, slice_by=("lang",), objectives=(ThresholdObjective("f1"), ThresholdObjective("precision", 0.9))
        ),
        color=False,
        width=160,
    )
    for title in (
        "Against one",
        "By category: one",
        "By lang: one",
        "Threshold for f1: one",
        "Threshold for precision=0.9",
    ):
        assert title in text
    assert "\x1b" not in text
    assert "1,234" in text
    assert "1.5" in text


def test_markdown_is_made_of_tables_that_the_data_cannot_break() -> None:
    markdown = as_markdown(report(ONE, TWO, slice_by=("lang",)))
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) > 20
    for table in re.split(r"\n\n", markdown):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1
    assert "<script" not in markdown.replace("\\<", "")
    linked = as_markdown(report(replace(ONE, name="https://evil.example www.evil.example @octocat")))
    assert "https\\://evil.example www\\.evil.example \\@octocat" in linked


def test_json_has_every_figure_and_null_where_there_is_none() -> None:
    found = json.loads(as_json(report(ONE, TWO, slice_by=("lang",), objectives=(ThresholdObjective("f1"),))))
    assert found["data"] == {
        "source": "set.jsonl", "records": 5, "unsafe": 3, "unreadable": 1, "left_out": {"without a label": 2},
        "read_as": {"xstest": 5},
    }  # fmt: skip
    one, two = found["systems"]
    assert one["counts"] == {"tp": 2, "fp": 1, "fn": 1, "tn": 1}
    assert set(one["auprc"]) == {"value", "low", "high"}
    assert one["categories"]["S1"]["unsafe"] == 1
    assert one["following"][0]["share"] == 2 / 9
    assert [part["value"] for part in one["slices"]] == ["en", "th", HOSTILE]
    assert one["slices"][2]["auprc"] is None
    assert one["missed"] == [{"source": "set.jsonl", "line": 3, "part": None, "id": "i3"}]
    assert (two["errors"], two["tokens"]) == (1, 1234)
    assert found["comparisons"][0]["records"] == 4


def test_the_page_draws_what_there_is_and_runs_nothing() -> None:
    page = as_page(report(ONE, TWO, slice_by=("lang",)), with_text=True)
    assert page.count("<polyline") == 4
    assert page.count('class="bar of-unsafe"') == 2 * 20
    assert "<script" not in page
    assert "text 3" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=", page)
    assert "text 3" not in as_page(report(ONE), with_text=False)


def test_a_page_without_curves() -> None:
    labelled = LabeledDataset(ITEMS[:1])
    page = as_page(EvaluationReport(evaluate(labelled, [system([0.9])]), {}, "x"), with_text=True)
    assert "Precision and recall" not in page
    assert "all 1 items are unsafe" in page
