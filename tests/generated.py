"""Parts of pages that are made of the code, between two comments of HTML."""

from __future__ import annotations

from pathlib import Path

_BEGIN, _END = "<!-- generated -->\n", "<!-- end of generated -->\n"


def generated_part(page: Path) -> str:
    """Return what stands between the comments of a page."""
    return page.read_text("utf-8").split(_BEGIN)[1].split(_END)[0]


def replace_generated_part(page: Path, text: str) -> None:
    """Write a page anew, with `text` between its comments."""
    head, rest = page.read_text("utf-8").split(_BEGIN)
    page.write_text(f"{head}{_BEGIN}{text}{_END}{rest.split(_END)[1]}", "utf-8")


def cell(text: str) -> str:
    """Return text as a cell of a table."""
    return text.replace("|", "\\|")
