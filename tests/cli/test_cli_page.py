"""docs/cli.md is what the commands print as their help."""

from __future__ import annotations

from tests.cli.running import guard
from tests.cli_page import CLI_PAGE, cli_page


def test_the_page_is_fresh() -> None:
    assert CLI_PAGE.read_text("utf-8") == cli_page(), "run: python -m tests.cli_page"


def test_the_page_has_the_help_as_it_is_printed() -> None:
    page = cli_page()
    for words in ([], ["check"], ["taxonomy"], ["taxonomy", "test"]):
        assert f"```text\n{guard(*words, '--help', COLUMNS='80').stdout.rstrip()}\n```" in page
