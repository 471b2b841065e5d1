"""Format the results of a policy's tests: failures, changes since the last run, and JUnit XML for CI."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from guardcli.errors import as_options
from guardcli.evaluation.policy_tests import PolicyTestResult, PolicyTestRun, PolicyTestStatus, suggest_fixes
from guardcli.judging import DecisionRule
from guardcli.report.terminal import Cell, format_styled, format_table
from guardcli.text.escaping import escape_controls, escape_terminal, pluralize

_STYLES: dict[PolicyTestStatus, str] = {
    "failed": "bold red",
    "todo": "yellow",
    "todo passed": "yellow",
    "passed": "green",
}
_SHOWN = 20  # labeled cases that failed; of the taxonomy's own tests all are shown


def as_text(run: PolicyTestRun, *, suggest: bool, color: bool, width: int) -> str:
    """Format the failed tests with score, threshold and distance, and the counts.

    With `suggest`, add what would make each test pass.
    """
    shown, left_out = _select_shown(run)
    text = ""
    if shown:
        headings = ("test", "result", "where", "expected", "score", "threshold", "distance", "why")
        rows = [_row(result, run) for result in shown]
        text += format_table(headings, rows, color=color, width=width, right=[4, 5, 6], optional=[6, 5]) + "\n"
    if left_out:
        text += f"… and {pluralize(left_out, 'more labeled case')}\n\n"
    if suggest:
        for result in shown:
            if result.status == "failed":
                text += format_styled(result.case.name, "bold", color=color)
                text += "".join(f"  {escape_terminal(line)}\n" for line in suggest_fixes(run, result)) + "\n"
    return text + f"{format_counts(run)}\n"


def format_counts(run: PolicyTestRun) -> str:
    """Format the number of tests by status, in one line."""
    counts = Counter(result.status for result in run.results)
    parts = [f"{counts[status]:,} {status}" for status in _STYLES if counts[status]]
    rate = run.flag_rate()
    if rate is not None:
        parts.append(f"{rate:.2%} of the labeled safe ones flagged")
    return ", ".join(parts) or "no tests"


def format_changes(before: PolicyTestRun, after: PolicyTestRun, *, color: bool) -> str:
    """Format what differs from the last run: tests with a new status, and scores that changed."""
    known = {result.case.name: result for result in before.results}
    return "".join(_format_change(known[r.case.name], r, color) for r in after.results if r.case.name in known)


_XML_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"


def as_junit(run: PolicyTestRun, name: str) -> str:
    """Return JUnit XML. A `todo` that fails is skipped. Characters that XML does not allow are escaped as text."""
    counts = Counter(result.status for result in run.results)
    numbers = {"tests": str(len(run.results)), "failures": str(counts["failed"]), "skipped": str(counts["todo"])}
    suite = ElementTree.Element("testsuite", {"name": escape_controls(name), **numbers})
    for result in run.results:
        path, _, line = result.case.location.rpartition(":")
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {
                "name": escape_controls(result.case.name),
                "classname": escape_controls(name),
                "file": escape_controls(path),
                "line": line,
            },
        )
        if result.reason is not None:
            kind = "failure" if result.status == "failed" else "skipped"
            code = {} if result.row.error_code is None else {"type": escape_controls(result.row.error_code)}
            ElementTree.SubElement(case, kind, {**code, "message": escape_controls(as_options(result.reason))})
    ElementTree.indent(suite)
    # The declaration of `tostring` would name the locale's encoding; files are written in UTF-8.
    return f"{_XML_DECLARATION}\n{ElementTree.tostring(suite, encoding='unicode')}\n"


def _select_shown(run: PolicyTestRun) -> tuple[list[PolicyTestResult], int]:
    own = [r for r in run.results if r.status != "passed" and not r.case.labeled]
    others = [r for r in run.results if r.status != "passed" and r.case.labeled]
    return own + others[:_SHOWN], max(0, len(others) - _SHOWN)


def _row(result: PolicyTestResult, run: PolicyTestRun) -> Sequence[Cell]:
    row = result.row
    score, threshold = result.row.judged_score, row.threshold
    if by_category := row.judged_category_scores:
        score, threshold = _closest_score(by_category, run.rule)
    numbers = ("-", "-", "-") if score is None else (f"{score:.4f}", f"{threshold:g}", f"{score - threshold:+.4f}")
    why = as_options(result.reason or "it passes now: remove `todo`")
    status = (result.status, _STYLES[result.status])
    return [result.case.name, status, result.case.location, result.case.expect, *numbers, why]


def _closest_score(scores: Mapping[str, float], rule: DecisionRule) -> tuple[float, float]:
    """Return the category score that is furthest above its threshold, or least below it, and that threshold."""
    label = max(scores, key=lambda label: scores[label] - rule.threshold_of(label))
    return scores[label], rule.threshold_of(label)


def _format_change(before: PolicyTestResult, after: PolicyTestResult, color: bool) -> str:
    score_change = _format_score_change(before, after)
    if before.status == after.status:
        return f"  {escape_terminal(after.case.name)}: {score_change}\n" if score_change else ""
    status = f"  {after.case.name}: {after.status} (was {before.status})"
    line = f"{status}, {score_change}" if score_change else status
    return format_styled(line, _STYLES[after.status], color=color)


def _format_score_change(before: PolicyTestResult, after: PolicyTestResult) -> str:
    old, new = before.row.judged_score, after.row.judged_score
    if old is None or new is None or old == new:
        return ""
    return f"score {old:.4f} → {new:.4f}"
