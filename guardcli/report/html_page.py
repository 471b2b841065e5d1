"""Self-contained HTML pages from the templates in `pages/`: every value is escaped, and nothing is fetched.

A page shows hostile input: chat logs. Jinja therefore escapes every value, and a template that uses an undefined name
is an error. A browser runs the script in `pages/page.js` and no other: the page's policy has its hash.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guardcli import __version__
from guardcli.report.page_parts import PageContext
from guardcli.text.escaping import escape_controls

_PAGES = Path(__file__).parent / "pages"


def render_page(template: str, values: Mapping[str, Any], context: PageContext) -> str:
    """Render a template of `pages/`, by its file's name."""
    script = (_PAGES / "page.js").read_text("utf-8")
    page_values = {
        "context": context,
        "version": __version__,
        "style": Markup((_PAGES / "page.css").read_text("utf-8")),
        "script": Markup(script),
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
    }
    return render(template, {**page_values, **values})


def render(template: str, values: Mapping[str, Any]) -> str:
    """Render a template of `pages/`, by its file's name, with these values alone."""
    environment = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_escape_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _escape_value(value: object) -> object:
    """Escape the characters in a value that could hide or reorder text in the page."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return escape_controls(value)
