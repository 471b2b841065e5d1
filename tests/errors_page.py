"""docs/errors.md, made of the table of codes. `python -m tests.errors_page` writes it."""

from __future__ import annotations

from pathlib import Path

from guardcli.errors import ERROR_CODES

ERRORS_PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

_PAGE = """# Errors

Every error of `guard`, and every warning about a taxonomy, has a code. It stays the same when a message is worded
differently, so test for it in scripts. stderr shows it at the end of the first line, and the other outputs have it in a
field:

| where | how |
|---|---|
| messages on stderr | `guard: chats.jsonl: no such file [input/not-found]` |
| `guard check --format json` | `error_code`, null without an error |
| `guard taxonomy validate` | `policy.yaml:3:5: … [taxonomy/duplicate-id]`; JSON and SARIF have it, too |
| Python | `error.code` of a `GuardError`, `verdict.error_code` |

Wrong usage of the command line, such as an unknown option, has no code.

"""


def errors_page() -> str:
    """The text of docs/errors.md."""
    rooms: dict[str, list[str]] = {}
    for code, (meaning, advice) in ERROR_CODES.items():
        rooms.setdefault(code.split("/")[0], []).append(f"| `{code}` | {meaning} | {advice} |")
    tables = (
        f"## {room}\n\n| code | meaning | what to do |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        for room, rows in rooms.items()
    )
    return _PAGE + "\n".join(tables)


if __name__ == "__main__":
    ERRORS_PAGE.write_text(errors_page(), "utf-8")
