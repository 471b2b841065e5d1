"""Self-contained HTML pages from the templates in `pages/`: every value is escaped, and nothing is fetched.

What stands in a page is mostly hostile input: a chat log. Jinja escapes by default here, and a template that names
something that is not there is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guardcli.text.escaping import escape_controls

_PAGES = Path(__file__).parent / "pages"


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """A page of `pages/`, by its file's name."""
    environment = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _shown(value: object) -> object:
    """A value as a page shows it: no text can hide a part of itself, or reorder the line that it stands in."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return escape_controls(value)
