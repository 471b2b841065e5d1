"""A comparison as text, as JSON and as a page, in which a chat log can do nothing."""

from __future__ import annotations

import json
import re

from guardcli.evaluation.comparison import compare_runs
from guardcli.report import diff_report
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
    found = json.loads(json.dumps(diff_report.as_json(compare_runs(BEFORE, AFTER), "a", "b")))
    assert (found["matched"], found["changed"], found["unmatched"]) == (3, 2, [0, 0])
    assert found["verdicts"] == [
        {"before": "safe", "after": "safe", "rows": 1},
        {"before": "safe", "after": "unsafe", "rows": 1},
        {"before": "unsafe", "after": "error", "rows": 1},
    ]
    assert found["flips"][0]["rows"] == [[BEFORE[1].to_dict(), AFTER[1].to_dict()]]


def test_a_page_escapes_everything_and_loads_nothing() -> None:
    page = diff_report.as_page(compare_runs(BEFORE, AFTER), "a.jsonl", HOSTILE, with_text=True)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=", page.replace("img src=x", "").replace("&lt;", ""))


def test_messages_are_in_a_page_on_request_only() -> None:
    after = [verdict(2, 0.6, text="a secret")]
    assert "a secret" not in diff_report.as_page(compare_runs([verdict(2, 0.4)], after), "a", "b", with_text=False)
    assert "a secret" in diff_report.as_page(compare_runs([verdict(2, 0.4)], after), "a", "b", with_text=True)


def test_no_id_hides_or_reorders_the_line_that_it_stands_in() -> None:
    odd = "a\u202eb\x1b[2J\u2066c\x9b"
    page = diff_report.as_page(
        compare_runs([verdict(2, 0.4, id=odd)], [verdict(2, 0.6, id=odd, text=odd)]), odd, "b", with_text=True
    )
    assert not re.search("[\u202e\u2066\x1b\x9b]", page)
    assert "a\\u202eb\\x1b[2J\\u2066c\\x9b" in page
