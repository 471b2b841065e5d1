"""An `Evaluation` for people and for programs: tables for a terminal and as Markdown, JSON, a page with curves."""

from __future__ import annotations

from guardcli.report.evaluation.page import as_page
from guardcli.report.evaluation.tables import Report, Table, as_markdown, as_text
from guardcli.report.evaluation.values import as_json

__all__ = ["Report", "Table", "as_json", "as_markdown", "as_page", "as_text"]
