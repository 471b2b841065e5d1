"""Format an `Evaluation`: tables for a terminal or as Markdown, JSON, and an HTML page with curves."""

from __future__ import annotations

from guardcli.report.evaluation_report.evaluation_json import as_json
from guardcli.report.evaluation_report.evaluation_page import as_page
from guardcli.report.evaluation_report.tables import EvaluationReport, Table, as_markdown, as_text

__all__ = ["EvaluationReport", "Table", "as_json", "as_markdown", "as_page", "as_text"]
