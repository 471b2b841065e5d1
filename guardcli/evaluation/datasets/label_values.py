"""What a value of labelled data means: missing, unsafe or safe, a number against a bound, a list that came as text."""

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

_SHOWN = 80  # characters of a value in a message
_LONGEST = 10_000  # characters of a Python literal
_SEPARATORS = "|;,"  # the first that a text holds parts it
_TOKEN = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")(\s+(?=['"]))?|\b(nan|NaN|null|true|false)\b""", re.DOTALL)
_LISTED = re.compile(r"""[\[(]\s*['"\[{]|\[.*\]\Z|\{|set\(""", re.DOTALL)  # "[NSFW] porn" is a name
_PYTHON = {"nan": "None", "NaN": "None", "null": "None", "true": "True", "false": "False"}


@dataclass(frozen=True, slots=True)
class Bound:
    """From which number on something is unsafe, such as >= 0.5."""

    operator: Operator
    limit: float

    def __str__(self) -> str:
        return f"{self.operator}{self.limit:g}"

    def holds(self, value: Json, name: str) -> bool:
        """Whether a number, or its text, is beyond the bound. Raises ValueError: it is no finite number."""
        number = as_number(value)
        if number is None:
            raise ValueError(
                f"its {name} is {short(value)}, which is not a number: a bound ({name}{self}) needs numbers"
            )
        return _COMPARE[self.operator](number, self.limit)


def missing(value: Json) -> bool:
    """Whether a value says nothing: null, NaN, or a text such as "", "N/A" or "-"."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return empty(value)


def empty(value: Json) -> bool:
    """Whether there is no value: null or NaN. "None" and "-" are texts, and may be what somebody wrote."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_number(value: Json) -> float | None:
    """A finite number, or the text of one; None for anything else. True and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def word(value: Json) -> str:
    """A value as a word: True is "true", and 1.0, "1.0" and " 1 " are "1"."""
    text = str(value).strip().casefold()
    whole, point, zeros = text.partition(".")
    return whole if point and whole.isdecimal() and zeros.strip("0") == "" else text


def unsafe_word(value: Json, name: str, *, true_is_safe: bool = False) -> bool:
    """Whether a word, a truth value, 0 or 1 means unsafe. With `true_is_safe`, true and 1 mean safe, as in `is_safe`.

    Raises:
        ValueError: it means neither; the message says which --label-field to write.
    """
    found = word(value)
    if found in _TRUE or found in _FALSE:
        return (found in _TRUE) is not true_is_safe
    if found in _UNSAFE or found in _SAFE:
        return found in _UNSAFE
    raise ValueError(unclear(value, name, "<" if true_is_safe else ">="))


def fraction(value: Json) -> bool:
    """Whether a value is a number strictly between 0 and 1: neither of the two words."""
    number = as_number(value)
    return number is not None and 0 < number < 1


def unclear(value: Json, name: str, operator: Operator = ">=") -> str:
    """What is wrong with a label that means neither safe nor unsafe, and what to write."""
    said, number = f"its {name} is {short(value)}", as_number(value)
    listed = f"--label-field {name}=VALUE,VALUE"
    if number is None:
        return f"{said}, which is neither safe nor unsafe: write one of these, or name the unsafe values, {listed}"
    if fraction(value):
        return (
            f'{said}, a fraction: say from which value on it means unsafe, such as --label-field "{name}{operator}0.5"'
        )
    bound = f'--label-field "{name}{operator}{max(number, 1.0):g}"'
    return (
        f"{said}, which is neither safe nor unsafe: say from which value on it means unsafe, such as {bound}, or name "
        f"the unsafe values, {listed}"
    )


def structure(value: Json) -> Any:
    """A list or an object that came as text, as in a CSV file that pandas wrote; other values as they are.

    '["S9", "S1"]', "['S9', 'S1']", "['S9' 'S1']" (numpy), "('S9',)", "{'S9'}", "[S9, S1]" → ["S9", "S1"], and
    '{"hate": true}' and "{'hate': True}" → {"hate": True}.

    Raises:
        ValueError: it looks like a list or an object, and cannot be read.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("[", "{", "(", "set(")):
        return value
    found: Any
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _literal(text)
    if isinstance(found, (tuple, set, frozenset)):
        found = sorted(found, key=str) if isinstance(found, (set, frozenset)) else list(found)
    if isinstance(found, (list, dict, str)):
        return found
    if text[0] == "[" and text[-1] == "]" and not set("[]{}'\"") & set(text[1:-1]):
        return [part.strip() for part in re.split(f"[{_SEPARATORS}]", text[1:-1]) if part.strip()]
    if _LISTED.match(text):
        raise ValueError(f"{short(text)} looks like a list or an object, and cannot be read as JSON or Python")
    return value


def names(value: Json) -> list[str] | None:
    """The names in a list, or in a text with `|`, `;` or `,` between them; None: they are no names."""
    if isinstance(value, (dict, bool)):
        return None
    parts = value if isinstance(value, list) else _parted(word(value) if isinstance(value, float) else str(value))
    if any(isinstance(part, bool) or not (isinstance(part, (str, int)) or empty(part)) for part in parts):
        return None
    return [name for part in parts if not missing(part) and (name := str(part).strip()).casefold() not in _NO_CATEGORY]


def _parted(text: str) -> list[str]:
    separator = next((one for one in _SEPARATORS if one in text), ",")
    return text.split(separator)


def _literal(text: str) -> Any:
    """A Python literal; None if it is none. numpy writes lists without commas, and pandas a bare nan."""
    if len(text) > _LONGEST:
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


def short(value: Json) -> str:
    """A value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
