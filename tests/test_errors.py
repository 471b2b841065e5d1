"""The codes of errors: one table, every one used, on a page of their own, and kept by the exceptions."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import guardcli
from guardcli.audit.journal import ManifestMismatchError
from guardcli.errors import (
    ERROR_CODES,
    ErrorCode,
    GuardError,
    InputError,
    Problem,
    TaxonomyError,
)
from tests.errors_page import ERRORS_PAGE, errors_page

PACKAGE = Path(guardcli.__file__).parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "codes.py"]


def strings_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


ROOMS = {code.split("/")[0] for code in ERROR_CODES}


def looks_like_code(text: str) -> bool:
    room, _, kind = text.partition("/")
    return room in ROOMS and re.fullmatch("[a-z-]+", kind) is not None


def raised_without_code(source: str) -> list[str]:
    """The names of exceptions with a code that are made without one."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        name
        for call in calls
        if (name := getattr(call.func, "id", "")) in CODED and "code" not in {keyword.arg for keyword in call.keywords}
    ]


def subclasses(of: type) -> Iterator[type]:
    for one in of.__subclasses__():
        yield from (one, *subclasses(one))


CODED = {
    "GuardError", "InputError", "OutputError", "ModelError", "EngineError", "ClusterError", "TuneError", "RecordError",
    "StreamError",
}  # fmt: skip


def test_the_table_has_every_code_once_in_order() -> None:
    assert list(ERROR_CODES) == list(get_args(ErrorCode))


def test_the_tree_is_known_here() -> None:
    own = {cls.__name__ for cls in subclasses(GuardError) if "__init__" not in vars(cls)}
    assert own | {"GuardError", "RecordError", "StreamError"} == CODED


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_error_names_its_code(path: Path) -> None:
    assert raised_without_code(path.read_text("utf-8")) == []


def test_every_code_of_the_table_is_used_and_no_other() -> None:
    assert {text for path in MODULES for text in strings_in(path) if looks_like_code(text)} == set(ERROR_CODES)


def test_an_error_without_a_code_would_be_noticed() -> None:
    assert raised_without_code("raise InputError('a')\nraise ModelError('b', code=c)") == ["InputError"]


def test_the_page_is_up_to_date() -> None:
    assert ERRORS_PAGE.read_text("utf-8") == errors_page(), "run: python -m tests.errors_page"


ERROR = InputError("a", "b", code="input/not-found")
PROBLEMS = TaxonomyError(
    Problem("t.yaml", 1, 2, "bad", "taxonomy/not-yaml"), Problem("t.yaml", 3, 4, "worse", "taxonomy/wrong-type")
)

OTHER_RUN = ManifestMismatchError(Path("out.jsonl"), {"a": 1}, {"a": 2})


@pytest.mark.parametrize("remade", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_copies_keep_code_and_place(remade: object) -> None:
    assert callable(remade)
    error, problems, other_run = remade(ERROR), remade(PROBLEMS), remade(OTHER_RUN)
    assert (type(error), error.lines, error.code) == (InputError, ("a", "b"), "input/not-found")
    assert (problems.problems, problems.code) == (PROBLEMS.problems, "taxonomy/not-yaml")
    assert (other_run.path, other_run.before, other_run.code) == (Path("out.jsonl"), {"a": 1}, "run/other-run")
    assert str(problems) == "t.yaml:1:2: bad\nt.yaml:3:4: worse"
