"""`guard filter`: pass records through, withholding the unsafe."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from guardcli.commands import inputs, output
from guardcli.commands.codes import DONE, UNJUDGED, USAGE
from guardcli.commands.judging import Judging, model_options, taxonomy_option
from guardcli.conversation import Record
from guardcli.errors import InputError
from guardcli.printable import field, printable
from guardcli.sieve import Sifted, sift
from guardcli.turns import TARGETS
from guardcli.writers import jsonl

ANNOTATION = "guard"  # the field of a record that holds its verdict


@click.command("filter", context_settings={"help_option_names": ["-h", "--help"]})
@inputs.files
@click.option("--invert", is_flag=True, help="Withhold the safe, and pass the unsafe.")
@click.option("--annotate", is_flag=True, help="Add the verdict to each record, as its field `guard`.")
@click.option("--verdicts", type=click.Path(path_type=Path), metavar="FILE", help="Write the rows there, too.")
@click.option(
    "--target",
    type=click.Choice([target for target in TARGETS if target != "each"]),
    default="any",
    show_default=True,
    help="What is judged: every message (any), the last one, or the last of a role.",
)
@inputs.as_user
@inputs.reading_options
@model_options
@taxonomy_option
def filter_(
    *,
    files: tuple[str, ...],
    invert: bool,
    annotate: bool,
    verdicts: Path | None,
    reading: inputs.Reading,
    **options: Any,
) -> int:
    """Pass records from FILES, or stdin, through as they are; withhold those in which a message is unsafe.

    \b
    tail -f chat.jsonl | guard filter | ./reply
    guard filter --invert --verdicts why.jsonl chats.jsonl > unsafe.jsonl

    What could not be judged is withheld and named on stderr.

    Exits with 0, 2 on wrong usage, 3 if something could not be judged.
    """
    if inputs.help_for_a_person(files):
        return USAGE
    named = inputs.sources(files)
    code = DONE
    with ExitStack() as stack:
        guard = stack.enter_context(Judging(**options).open())
        aside = None if verdicts is None else stack.enter_context(output.Aside(verdicts, inputs=named))
        for sifted in sift(guard, reading.records(named), ahead="live" if inputs.live(named) else "full"):
            if aside is not None:
                aside.write(map(jsonl.line, sifted.verdicts))
            for verdict in sifted.unjudged:
                code = UNJUDGED
                place = field(verdict.key.place)
                output.say(f"guard: withheld, not judged: {place}: {printable(verdict.error or '')}")
            if sifted.passes(invert=invert):
                output.write_bytes(_annotated(sifted) if annotate else _as_it_was(sifted))
    return code


def _as_it_was(sifted: Sifted) -> bytes:
    assert isinstance(sifted.record, Record)  # what is none has no verdict, and does not pass
    return sifted.record.raw + b"\n"


def _annotated(sifted: Sifted) -> bytes:
    record = sifted.record
    if not record.fields:
        raise InputError(f"{record.key.place}: --annotate needs records that are JSON objects")
    rows = [jsonl.row(verdict) for verdict in sifted.verdicts]
    return (jsonl.dumps({**record.fields, ANNOTATION: rows[0] if len(rows) == 1 else rows}) + "\n").encode()
