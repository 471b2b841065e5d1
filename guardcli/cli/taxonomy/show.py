"""`guard taxonomy list` and `show`: the built-in taxonomies, and the categories of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.report.terminal import Cell, format_styled, format_table
from guardcli.taxonomy import Category, Taxonomy, bundled_taxonomies
from guardcli.text.escaping import escape_terminal


@click.command("list", cls=GuardCommand, examples=("guard taxonomy list",))
def list_() -> int:
    """List the built-in taxonomies."""
    rows = [(name, str(len(t.categories)), t.detail, t.description or "") for name, t in _bundled()]
    output.write(_table(("name", "categories", "detail", "description"), rows, right=[1]))
    return OK


@click.command(cls=GuardCommand, examples=("guard taxonomy show llama-guard-3", "guard taxonomy show policy.yaml"))
@click.argument("name", metavar="TAXONOMY")
@extends_root_option
def show(*, name: str, extends_root: Path | None) -> int:
    """Show a taxonomy: its categories and their meanings, and what it changes in the one that it extends."""
    taxonomy = Taxonomy.load(name, extends_root=extends_root)
    parent = taxonomy.parent(extends_root=extends_root)
    color = output.use_color()
    output.write(format_styled(f"{taxonomy.name} ({taxonomy.location.path})", "bold", color=color))
    for line in _facts(taxonomy, parent):
        output.write(f"{escape_terminal(line)}\n")
    output.write("\n")
    rows = [_row(category, parent) for category in taxonomy.categories]
    headings = ("id", "key", "name", "threshold", "change", "meaning")
    kept = [at for at in range(len(headings)) if any(row[at] for row in rows)]
    output.write(_table([headings[at] for at in kept], [[row[at] for at in kept] for row in rows]))
    return OK


def _bundled() -> Iterator[tuple[str, Taxonomy]]:
    for name in bundled_taxonomies():
        yield name, Taxonomy.load(name)


def _facts(taxonomy: Taxonomy, parent: Taxonomy | None) -> Iterator[str]:
    if taxonomy.description:
        yield taxonomy.description
    if parent is not None:
        dropped = [f"{c.id} {c.name}" for c in parent.categories if c.id not in {own.id for own in taxonomy.categories}]
        yield f"extends {taxonomy.extends}" + (f", without {', '.join(dropped)}" if dropped else "")
    threshold = "0.5 (not set)" if taxonomy.threshold is None else str(taxonomy.threshold)
    reads = "their names" if taxonomy.detail == "names" else "all that defines them"
    yield f"threshold {threshold}; of its {len(taxonomy.categories)} categories the model reads {reads}"
    yield f"tests: {len(taxonomy.tests)}"
    yield f"digests: prompt {taxonomy.prompt_digest}, decision {taxonomy.decision_digest}"


def _row(category: Category, parent: Taxonomy | None) -> tuple[str, ...]:
    threshold = "" if category.threshold is None else str(category.threshold)
    return (category.id, category.key or "", category.name, threshold, _change(category, parent), _meaning(category))


def _change(category: Category, parent: Taxonomy | None) -> str:
    """What a category is to the extended taxonomy: added, or which of its fields are others."""
    if parent is None:
        return ""
    before = next((other for other in parent.categories if other.id == category.id), None)
    if before is None:
        return "added"
    names = [field.name for field in fields(Category) if field.compare]
    return ", ".join(name for name in names if getattr(category, name) != getattr(before, name))


def _meaning(category: Category) -> str:
    parts = [category.description or ""]
    for heading, bullets in (("Should not", category.should_not), ("Can", category.can), ("Should", category.should)):
        if bullets:
            parts.append(f"{heading}: {' '.join(bullets)}")
    if category.examples:
        parts.append(f"({len(category.examples)} examples)")
    return " ".join(" ".join(filter(None, parts)).split())


def _table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, right: Sequence[int] = ()) -> str:
    return format_table(headings, rows, color=output.use_color(), width=output.table_width(), right=right)
