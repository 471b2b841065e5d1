"""The man pages are what the commands print as their help, and man shows them without a complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli_page import helps
from tests.man_pages import MAN_PAGES, man_pages

ROOT = Path(__file__).parents[2]
PAGES = man_pages()
HELPS = {f"{name.replace(' ', '-')}.1": text for name, text in helps(width=1000)}


def test_the_pages_are_fresh() -> None:
    there = {path.name: path.read_text("utf-8") for path in MAN_PAGES.iterdir()}
    assert there == PAGES, "run: python -m tests.man_pages"


def test_an_installation_has_them() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '[tool.hatch.build.targets.wheel.shared-data]\n"man" = "share/man/man1"\n' in project
    assert re.search(r"targets\.sdist\]\ninclude = \[[^]]*\"man\"", project)


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
@pytest.mark.parametrize("name", PAGES)
def test_man_shows_the_words_of_the_help(name: str) -> None:
    done = subprocess.run(
        ["groff", "-Kutf8", "-Tutf8", "-P-cbou", "-ww", "-man", "-rLL=78n", "-rHY=0"],
        input=PAGES[name].encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    shown = done.stdout.decode().replace("\N{HYPHEN}", "-").replace("\N{MINUS SIGN}", "-")
    words = "".join(shown.split())
    help_words = HELPS[name].replace("Exit codes:", "").split()
    headings = {word for word in help_words if word.endswith(":")}
    assert [word for word in help_words if word not in words and word not in headings] == []
