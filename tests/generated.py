"""Parts of pages that are made of the code, each between two comments of HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_BEGIN, _END = "<!-- generated -->\n", "<!-- end of generated -->\n"
_PART = re.compile(f"{_BEGIN}(.*?){_END}", re.DOTALL)


def generated_parts(page: Path) -> list[str]:
    """Return what stands between the comments of a page, in order."""
    return _PART.findall(page.read_text("utf-8"))


def replace_generated_parts(page: Path, texts: Sequence[str]) -> None:
    """Write a page anew, with `texts` between its comments.

    Raises:
        ValueError: the page has another number of parts.
    """
    text, left = page.read_text("utf-8"), iter(texts)
    if (number := len(_PART.findall(text))) != len(texts):
        raise ValueError(f"{page} has {number} generated parts, not {len(texts)}")
    page.write_text(_PART.sub(lambda _: f"{_BEGIN}{next(left)}{_END}", text), "utf-8")


def cell(text: str) -> str:
    """Return text as a cell of a table."""
    return text.replace("|", "\\|")
