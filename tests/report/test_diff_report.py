"""A comparison as text, as JSON and as a page, in which a chat log can do nothing."""

from __future__ import annotations

import json
import re

import pytest

from guardcli.evaluation.comparison import compare_runs
from guardcli.judging import DecisionRule, Verdict
from guardcli.judging.redecision import redecide
from guardcli.report import diff_report
from tests.report.pages import Page, assert_inert
from tests.rows import verdict

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
BEFORE = [verdict(1, 0.2), verdict(2, 0.4, id="c2"), verdict(3, 0.9)]
AFTER = [verdict(1, 0.2), verdict(2, 0.6, id=HOSTILE, text=HOSTILE), verdict(3, None)]


def test_as_text() -> None:
    found = compare_runs(BEFORE, [AFTER[0], verdict(2, 0.6, id="c2")])
    assert diff_report.as_text(found, "a.jsonl", "b.jsonl", color=False, width=120) == (
        "before: a.jsonl\nafter:  b.jsonl\n2 rows in both, 1 only before, 0 only after\n"
        "agreement 50.00%, 1 verdict changed (McNemar's test: p = 1)\n"
        "\nbefore   after    rows\n----------------------\nsafe     safe        1\nsafe     unsafe      1\n"
        "\ncategory   newly listed   no longer listed\n------------------------------------------\n"
        "S9                    1                  0\n"
        "\nsafe → unsafe (1)\nbefore    after     moved   categories   where\n"
        "----------------------------------------------------------------\n"
        "0.4000   0.6000   +0.2000   - → S9       chats.jsonl:2 user#1 c2\n"
        "\nLargest moves of the score (1)\nbefore    after     moved   categories   where\n"
        "----------------------------------------------------------------\n"
        "0.4000   0.6000   +0.2000   - → S9       chats.jsonl:2 user#1 c2\n"
    )


def test_as_json_holds_the_rows() -> None:
    found = json.loads(json.dumps(diff_report.as_json(compare_runs(BEFORE, AFTER), "a", "b", with_text=True)))
    assert (found["matched"], found["changed"], found["unmatched"]) == (3, 2, [0, 0])
    assert found["verdicts"] == [
        {"before": "safe", "after": "safe", "rows": 1},
        {"before": "safe", "after": "unsafe", "rows": 1},
        {"before": "unsafe", "after": "error", "rows": 1},
    ]
    assert found["flips"][0]["rows"] == [[BEFORE[1].to_dict(), AFTER[1].to_dict()]]


def page(before: list[Verdict], after: list[Verdict], *, with_text: bool = False) -> Page:
    return Page(diff_report.as_page(compare_runs(before, after), "a.jsonl", "b.jsonl", with_text=with_text))


def test_a_page_escapes_everything_and_loads_nothing() -> None:
    html = diff_report.as_page(compare_runs(BEFORE, AFTER), "a.jsonl", HOSTILE, with_text=True)
    assert_inert(html)
    assert {node.text for node in Page(html).root.find("pre")} == {HOSTILE}
    assert f"chats.jsonl:2 user#1 {HOSTILE}" in [node.text for node in Page(html).root.find("code")]


def test_a_page_begins_with_what_was_found() -> None:
    assert page(BEFORE, AFTER).finding == (
        "2 of 3 rows (66.67%) changed verdict: 0 flagged before pass now, 1 that passed are flagged now, "
        "1 can no longer be judged."
    )
    assert page(BEFORE, BEFORE).finding == "No verdict changed on 3 rows."
    assert page(BEFORE, [verdict(9, 0.1)]).finding == "The two runs have no row in common."
    assert page([verdict(1, None)], [verdict(1, 0.1)]).finding == (
        "1 of 1 row (100.00%) changed verdict: 0 flagged before pass now, 0 that passed are flagged now, "
        "1 can be judged now."
    )


