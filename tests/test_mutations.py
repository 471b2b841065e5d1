"""The lines that `python -m tests.mutations` breaks are there, and so are the tests that are to fail."""

from __future__ import annotations

import pytest

from tests.mutations import MUTATIONS, ROOT


@pytest.mark.parametrize("what", MUTATIONS)
def test_the_line_is_there_once_and_its_tests_exist(what: str) -> None:
    mutation = MUTATIONS[what]
    line, broken = mutation.change()
    assert line != broken
    assert (ROOT / mutation.path).read_text("utf-8").count(line) == 1
    assert (ROOT / mutation.tests).is_file()
