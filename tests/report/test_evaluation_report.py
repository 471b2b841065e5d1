"""An evaluation as text, Markdown, JSON and a page, in which the data can do nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from guardcli.conversation import Conversation, Key, Malformed, Message
from guardcli.evaluation import EvalConfig, GateResult, ProbeResult, Steerability, evaluate
from guardcli.evaluation.datasets import LabeledDataset
from guardcli.evaluation.metrics import ThresholdObjective
from guardcli.evaluation.probe_policies import PROBES
from guardcli.judging import FitReport
from guardcli.judging.calibration import BeforeAfter
from guardcli.report.evaluation_report import EvaluationReport, as_json, as_markdown, as_page, as_text
from guardcli.report.evaluation_report.tables import tables
from guardcli.report.explanations import TERMS
from guardcli.taxonomy import Taxonomy
from tests.evaluation.planted import item, system
from tests.judging.test_calibration import FITTED
from tests.report.pages import Node, Page, assert_inert
from tests.rows import verdict

STEERABILITY = Steerability(
    num_flagged=10,
    num_passed=4,
    left_out={"not flagged": 2},
    num_policies=3,
    results=(
        ProbeResult(probe="own removed", expected="turns safe", num_records=10, num_right=7, num_errors=1),
        ProbeResult(probe="inverted", expected="turns safe", inapplicable="no descriptions"),
        ProbeResult(probe="shuffled", expected="stays unsafe", num_records=10, num_right=10),
    ),
)
HOSTILE = "<script>document.title='owned'</script>|\x1b[31m"
ITEMS = (
    item(1, True, "S1", lang="en"), item(2, False, lang="en"), item(3, True, "S2", lang="th"),
    item(4, False, lang="th"), item(5, True, HOSTILE, lang=HOSTILE),
)  # fmt: skip
ONE = system([0.9, 0.2, 0.3, 0.6, 0.8], categories=[{"S1": 0.9}, {"S1": 0.1}, {"S1": 0.1}, {"S1": 0.2}, {"S1": 0.3}])
TWO = replace(system([0.9, 0.1, 0.8, None, 0.7], name=HOSTILE), seconds=1.5, tokens=1234)


def fit_report(*, calibration_error: tuple[float, float]) -> FitReport:
    assert FITTED.fit_report is not None
    return replace(FITTED.fit_report, calibration_error=BeforeAfter(*calibration_error))


def report(*systems: Any, **config: Any) -> EvaluationReport:
    labeled = LabeledDataset(
        ITEMS,
        (Malformed(Key("set.jsonl", 9), "not JSON", "record/not-json"),),
        Counter({"without a label": 2}),
        Counter({"xstest": 5}),
    )
    evaluation = evaluate(labeled, systems, EvalConfig(num_resamples=100, **config))
    return EvaluationReport(evaluation, {"one": STEERABILITY}, "set.jsonl")


def test_as_text() -> None:
    text = as_text(report(ONE), color=False, width=120)
    assert text.startswith(
        "set.jsonl: 5 labeled records, 3 unsafe (60.0%); read as xstest; 2 without a label; "
        "1 cannot be read (line 9: not JSON)\n"
    )
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert "TP, TN 2, 1" in lines
    assert "FN, FP 1, 1" in lines
    assert "not judged 0" in lines
    assert "S1 1 1.000 1.000 1.000" in lines  # of one record: an interval would look certain
    assert "own removed turns safe 10 7 0.778 (0.453, 0.937) 1" in lines
    assert "inverted turns safe - - - -" in lines
    assert "turns when it should 0.778 (0.453, 0.937)" in lines
    assert "stays when it should 1.000 (0.722, 1.000)" in lines
    note = (
        "Judged again: 10 unsafe records flagged for a category of their labels and 4 safe records that pass, as "
        "20 prompts under changed policies (3). Unsafe records left out: 2 not flagged. Not applicable: inverted (no "
        "descriptions). In brackets: Wilson's 95% interval."
    )
    assert note in lines
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


@pytest.mark.parametrize(("after", "fell"), [(0.1, True), (0.2, False), (0.3, False)])
def test_what_a_calibration_changes(after: float, fell: bool) -> None:
    shown = replace(report(ONE), calibration=replace(FITTED, fit_report=fit_report(calibration_error=(0.2, after))))
    table = list(tables(shown))[-1]
    assert table.title == "Calibration: llama-guard-3-8b@ab12cd34ef56"
    assert table.rows == (
        ("log-loss", "0.500", "0.400"),
        ("calibration error", "0.200", f"{after:.3f}"),
        ("threshold for fpr=0.05", "-", "0.4"),
    )
    assert table.note.startswith("Temperature 2.5, fitted on 200 records, 80 unsafe. The figures are optimistic")
    assert ("The calibration error did not fall" in table.note) is not fell


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
    assert two["steerability"] is None
    measured = one["steerability"]
    assert {name: measured[name] for name in ("flagged", "passed", "prompts", "policies", "left_out")} == {
        "flagged": 10, "passed": 4, "prompts": 20, "policies": 3, "left_out": {"not flagged": 2}
    }  # fmt: skip
    assert measured["turned"] == measured["probes"][0]["share"]
    assert measured["turned"]["value"] == 7 / 9
    assert measured["probes"][1] == {
        "policy": "inverted", "expected": "turns safe", "records": 0, "right": 0, "errors": 0, "share": None,
        "inapplicable": "no descriptions",
    }  # fmt: skip
    assert [part["value"] for part in one["slices"]] == ["en", "th", HOSTILE]
    assert one["slices"][2]["auprc"] is None
    assert one["missed"] == [{"source": "set.jsonl", "line": 3, "part": None, "id": "i3"}]
    assert (two["errors"], two["tokens"]) == (1, 1234)
    assert found["comparisons"][0]["records"] == 4


def test_the_page_draws_what_there_is_and_runs_nothing() -> None:
    html = as_page(report(ONE, TWO, slice_by=("lang",)), with_text=True)
    assert_inert(html)
    page = Page(html)
    curves, reliability = page.root.find("svg")
    assert [len(svg.find("polyline")) for svg in (curves, reliability)] == [2, 2]
    first, second = curves.find("circle", class_="operating")
    assert (first.attributes["cx"], first.attributes["cy"]) == ("66.67", "33.33")  # recall 2/3, precision 2/3
    assert (second.attributes["cx"], second.attributes["cy"]) == ("100.00", "0.00")
    assert len(page.root.find("div", class_="of-unsafe")) == 2 * 20
    assert [marker.text for marker in page.root.find("div", class_="marker") if marker.text] == ["threshold 0.5"] * 2
    assert "text 3" in [node.text for node in page.root.find("pre")]


def test_the_page_begins_with_what_was_found() -> None:
    page = Page(as_page(report(ONE), with_text=False))
    assert page.finding == (
        "one flags 2 of 3 (66.7%) unsafe records and 1 of 2 (50.0%) safe ones at a threshold of 0.5 (AUPRC 0.917)."
    )
    page = Page(as_page(report(replace(ONE, name="a"), replace(TWO, name="b")), with_text=False))
    assert page.finding.endswith("(AUPRC 0.917); of 2 systems b ranks best (AUPRC 1.000).")
    page = Page(as_page(report(TWO), with_text=False))
    assert page.finding.endswith("(AUPRC 1.000); it could not judge 1 record.")


def test_the_page_has_the_confusion_matrix_and_what_other_thresholds_give() -> None:
    page = Page(as_page(report(ONE), with_text=False))
    (matrix,) = page.root.find("table", class_="confusion")
    assert [cell.text for cell in matrix.find("td")] == ["2 found", "1 missed", "1 false alarms", "1 passed"]
    (slider,) = page.root.find("div", class_="slider")
    data = json.loads(slider.attributes["data-choices"] or "")
    assert [(data["unsafe"][at], data["safe"][at]) for at in (0, 200, 201, 300, 301, 601, 801, 901)] == [
        *((3, 2), (3, 2), (3, 1), (3, 1), (2, 1), (2, 0), (1, 0), (0, 0)),
    ]
    rows = {row[0]: row[1:] for row in page.rows("scores") if len(row) == 5}
    assert rows["0.7"] == ["2", "1.000", "0.667", "0.000"]
    assert rows["0.3"] == ["4", "0.750", "1.000", "0.500"]


def test_verdicts_that_no_single_threshold_made_have_no_slider() -> None:
    odd = replace(ONE, predictions=(replace(ONE.predictions[0], unsafe=False), *ONE.predictions[1:]))
    page = Page(as_page(report(odd), with_text=False))
    assert page.root.find("div", class_="slider") == []
    assert "do not follow from one threshold" in page.section("scores").text


def test_the_page_says_which_gates_passed() -> None:
    gates = (
        GateResult(system="one", metric="AUPRC", side="min", limit=0.9, value=0.9167),
        GateResult(system="one", metric="false positive rate", side="max", limit=0.05, value=0.5),
        GateResult(system="one", metric="precision", side="min", limit=0.0, value=None),
    )
    page = Page(as_page(replace(report(ONE), gates=gates), with_text=False))
    assert page.rows("gates") == [
        ["passed", "one", "AUPRC ≥ 0.9", "0.9167"],
        ["failed", "one", "false positive rate ≤ 0.05", "0.5000"],
        ["failed", "one", "precision ≥ 0", "undefined"],
    ]
    for of, said in (
        (gates, "2 of 3 gates failed"),
        (gates[:1], "1 of 1 gate passed"),
        (gates[:1] * 2, "2 of 2 gates passed"),
    ):
        shown = replace(report(ONE), gates=of)
        page = Page(as_page(shown, with_text=False))
        assert page.finding.endswith(f"(AUPRC 0.917). {said}.")
        (tile,) = [figure for figure in figures(shown) if "gate" in figure.text]
        assert tile.text == said
        assert [node.attributes["class"] for node in tile.find("b")] == ["unsafe" if "failed" in said else "safe"]
    assert not Page(as_page(report(ONE), with_text=False)).has_section("gates")


def test_the_page_names_categories_and_models() -> None:
    bundled = Taxonomy.load("llama-guard-3")
    digests = {"name": bundled.name, "prompt": bundled.prompt_digest, "decision": bundled.decision_digest}
    row = verdict(1, 0.9, taxonomy=digests, model="smol-guard@0123456789ab")
    judged = replace(ONE, predictions=(replace(ONE.predictions[0], verdicts=(row,)), *ONE.predictions[1:]))
    page = Page(as_page(report(judged), with_text=False))
    categories = [row[0] for row in page.rows("metrics") if row[0].startswith("Violent Crimes S1 Violence against")]
    assert len(categories) == 1
    assert "smol-guard@0123456789ab" in page.section("origin").text
    assert len(page.root.find("p", class_="banner")) == 1
    assert [row[2] for row in page.rows("mistakes")] == ["S1 Violent Crimes"] * 2


def test_messages_and_ids_are_in_the_page_on_request_only() -> None:
    page = Page(as_page(report(ONE), with_text=False))
    assert page.root.find("pre") == []
    assert "i3" not in page.text.split()
    assert page.rows("mistakes")[0][3] == "set.jsonl:3"
    page = Page(as_page(report(ONE), with_text=True))
    assert page.rows("mistakes")[0][3] == "set.jsonl:3 i3 message text 3"


def terms_of(shown: EvaluationReport) -> set[str]:
    page = Page(as_page(shown, with_text=False))
    return {node.text for node in page.section("terms").find("dt")}


CATEGORY_TERMS = {"one vs all", "one vs benign", "listed", "macro", "micro"}


def test_what_is_on_the_page_is_explained_and_nothing_else() -> None:
    scores = [{"S1": 0.9, "S2": 0.1}] * 5
    plain = replace(report(replace(ONE, predictions=system([0.9, 0.2, 0.3, 0.6, 0.8]).predictions)), steerability={})
    overall = {row[0] for row in next(tables(plain)).rows} - {"TP, TN", "FN, FP"} | {"TP", "TN", "FN", "FP"}
    assert terms_of(plain) == overall | {"listed"}  # of the worst mistakes
    steered = replace(plain, steerability={"one": STEERABILITY})
    probes = {result.probe for result in STEERABILITY.results}
    assert terms_of(steered) == terms_of(plain) | {"turns when it should", "stays when it should"} | probes
    categories = report(system([0.9, 0.2, 0.3, 0.6, 0.8], categories=scores))
    assert terms_of(replace(categories, steerability={})) == terms_of(plain) | CATEGORY_TERMS
    everything = replace(
        report(ONE, TWO, slice_by=("lang",), objectives=(ThresholdObjective("f1"),)), calibration=FITTED
    )
    assert {"FPR", "p", "McNemar", "log-loss", "tokens evaluated"} < terms_of(everything)


def test_every_probe_is_explained() -> None:
    assert {probe.name for probe in PROBES} < TERMS.keys()


def test_one_system_is_not_counted() -> None:
    assert [figure.text for figure in figures(report(ONE))] == ["5 labeled records", "3 unsafe (60.0%)"]
    assert [figure.text for figure in figures(report(ONE, TWO))][2:] == ["2 systems"]


def figures(shown: EvaluationReport) -> list[Node]:
    return Page(as_page(shown, with_text=False)).root.find("div", class_="figure")


POINT = "Values without an interval are of one record, or the same in all resamples: nothing says how certain they are."


def test_a_value_of_one_record_does_not_look_certain() -> None:
    shown = report(ONE, slice_by=("lang",))
    noted = {table.title for table in tables(shown) if POINT in table.note}
    assert noted == {"By category", "By lang"}
    for said in (as_text(shown, color=False, width=160), as_markdown(shown), as_page(shown, with_text=False)):
        assert "1.000 (1.000, 1.000)" not in " ".join(said.split())
    (one,) = json.loads(as_json(shown))["systems"]
    assert one["categories"]["S1"]["auprc_one_vs_all"] == {"value": 1.0, "low": None, "high": None}
    assert one["means"]["macro_one_vs_all"].keys() == {"value", "low", "high"}
    assert one["auprc"]["low"] < one["auprc"]["value"]


def test_a_page_without_curves() -> None:
    labeled = LabeledDataset(ITEMS[:1])
    page = Page(as_page(EvaluationReport(evaluate(labeled, [system([0.9])]), {}, "x"), with_text=True))
    assert "Precision and recall" not in page.text
    assert "all 1 items are unsafe" in page.text
    assert page.finding == "one flags 1 of 1 (100.0%) unsafe records and none of 0 safe ones at a threshold of 0.5."


@pytest.mark.slow
def test_many_samples_make_a_small_page() -> None:
    text = "\u202e<" * 5_000
    samples = tuple(
        replace(one, record=replace(one.record, conversation=Conversation((Message("user", text),))))
        for one in (item(line, line % 3 == 0) for line in range(1, 10_001))
    )
    scores = [line * 7919 % 100_003 / 100_003 for line in range(1, 10_001)]
    systems = [replace(system(scores), name=f"system {number}") for number in range(2)]
    evaluation = evaluate(LabeledDataset(samples), systems, EvalConfig(num_resamples=100))
    html = as_page(EvaluationReport(evaluation, {}, "set.jsonl"), with_text=True)
    assert len(Page(html).root.find("pre")) == 2 * 2 * 15
    assert len(html.encode()) < 5_000_000
