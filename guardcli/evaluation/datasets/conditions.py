"""The text of a condition on a field, as users write it: `toxicity >= 0.5`, `grade=bad,worse`."""

from __future__ import annotations

import math
import re

from guardcli.evaluation.datasets.label_values import Bound
from guardcli.formats import parse_path

# A path, in which names in quotes may hold anything, and what comes after it.
_CONDITION = re.compile(r"""((?:"[^"]*"|'[^']*'|[^<>="'])+)(?:(>=|<=|==?|>|<)(.*))?""", re.DOTALL)


def parse_condition(text: str) -> tuple[str, tuple[str, ...], Bound | None]:
    """Parse a path with its values or its bound.

    >>> parse_condition("grade=bad,worse"), parse_condition("toxicity >= 0.5")
    (('grade', ('bad', 'worse'), None), ('toxicity', (), Bound(operator='>=', limit=0.5)))

    Raises:
        ValueError: the path is invalid, or there are no values, or the bound is not a finite number.
    """
    match = _CONDITION.fullmatch(text)
    path, operator, behind = (match[1].strip(), match[2], match[3]) if match else (text, None, "")
    parse_path(path)
    if operator is None:
        return path, (), None
    if operator in ("=", "=="):
        values = tuple(one for part in behind.split(",") if (one := part.strip()))
        if not values or values[0][0] in "<>=":
            raise ValueError(f"{text!r}: expected FIELD=VALUE,VALUE or FIELD>=NUMBER")
        return path, values, None
    try:
        limit = float(behind)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise ValueError(f"{text!r}: expected a finite number after {operator}, such as {path}{operator}0.5")
    return path, (), Bound(operator, limit)  # type: ignore[arg-type]
