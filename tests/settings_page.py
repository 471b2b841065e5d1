"""The table of settings and options in docs/python.md. `python -m tests.settings_page` writes it."""

from __future__ import annotations

from pathlib import Path

from guardcli.errors import SETTINGS
from tests.generated import cell, replace_generated_parts

PAGE = Path(__file__).parent.parent / "docs" / "python.md"


def generated() -> str:
    """Return the table: a row for each class or function."""
    by_owner: dict[str, dict[str, str]] = {}
    for key, option in SETTINGS.items():
        owner, _, name = key.rpartition(".")
        by_owner.setdefault(owner, {})[name] = option
    lines = ["| in Python | options of the same name | other options |", "|---|---|---|"]
    for owner, options in by_owner.items():
        same = [f"`{name}`" for name, option in options.items() if option == _spelled(name)]
        others = [f"`{name}` is `{option}`" for name, option in options.items() if option != _spelled(name)]
        shown = f"{owner}(…)" if owner.rpartition(".")[2][0].islower() else owner
        lines.append(f"| `{shown}` | {cell(', '.join(same))} | {cell(', '.join(others))} |")
    return "".join(f"{line}\n" for line in lines)


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"


if __name__ == "__main__":
    replace_generated_parts(PAGE, [generated()])
