"""The tables and pictures of docs/paper.md. `python -m tests.paper_page` writes them, of recipes/paper/figures.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipes.paper.page import FIGURES, parts, pictures
from tests.generated import replace_generated_parts

PAGE = Path(__file__).parent.parent / "docs" / "paper.md"
IMAGES = PAGE.parent / "images"


def figures() -> dict[str, Any]:
    """Return the figures that the page shows."""
    value: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return value


if __name__ == "__main__":
    replace_generated_parts(PAGE, parts(figures()))
    for name, picture in pictures(figures()).items():
        (IMAGES / name).write_text(picture, "utf-8")
