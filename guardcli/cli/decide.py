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
    decision = DecisionRule.from_taxonomy(taxonomy, threshold)
    ids = _ids(taxonomy, taxonomy if was is None else Taxonomy.load(was, extends_root=extends_root))
    named = {"name": taxonomy.name, "prompt": taxonomy.prompt_digest, "decision": taxonomy.decision_digest}
    changes: Counter[tuple[str, str]] = Counter()
    unread = 0
    for place, row in _rows(files):
        _check(row, taxonomy, place)
        try:
            decided = redecision.redecide(row, decision, _used(row, ids, place))
        except ValueError as error:
            raise InputError(f"{place}: {error}") from None
        changes[row["verdict"], decided["verdict"]] += 1
        unread += bool(row["unread"])
        output.write(dumps(decided | {"taxonomy": named}) + "\n")
    _tell(changes)
    return exit_codes.for_verdicts(Counter(dict(_after(changes))), exit_zero=exit_zero, unread=unread)


def _rows(files: tuple[str, ...]) -> Iterator[tuple[str, VerdictRow]]:
    for file in files:
        for number, row in enumerate(reader.read_verdicts(file), start=1):
            yield f"{file}: row {number}", row


def _ids(taxonomy: Taxonomy, before: Taxonomy) -> dict[str, str]:
    """The category id behind each label of the policy before."""
    if taxonomy.prompt_digest != before.prompt_digest:
        raise InputError(f"--was {before.name}: the model reads it differently from {taxonomy.name}: run again")
    return {category.label: category.id for category in before.categories}


def _check(row: VerdictRow, taxonomy: Taxonomy, place: str) -> None:
    read = row["taxonomy"].get("prompt")
    if read != taxonomy.prompt_digest:
        raise InputError(
            f"{place} was judged by another policy: what the model read ({_named(row)}, prompt "
            f"{escape_terminal(str(read))}) is not what {taxonomy.name} says now (prompt {taxonomy.prompt_digest}). "
            "Thresholds can be applied afterwards; names, descriptions, "
            "examples and the list of categories need a new run of guard check."
        )


def _named(row: VerdictRow) -> str:
    return escape_terminal(str(row["taxonomy"].get("name")))


def _used(row: VerdictRow, ids: Mapping[str, str], place: str) -> Mapping[str, str]:
    """The ids of the labels that a row uses."""
    labels = {*(row["categories"] or ()), *(row.get("listed_scores") or ()), *(row.get("category_scores") or ())}
    if unknown := sorted(labels - ids.keys()):
        raise InputError(
            f"{place} names the category {unknown[0]!r}, which the policy does not: give the old one by --was"
        )
    return {label: ids[label] for label in labels}


def _after(changes: Counter[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    for verdict in ("safe", "unsafe", "error"):
        yield verdict, sum(count for (_, now), count in changes.items() if now == verdict)


def _tell(changes: Counter[tuple[str, str]]) -> None:
    moved = {pair: count for pair, count in changes.items() if pair[0] != pair[1]}
    what = "".join(f", {count:,} {was} → {now}" for (was, now), count in sorted(moved.items()))
    output.echo_err(f"guard: {sum(moved.values()):,} of {pluralize(changes.total(), 'verdict')} changed{what}")