def test_a_page_has_what_matters_first() -> None:
    before = [verdict(1, 0.2), verdict(2, 0.9), verdict(3, None), verdict(4, 0.9, categories=["S1"])]
    after = [verdict(1, 0.9), verdict(2, 0.1), verdict(3, 0.1), verdict(4, 0.9, categories=["S2"])]
    shown = page(before, after)
    headings = [node.text for node in shown.root.find("h2")]
    assert headings[2:8] == [
        *("unsafe → safe (1)", "safe → unsafe (1)", "error → safe (1)", "Other categories (1)"),
        *("Largest moves of the score (2)", "Categories"),
    ]
    assert shown.rows("group-1") == [
        ["0.9000", "0.1000", "-0.8000", "S9 Indiscriminate Weapons → -", "chats.jsonl:2 user#1"]
    ]
    assert shown.rows("group-4")[0][2:4] == ["+0.0000", "S1 Violent Crimes → S2 Non-Violent Crimes"]
    assert shown.rows("verdicts") == [["safe", "0", "1", "0"], ["unsafe", "1", "1", "0"], ["error", "1", "0", "0"]]
    changes = [(row[0].split(" S")[0], *row[1:]) for row in shown.rows("categories")]
    assert changes == [
        *(("Indiscriminate Weapons", "1", "1"), ("Non-Violent Crimes", "1", "0"), ("Violent Crimes", "0", "1")),
    ]


def test_a_page_says_that_scores_are_calibrated() -> None:
    calibrated = redecide(verdict(1, 0.2), DecisionRule(0.3, temperature=2.0))
    settings = page([verdict(1, 0.2)], [calibrated]).rows("settings")
    assert settings[-2:] == [["threshold", "0.5", "0.3"], ["temperature of the calibration", "none", "2"]]


def test_a_page_says_what_differs_between_the_runs() -> None:
    after = [verdict(1, 0.2, model="smol-guard@4567", threshold=0.7)]
    shown = page([verdict(1, 0.2)], after)
    rows = {name: (before, now) for name, before, now in shown.rows("settings")}
    assert rows["model, with its digest"] == ("tiny@0123456789ab", "smol-guard@4567")
    assert rows["threshold"] == ("0.5", "0.7")
    assert rows["taxonomy"] == ("llama-guard-3", "the same")
    assert "temperature of the calibration" not in rows
    assert shown.root.find("p", class_="banner") != []


def test_messages_and_ids_are_in_a_page_on_request_only() -> None:
    before, after = (
        [verdict(2, 0.4, id="planted", text="planted")],
        [verdict(2, 0.6, id="planted", meta={"a": "planted"})],
    )
    assert "planted" not in page(before, after).text
    with_text = page(before, after, with_text=True)
    assert [node.text for node in with_text.root.find("pre")] == ["planted"] * 2
    assert "chats.jsonl:2 user#1 planted" in [node.text for node in with_text.root.find("code")]


def test_no_id_hides_or_reorders_its_line() -> None:
    odd = "a\u202eb\x1b[2J\u2066c\x9b"
    page = diff_report.as_page(
        compare_runs([verdict(2, 0.4, id=odd)], [verdict(2, 0.6, id=odd, text=odd)]), odd, "b", with_text=True
    )
    assert not re.search("[\u202e\u2066\x1b\x9b]", page)
    assert "a\\u202eb\\x1b[2J\\u2066c\\x9b" in page


@pytest.mark.slow
def test_many_hostile_rows_make_a_small_page() -> None:
    fields = {"id": "<" * 1_000, "text": "\u202e<" * 5_000, "source": "<" * 1_000}
    kinds = [(0.1, 0.9), (0.9, 0.1), (0.9, None), (None, 0.9), (None, 0.1), (0.1, None), (0.8, 0.9)]
    before, after = [], []
    for line in range(1, 3_001):
        was, now = kinds[line % len(kinds)]
        before.append(verdict(line, was, **fields, **({"categories": [f"{line}<a"]} if was and was > 0.5 else {})))
        after.append(verdict(line, now, **fields, **({"categories": [f"{line}<b"]} if now and now > 0.5 else {})))
    html = diff_report.as_page(compare_runs(before, after), "<" * 1_000, "b", with_text=True)
    assert len(Page(html).root.find("pre")) == 20 * 8
    assert len(html.encode()) < 5_000_000
