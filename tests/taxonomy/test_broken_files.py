"""Taxonomy files as authors get them wrong: every problem of each, at its place.

`broken_files/` holds the files, each named by its mistake, and in `parents/` what one of them extends;
`golden/taxonomies.txt` holds the problems of each file as they are printed.
`python -m tests.taxonomy.test_broken_files` writes the golden anew, to be read before it is kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy

HERE = Path(__file__).parent
BROKEN = HERE / "broken_files"
GOLDEN = HERE.parent / "golden" / "taxonomies.txt"
FILES = sorted(path.name for path in BROKEN.glob("*.yaml"))
LEAST = 60


def golden() -> dict[str, str]:
    sections = re.findall(r"^== (\S+)\n((?:(?!== ).*\n)*)", GOLDEN.read_text("utf-8"), re.MULTILINE)
    return dict(sections)


def problems(name: str) -> str:
    """What a user reads of a file in the current folder, a problem in each line."""
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load(Path(name))
    return f"{caught.value}\n"


def quotes(message: str) -> list[str]:
    """What stands in backticks: pieces of the file, and pieces of advice."""
    return re.findall(r"`([^`]+)`", message)


def points_at(column: int, quote: str, line: str) -> bool:
    """At the text or before it; or behind it, in the value of the key that it is."""
    return column - 1 <= line.rfind(quote) or f"{quote}:" in line[: column - 1]


@pytest.mark.parametrize("name", FILES)
def test_broken_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    assert problems(name) == golden()[name]


def test_the_golden_has_the_files_and_no_others() -> None:
    assert len(FILES) >= LEAST
    assert list(golden()) == FILES


@pytest.mark.parametrize("name", FILES)
def test_each_problem_is_in_one_line_and_says_more_than_what_is_wrong(name: str) -> None:
    """What is wrong, a colon, and what to do or what there is to choose from."""
    assert golden()[name]
    for problem in golden()[name].splitlines():
        assert re.match(r"^[^:]+:\d+:\d+: .+: .", problem)


@pytest.mark.parametrize("name", FILES)
def test_each_problem_points_into_the_file_and_not_past_what_it_quotes(name: str) -> None:
    """Where YAML itself gives up is a column of its own choice, and may be past what it could not read."""
    for problem in golden()[name].splitlines():
        path, row, column, message = problem.split(":", 3)
        lines = [*(BROKEN / path).read_bytes().decode("utf-8", "replace").splitlines(), ""]
        assert 1 <= int(row) <= len(lines)
        line = lines[int(row) - 1]
        assert 1 <= int(column) <= len(line) + 1
        if "is not valid YAML" not in message:
            assert all(points_at(int(column), quote, line) for quote in quotes(message) if quote in line)


def write_golden() -> None:
    os.chdir(BROKEN)
    GOLDEN.write_text("".join(f"== {name}\n{problems(name)}" for name in FILES), "utf-8")


if __name__ == "__main__":
    write_golden()
