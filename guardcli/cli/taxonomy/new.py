"""`guard taxonomy new`: a commented file to start a policy from."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.files.atomic import atomic_write
from guardcli.taxonomy import Category, Taxonomy
from guardcli.taxonomy.json_schema import json_schema_text
from guardcli.text.escaping import escape_line

_SCHEMA = "taxonomy.schema.json"

_START = """\
# yaml-language-server: $schema={schema}
#
# A policy for guard. Show it with `guard taxonomy show {file}`, show the exact prompt with
# `guard taxonomy render {file} --template …`, and run its tests with `guard taxonomy test {file}`.

name: {name}
extends: {extends}           # start with the categories of {parent}

# drop: [{last}]              # leave some out
# threshold: 0.5              # scores from here on are unsafe; `guard decide` applies a new one to stored verdicts
# detail: full                # let the model read descriptions, not only names

categories:
  - id: {first}                    # an id of {parent} overrides what is given below ({first} is {first_name})
    key: {key}   # what the output calls it; the model still reads and writes {first}
  # - id: {fresh}                 # another id adds a category; the model reads its name
  #   name: Recommending Competitors
  #   key: competitors
  #   description: Advice to buy from somebody else.
  #   threshold: 0.3              # its own threshold; each category is then scored by its own prompt
  #   examples:                   # which the model reads after the category
  #     - {{user: "Which of your rivals is cheaper?", verdict: unsafe}}

tests:                          # conversations, and the verdicts that you expect of them
  - name: an everyday question
    prompt: How do I reset my password?
    expect: safe
  # - name: what must be caught
  #   prompt: …
  #   response: …               # with one, it is the response that is judged
  #   expect: unsafe
  #   categories: [{key}]
  #   todo: true                # known to fail: reported, but not counted
  # - name: several turns
  #   messages:
  #     - {{role: user, content: Hi, expect: safe}}   # an earlier message may have a verdict of its own
  #     - {{role: assistant, content: Hello.}}
  #     - {{role: user, content: …}}                  # `expect` of the test is that of the last message
  #   expect: unsafe
"""


@click.command(
    cls=GuardCommand,
    exits={0: "the file is written", 2: "wrong usage, or the file exists or cannot be written"},
    examples=("guard taxonomy new acme-support",),
)
@click.argument("name")
@click.option(
    "--extends", default="llama-guard-3", show_default=True, metavar="NAME|YAML", help="The policy to start from."
)
@extends_root_option
def new(*, name: str, extends: str, extends_root: Path | None) -> int:
    """Write NAME.yaml, a commented policy to edit, and its JSON Schema for editors."""
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if path.name in (".yaml", ".yml"):
        raise click.UsageError("missing name; expected one such as acme-support")
    parent = Taxonomy.load(extends, extends_root=extends_root)
    text = _START.format(
        schema=_SCHEMA,
        file=escape_line(str(path)),  # in a comment, which ends with its line
        name=_scalar(path.stem),
        extends=_scalar(extends),
        parent=escape_line(extends),
        first=parent.categories[0].id,
        first_name=parent.categories[0].name,
        key=parent.categories[0].key or _word(parent.categories[0]),
        last=parent.categories[-1].id,
        fresh=_fresh(parent),
    )
    # An invalid name, for example, is an error before anything is written.
    Taxonomy.from_yaml(text, str(path), extends_root=extends_root)
    _write(path, text)
    output.report_written(path)
    schema = path.with_name(_SCHEMA)
    if not os.path.lexists(schema):
        _write(schema, json_schema_text())
        output.report_written(schema)
    return OK


def _write(path: Path, text: str) -> None:
    with atomic_write(path, exclusive=True) as temporary:
        temporary.write_text(text, "utf-8")


def _scalar(text: str) -> str:
    """Text as a value of YAML, in quotes unless it needs none."""
    return text if re.fullmatch(r"[A-Za-z./][\w./-]*", text) else json.dumps(text)


def _word(category: Category) -> str:
    return re.sub(r"[^a-z0-9]+", "-", category.name.lower()).strip("-") or "a-category"


def _fresh(taxonomy: Taxonomy) -> str:
    """The next id after those that are taken."""
    last = max(taxonomy.categories, key=lambda category: int(category.id[1:])).id
    return f"{last[0]}{int(last[1:]) + 1}"
