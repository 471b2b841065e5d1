"""Self-contained HTML pages from the templates in `pages/`: every value is escaped, and nothing is fetched.

What stands in a page is mostly hostile input: a chat log. Jinja escapes by default here, and a template that names
something that is not there is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PAGES = Path(__file__).parent / "pages"


def page(template: str, values: Mapping[str, Any]) -> str:
    """A page of `pages/`, by its file's name."""
    environment = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
