"""The report of policy tests for CI."""

from __future__ import annotations

from guardcli.conversation import Conversation, Message
from guardcli.evaluation.policy_tests import PolicyTestCase, PolicyTestResult, PolicyTestRun
from guardcli.judging import DecisionRule
from guardcli.report.policy_test_report import as_junit
from tests.rows import verdict


def test_junit_tells_the_code_of_what_could_not_be_judged() -> None:
    case = PolicyTestCase(
        name="bread",
        location="p.yaml:3",
        conversation=Conversation((Message("user", "How do I bake bread?"),)),
        expect="safe",
    )
    unsafe = PolicyTestResult(case, verdict(1, 0.9), "expected safe, got unsafe")
    unjudged = PolicyTestResult(case, verdict(1, None, error="bad"), "could not be judged: bad")
    assert as_junit(PolicyTestRun((unsafe, unjudged), DecisionRule(0.5), {}), "acme") == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        '<testsuite name="acme" tests="2" failures="2" skipped="0">\n'
        '  <testcase name="bread" classname="acme" file="p.yaml" line="3">\n'
        '    <failure message="expected safe, got unsafe" />\n'
        "  </testcase>\n"
        '  <testcase name="bread" classname="acme" file="p.yaml" line="3">\n'
        '    <failure type="record/not-json" message="could not be judged: bad" />\n'
        "  </testcase>\n"
        "</testsuite>\n"
    )
