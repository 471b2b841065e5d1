"""Parse the values of labeled data: missing, unsafe or safe, a number against a bound, a list in a text."""

from __future__ import annotations

import ast
import json
import math
import operator
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from guardcli.conversation import Json
from guardcli.errors import setting

Operator = Literal[">=", ">", "<=", "<"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

_COMPARE: dict[Operator, Callable[[float, float], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip

# What pandas, R, SQL and spreadsheets write into an empty cell; NaN and null as values are missing, too.
_MISSING = {
    *("", "nan", "-nan", "na", "n/a", "<na>", "nat", "null", "none", "nil", "-", "--", "\u2013", "\u2014", "?"),
    *("#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
}

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
_UNSAFE = {"unsafe", "harmful", "toxic", "hateful", "malicious", "flagged", "violating"}
_SAFE = {"safe", "unharmful", "harmless", "benign", "non-toxic", "nontoxic", "non-hateful", "ok"}
_NO_CATEGORY = {"safe", "benign"}  # in a list of categories

_MAX_SHOWN_LEN = 80  # characters of a value in a message
_MAX_LITERAL_LEN = 10_000  # characters of a Python literal
_SEPARATORS = "|;,"  # a text is split at the first of these that it contains
_TOKEN = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")(\s+(?=['"]))?|\b(nan|NaN|null|true|false)\b""", re.DOTALL)
_LOOKS_STRUCTURED = re.compile(r"""[\[(]\s*['"\[{]|\[.*\]\Z|\{|set\(""", re.DOTALL)  # "[NSFW] porn" is a name
_PYTHON = {"nan": "None", "NaN": "None", "null": "None", "true": "True", "false": "False"}


@dataclass(frozen=True, slots=True)
class Bound:
    """The numbers that mean unsafe, such as >= 0.5."""

    operator: Operator
    limit: float

    def __str__(self) -> str:
        return f"{self.operator}{self.limit:g}"

    def includes(self, value: Json, name: str) -> bool:
        """Whether a number, or its text, is within the bound. Raises ValueError: the value is not a finite number."""
        number = parse_number(value)
        if number is None:
            raise ValueError(
                f"its {name} is {abbreviate(value)}, which is not a number: a bound ({name}{self}) needs numbers"
            )
        return _COMPARE[self.operator](number, self.limit)


def is_missing(value: Json) -> bool:
    """Whether a value is null, NaN, or a text that means a missing value, such as "", "N/A" or "-"."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return is_empty(value)


def is_empty(value: Json) -> bool:
    """Whether a value is null or NaN. "None" and "-" are not: somebody may have written them."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def parse_number(value: Json) -> float | None:
    """A finite number, or the text of one; None for anything else, such as true and false."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def normalize(value: Json) -> str:
    """A value as a word to compare: True → "true", and 1.0, "1.0" and " 1 " → "1"."""
    text = str(value).strip().casefold()
    whole, point, zeros = text.partition(".")
    return whole if point and whole.isdecimal() and zeros.strip("0") == "" else text


def parse_unsafe(value: Json, name: str, *, true_is_safe: bool = False) -> bool:
    """Whether a word, a truth value, 0 or 1 means unsafe. With `true_is_safe`, true and 1 mean safe, as in `is_safe`.

    Raises:
        ValueError: it means neither; the message says which label field to give.
    """
    word = normalize(value)
    if word in _TRUE or word in _FALSE:
        return (word in _TRUE) is not true_is_safe
    if word in _UNSAFE or word in _SAFE:
        return word in _UNSAFE
    raise ValueError(unclear_label_message(value, name, "<" if true_is_safe else ">="))


def is_fraction(value: Json) -> bool:
    """Whether a value is a number strictly between 0 and 1."""
    number = parse_number(value)
    return number is not None and 0 < number < 1


def unclear_label_message(value: Json, name: str, operator: Operator = ">=") -> str:
    """The error for a label that means neither safe nor unsafe: what is wrong, and which label field to give."""
    start, number = f"its {name} is {abbreviate(value)}", parse_number(value)
    option = setting("FieldSpec.label", f"{name}=VALUE,VALUE")
    if number is None:
        return f"{start}, which is neither safe nor unsafe: write one of these, or name the unsafe values with {option}"
    if is_fraction(value):
        bound = setting("FieldSpec.label", f"{name}{operator}0.5")
        return f"{start}, a fraction: give the value from which it means unsafe, such as {bound}"
    bound = setting("FieldSpec.label", f"{name}{operator}{max(number, 1.0):g}")
    return (
        f"{start}, which is neither safe nor unsafe: give the value from which it means unsafe, such as "
        f"{bound}, or name the unsafe values with {option}"
    )


def parse_structure(value: Json) -> Any:
    """Parse a list or an object in a text, as in a CSV file that pandas wrote; return other values unchanged.

    '["S9", "S1"]', "['S9', 'S1']", "['S9' 'S1']" (numpy), "('S9',)", "{'S9'}", "[S9, S1]" → ["S9", "S1"], and
    '{"hate": true}' and "{'hate': True}" → {"hate": True}.

    Raises:
        ValueError: the text looks like a list or an object, and cannot be parsed.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("[", "{", "(", "set(")):
        return value
    parsed: Any
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = _parse_literal(text)
    if isinstance(parsed, (tuple, set, frozenset)):
        parsed = sorted(parsed, key=str) if isinstance(parsed, (set, frozenset)) else list(parsed)
    if isinstance(parsed, (list, dict, str)):
        return parsed
    if text[0] == "[" and text[-1] == "]" and not set("[]{}'\"") & set(text[1:-1]):
        return [part.strip() for part in re.split(f"[{_SEPARATORS}]", text[1:-1]) if part.strip()]
    if _LOOKS_STRUCTURED.match(text):
        raise ValueError(f"{abbreviate(text)} looks like a list or an object, and cannot be read as JSON or Python")
    return value


def parse_names(value: Json) -> list[str] | None:
    """The names in a list, or in a text with `|`, `;` or `,` between them; None if the value holds no names."""
    if isinstance(value, (dict, bool)):
        return None
    parts = value if isinstance(value, list) else _split(normalize(value) if isinstance(value, float) else str(value))
    if any(isinstance(part, bool) or not (isinstance(part, (str, int)) or is_empty(part)) for part in parts):
        return None
    return [
        name for part in parts if not is_missing(part) and (name := str(part).strip()).casefold() not in _NO_CATEGORY
    ]


def _split(text: str) -> list[str]:
    separator = next((one for one in _SEPARATORS if one in text), ",")
    return text.split(separator)


def _parse_literal(text: str) -> Any:
    """Parse a Python literal, also numpy's lists without commas and pandas' bare nan; None if it is not one."""
    if len(text) > _MAX_LITERAL_LEN:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        try:
            return ast.literal_eval(_TOKEN.sub(_as_python, text))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None


def _as_python(token: re.Match[str]) -> str:
    if token[1] is None:
        return _PYTHON[token[3]]
    return token[1] + (", " if token[2] else "")


def abbreviate(value: Json) -> str:
    """A value for a message, cut after a number of characters."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_LEN else f"{text[: _MAX_SHOWN_LEN - 1]}…"
