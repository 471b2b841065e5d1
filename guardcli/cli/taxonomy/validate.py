"""`guard taxonomy validate`: the problems of taxonomy files and warnings about them, each with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from guardcli import __version__
from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK, USAGE_ERROR
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.errors import ERROR_CODES, TAXONOMY_CODES, GuardError, Problem, TaxonomyError, as_options
from guardcli.prompts import TEMPLATES, policy_warnings, policy_warnings_without_model
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_line


@click.command(
    cls=GuardCommand,
    exits={
        0: "every taxonomy is valid; there may be warnings",
        1: "a taxonomy has a problem",
        2: "wrong usage, or a file that cannot be read",
    },
    examples=(
        "guard taxonomy validate policy.yaml",
        "guard taxonomy validate policy.yaml --format sarif > results.sarif",
    ),
)
@click.argument("taxonomies", nargs=-1, required=True, metavar="TAXONOMY...")
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    metavar="NAME",
    help="Check that models with this prompt format can write the ids, and what they know them as. "
    f"One of {', '.join(TEMPLATES)}.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="Write text or JSON for editors, or SARIF for code hosts.",
)
@extends_root_option
def validate(
    *, taxonomies: tuple[str, ...], template: str | None, output_format: str, extends_root: Path | None
) -> int:
    """Report every problem of taxonomy files with its place, file:line:column, and how to fix it. Needs no model.

    Warnings name parts of a valid taxonomy that will not have the effect that you may expect.
    """
    problems: list[Problem] = []
    good = []
    unknown: list[GuardError] = []
    for name in taxonomies:
        try:
            taxonomy = _checked(name, template, extends_root)
        except TaxonomyError as error:
            problems.extend(error.problems)
        except GuardError as error:  # not a file, and not the name of a built-in one
            unknown.append(error)
        else:
            good.append(taxonomy)
            problems.extend(_warnings(taxonomy, template))
    if output_format == "text":
        for problem in problems:
            output.write(f"{escape_line(as_options(f'{problem} [{problem.code}]'))}\n")
        for taxonomy in good:
            holds = f"categories: {len(taxonomy.categories)}, tests: {len(taxonomy.tests)}"
            output.write(f"{escape_line(taxonomy.location.path)}: valid ({holds})\n")
    else:
        value = _json(problems) if output_format == "json" else _sarif(problems)
        output.write(json.dumps(value, indent=2) + "\n")
    for one in unknown:
        output.echo_error(one)
    if unknown or any(problem.code == "taxonomy/unreadable" for problem in problems):
        return USAGE_ERROR
    return FINDINGS if any(problem.level == "error" for problem in problems) else OK


def _checked(name: str, template: str | None, extends_root: Path | None) -> Taxonomy:
    taxonomy = Taxonomy.load(name, extends_root=extends_root)
    if template is not None:
        TEMPLATES[template].check(taxonomy)
    return taxonomy


def _warnings(taxonomy: Taxonomy, template: str | None) -> list[Problem]:
    if template is None:
        return policy_warnings_without_model(taxonomy)
    return policy_warnings(taxonomy, TEMPLATES[template])


def _json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "file": problem.path,
            "line": problem.line,
            "column": problem.column,
            "level": problem.level,
            "code": problem.code,
            "message": as_options(problem.message),
        }
        for problem in problems
    ]


def _sarif(problems: Sequence[Problem]) -> dict[str, Any]:
    """SARIF 2.1.0, as code hosts read it."""
    rules = [
        {
            "id": code,
            "shortDescription": {"text": ERROR_CODES[code].meaning},
            "help": {"text": ERROR_CODES[code].advice},
        }
        for code in TAXONOMY_CODES
    ]
    driver = {"name": "guard", "version": __version__, "rules": rules}
    results = [
        {
            "ruleId": problem.code,
            "level": problem.level,
            "message": {"text": as_options(problem.message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(problem.path.replace("\\", "/"))},
                        "region": {"startLine": max(problem.line, 1), "startColumn": max(problem.column, 1)},
                    }
                }
            ],
        }
        for problem in problems
    ]
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
