"""The exit codes: one meaning each, for every command. An error outranks a finding."""

from __future__ import annotations

from collections.abc import Mapping

OK = 0  # all was judged, and nothing is unsafe
FINDINGS = 1  # something is unsafe, or a gate is not met
USAGE_ERROR = 2  # usage, taxonomy, model, or an input that cannot be opened
UNJUDGED = 3  # finished, but something could not be judged, or there was nothing to judge
INTERNAL_ERROR = 70  # an unexpected exception; EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE


def for_verdicts(verdict_counts: Mapping[str, int], *, exit_zero: bool = False, unread: int = 0) -> int:
    """Return the exit code of a run that wrote so many rows of each verdict.

    Args:
        verdict_counts: The number of `safe`, `unsafe` and `error` rows.
        exit_zero: Return 0 where only unsafe rows would make it 1.
        unread: The number of rows of records with text that was not judged.
    """
    if not sum(verdict_counts.values()) or verdict_counts.get("error") or unread:
        return UNJUDGED
    return FINDINGS if verdict_counts.get("unsafe") and not exit_zero else OK
