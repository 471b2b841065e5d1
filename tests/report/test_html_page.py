"""Pages of hostile values: nothing that a value says is markup, or hides what stands beside it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from jinja2 import UndefinedError

from guardcli.judging import Verdict
from guardcli.judging.decision import DECISION_FLAGS
from guardcli.judging.summary import summarize
from guardcli.report import audit_report
from guardcli.report.explanations import FLAGS
from guardcli.report.html_page import render_page
from guardcli.report.page_parts import CategoryNames, PageContext
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_controls
from tests.report.pages import Page, assert_inert
from tests.rows import verdict

MARKUP = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&' onload=\"alert(3)"


def page(value: str) -> str:
    """A report that shows a value as title, source, id, text, category and flag, and as the reason of an error."""
    rows = [
        verdict(1, 0.9, id=value, text=value, source=value, categories=[value], flags=[value], model=value),
        verdict(2, None, error=value, source="b"),
    ]
    context = PageContext(command=value, date=value)
    return audit_report.as_page(summarize(rows), value, with_text=True, context=context)


def test_markup_in_a_value_is_text() -> None:
    assert_inert(page(MARKUP))
    shown = Page(page(MARKUP))
    assert shown.title == MARKUP
    assert [node.text for node in shown.root.find("pre")] == [MARKUP]
    assert shown.rows("categories")[0][0] == MARKUP
    assert shown.rows("flags")[0][0] == MARKUP
    assert shown.rows("sources")[0][0] == MARKUP


@pytest.mark.parametrize("character", ["\u202e", "\x1b", "\x9b", "\u2028"])
def test_what_could_hide_or_reorder_text_is_visible(character: str) -> None:
    shown = page(f"a{character}b")
    assert character not in shown
    assert f"a{character.encode('unicode_escape').decode()}b" in Page(shown).title


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_page("audit.html", {}, PageContext())


def test_the_script_may_be_written_as_it_is() -> None:
    """`guard` escapes controls in all that it writes, and the page's policy has the hash of the script."""
    assert escape_controls(page("a")) == page("a")


@pytest.mark.parametrize("taxonomy", ["llama-guard-1", "llama-guard-2", "llama-guard-3", "openai-moderation"])
def test_categories_have_their_names(taxonomy: str) -> None:
    loaded = Taxonomy.load(taxonomy)
    names = CategoryNames.from_provenances(
        [replace(verdict(1, 0.9).provenance, prompt_digest=loaded.prompt_digest)], PageContext()
    )
    for category in loaded.categories:
        assert names.entry(category.label)["name"] == category.name
        assert names.short(category.label) in (f"{category.id} {category.name}", category.key)


def test_every_flag_is_explained() -> None:
    documented = set(re.findall(r'"(\w+)"\s+\(', (Verdict.__doc__ or "").split("flags:")[1].split("truncated:")[0]))
    assert documented >= set(DECISION_FLAGS)
    assert documented == set(FLAGS)
