"""The exit codes: one meaning each, for every command. Errors outrank findings."""

from __future__ import annotations

from collections.abc import Mapping

DONE = 0  # all was judged safe
FOUND = 1  # something is unsafe
USAGE = 2  # usage, taxonomy, model, or an input that cannot be opened
UNJUDGED = 3  # finished, but something could not be judged, or there was nothing to judge
BUG = 70  # an unexpected exception
INTERRUPTED = 130
READER_GONE = 141


def of_verdicts(tally: Mapping[str, int], *, exit_zero: bool = False, unread: int = 0) -> int:
    """The code for so many verdicts of each kind, of which `unread` have text beside them that nobody judged; none at
    all were nothing to judge."""
    if not sum(tally.values()) or tally.get("error") or unread:
        return UNJUDGED
    return FOUND if tally.get("unsafe") and not exit_zero else DONE
