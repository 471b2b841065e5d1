"""What a command says at its end where not all could be judged."""

from __future__ import annotations

from collections.abc import Mapping

from guardcli.text.escaping import pluralize


def unjudged_message(verdicts: Mapping[str, int]) -> str:
    """Say how many rows could not be judged, and how many are unsafe: the exit code of errors does not tell.

    >>> unjudged_message({"safe": 1, "unsafe": 1, "error": 2})
    '2 of 4 rows could not be judged, and 1 is unsafe'
    >>> unjudged_message({"safe": 1, "unsafe": 3})
    '3 of 4 rows are unsafe'
    """
    errors, unsafe = verdicts.get("error", 0), verdicts.get("unsafe", 0)
    rows = pluralize(sum(verdicts.values()), "row")
    verb = "are" if unsafe > 1 else "is"
    if not errors:
        return f"{unsafe:,} of {rows} {verb} unsafe"
    return f"{errors:,} of {rows} could not be judged, and {f'{unsafe:,}' if unsafe else 'none'} {verb} unsafe"
