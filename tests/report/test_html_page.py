"""Pages of hostile values: nothing that a value says is markup, or hides what stands beside it."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from guardcli.judging.summary import summarize
from guardcli.report import audit_report
from guardcli.report.html_page import render_page
from tests.rows import verdict

MARKUP = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&#34;&amp;"


def page(value: str) -> str:
    """A report that shows a value as title, source, id and text, and as the reason of an error."""
    rows = [verdict(1, 0.9, id=value, text=value, source=value), verdict(2, None, error=value, source="b")]
    return audit_report.as_page(summarize(rows), value, with_text=True)


def test_markup_in_a_value_is_text() -> None:
    shown = page(MARKUP)
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count(ESCAPED) >= 4


@pytest.mark.parametrize("character", ["\u202e", "\x1b", "\x9b", "\u2028"])
def test_what_could_hide_or_reorder_text_is_visible(character: str) -> None:
    shown = page(f"a{character}b")
    assert character not in shown
    assert f"a{character.encode('unicode_escape').decode()}b" in shown


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_page("audit.html", {})
