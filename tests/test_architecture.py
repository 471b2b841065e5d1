"""docs/architecture.md is true: its files and names exist, and a record visits the files that it lists."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from types import FrameType

import pytest

import guardcli
from guardcli import EngineConfig, Guard, JudgeConfig
from guardcli.formats import ReadOptions
from guardcli.judging.writers import text
from guardcli.models import Model

ROOT = Path(__file__).parent.parent
PACKAGE = Path(guardcli.__file__).parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
RECORD = '{"messages":[{"role":"user","content":"How do I bake bread?"}]}\n'


def rows(section: str) -> list[list[str]]:
    """The cells of the tables in a section, without their headings."""
    table = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def names_of(path: Path) -> set[str]:
    """The functions, classes and values at the top of a module, and the methods of its classes."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_/]+(?:/|\.py))`", PAGE))))
def test_every_file_exists(name: str) -> None:
    assert (PACKAGE / name).exists() or (ROOT / name).exists()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_test_and_benchmark_on_a_page_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    modules = re.findall(r"python -m ((?:tests|benchmarks)[.]\w[\w.]*)", text)
    named = [
        *re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)`", text),
        *(f"{name.replace('.', '/')}.py" for name in modules),
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_there_are_twenty_questions() -> None:
    assert len(rows("Where is …?")) >= 20


@pytest.mark.parametrize(("question", "file", "name"), rows("Where is …?"))
def test_the_answers_are_where_the_page_says(question: str, file: str, name: str) -> None:
    assert name.strip("`") in names_of(PACKAGE / file.strip("`")), question


def test_every_room_is_listed() -> None:
    listed = {name.rstrip("/") for row in rows("Rooms") for name in re.findall(r"`([^`]+)`", row[0])}
    assert listed == {
        path.name
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and not path.name.startswith("__")) or (path / "__init__.py").exists()
    }


def test_a_record_visits_the_files_on_the_page(model: Model, tmp_path: Path) -> None:
    """Of two equal runs the second is traced: the first one does what is done once, such as importing.

    With a threshold of 0 the answer is unsafe, whatever a random model says.
    """
    path = tmp_path / "one.jsonl"
    path.write_text(RECORD)
    visited = set()

    def trace(frame: FrameType, event: str, argument: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in file.parents:
            visited.add(str(file.relative_to(PACKAGE)))

    def judge() -> None:
        for verdict in guard.judge(ReadOptions().read([str(path)])):
            text.line(verdict)

    with Guard(model, "llama-guard-3", config=JudgeConfig(threshold=0), engine=EngineConfig(threads=1)) as guard:
        for profile in (None, trace):
            guard.reset()
            sys.setprofile(profile)
            judge()
            sys.setprofile(None)
    listed = [name for row in rows("One record") for name in re.findall(r"`([^`]+)`", row[0])]
    assert len(listed) == len(set(listed))
    assert visited == set(listed)
