"""`guard decide`: apply edited thresholds to stored verdicts, without the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from guardcli.cli import exit_codes, inputs, output
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.probability import Probability
from guardcli.errors import InputError
from guardcli.judging import DecisionRule, reader, redecision
from guardcli.judging.reader import VerdictRow
from guardcli.judging.writers.jsonl import dumps
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_terminal, pluralize


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, metavar="[VERDICTS]...")
@click.option(
    "-t", "--taxonomy", "edited", envvar="GUARD_TAXONOMY", metavar="NAME|YAML", required=True, help="The edited policy."
)
@click.option(
    "--threshold", type=Probability(), metavar="P", help="Unsafe from this score on; else the taxonomy's, or 0.5."
)
@extends_root_option
@click.option("--was", metavar="NAME|YAML", help="The policy before, where keys of categories were renamed.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 although something is unsafe.")
def decide(
    *,
    files: tuple[str, ...],
    edited: str,
    threshold: float | None,
    extends_root: Path | None,
    was: str | None,
    exit_zero: bool,
) -> int:
    """Decide stored verdicts again: rows of `guard check --format json` in (FILES, or stdin), rows out.

    Thresholds and keys may have changed; where the policy reads differently to the model, a new run is needed.

    \b
    guard decide verdicts.jsonl -t policy.yaml > decided.jsonl
    """
    if inputs.show_help_if_interactive(files):
        return exit_codes.USAGE_ERROR
    files = files or ("-",)
    output.check_stdout(files)
    taxonomy = Taxonomy.load(edited, extends_root=extends_root)
    rule = DecisionRule.from_taxonomy(taxonomy, threshold)
    ids = _ids_by_label(taxonomy, taxonomy if was is None else Taxonomy.load(was, extends_root=extends_root))
    taxonomy_field = {"name": taxonomy.name, "prompt": taxonomy.prompt_digest, "decision": taxonomy.decision_digest}
    changes: Counter[tuple[str, str]] = Counter()
    unread = 0
    for location, row in _read_rows(files):
        _check_digest(row, taxonomy, location)
        try:
            decided = redecision.redecide(row, rule, _ids_in_row(row, ids, location))
        except ValueError as error:
            raise InputError(f"{location}: {error}") from None
        changes[row["verdict"], decided["verdict"]] += 1
        unread += bool(row["unread"])
        output.write(dumps(decided | {"taxonomy": taxonomy_field}) + "\n")
    _report_changes(changes)
    return exit_codes.for_verdicts(_verdict_counts(changes), exit_zero=exit_zero, unread=unread)


def _read_rows(files: tuple[str, ...]) -> Iterator[tuple[str, VerdictRow]]:
    for file in files:
        for number, row in enumerate(reader.read_verdicts(file), start=1):
            yield f"{file}: row {number}", row


def _ids_by_label(taxonomy: Taxonomy, before: Taxonomy) -> dict[str, str]:
    """Return the category id of each label of the old policy. Raises InputError if its prompt differs."""
    if taxonomy.prompt_digest != before.prompt_digest:
        raise InputError(f"--was {before.name}: the model reads it differently from {taxonomy.name}: run again")
    return {category.label: category.id for category in before.categories}


def _check_digest(row: VerdictRow, taxonomy: Taxonomy, location: str) -> None:
    """Raise InputError if a row was judged with another prompt, so that its scores do not hold for the taxonomy."""
    digest = row["taxonomy"].get("prompt")
    if digest != taxonomy.prompt_digest:
        raise InputError(
            f"{location} was judged by another policy: what the model read ({_taxonomy_name(row)}, prompt "
            f"{escape_terminal(str(digest))}) is not what {taxonomy.name} says now (prompt {taxonomy.prompt_digest}). "
            "Thresholds can be applied afterwards; names, descriptions, "
            "examples and the list of categories need a new run of guard check."
        )


def _taxonomy_name(row: VerdictRow) -> str:
    return escape_terminal(str(row["taxonomy"].get("name")))


def _ids_in_row(row: VerdictRow, ids: Mapping[str, str], location: str) -> Mapping[str, str]:
    """Return the ids of the labels in a row. Raises InputError if the policy does not know one."""
    labels = {*(row["categories"] or ()), *(row.get("listed_scores") or ()), *(row.get("category_scores") or ())}
    if unknown := sorted(labels - ids.keys()):
        raise InputError(
            f"{location} names the category {unknown[0]!r}, which the policy does not: give the old one by --was"
        )
    return {label: ids[label] for label in labels}


def _verdict_counts(changes: Counter[tuple[str, str]]) -> Counter[str]:
    """Count the new verdicts."""
    counts: Counter[str] = Counter()
    for (_, now), count in changes.items():
        counts[now] += count
    return counts


def _report_changes(changes: Counter[tuple[str, str]]) -> None:
    moved = {pair: count for pair, count in changes.items() if pair[0] != pair[1]}
    details = "".join(f", {count:,} {was} → {now}" for (was, now), count in sorted(moved.items()))
    output.echo_err(f"guard: {sum(moved.values()):,} of {pluralize(changes.total(), 'verdict')} changed{details}")
