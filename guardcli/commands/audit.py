"""`guard audit`: judge millions of records, killed at any moment, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from guardcli import audit as bulk
from guardcli import stored
from guardcli.audit import Item, Progress, Shard, Source
from guardcli.classifier import Guard
from guardcli.commands import inputs, output
from guardcli.commands.codes import DONE, FOUND, UNJUDGED
from guardcli.commands.judging import Judging, model_options, record_options, taxonomy_option
from guardcli.commands.share import ShardOption, Share
from guardcli.folders import InputFiles, LeftOut, expand, kinds
from guardcli.formats.settlement import UNREAD
from guardcli.journal import SUFFIX, Journal
from guardcli.model.llama import build
from guardcli.printable import counted, printable
from guardcli.report import audit as report
from guardcli.summary import summarize
from guardcli.writers import jsonl

_EVERY = 10.0  # seconds between lines of progress where stderr is no terminal
_NAMED = 10  # so many files are named of those that are not read


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), required=True, metavar="OUT", help="The verdicts."
)
@click.option(
    "--shard",
    type=ShardOption(),
    metavar="I/N",
    default="1/1",
    help="Judge only the Ith of N parts, which guard merge joins.",
)
@click.option(
    "--max-unsafe",
    type=Share(),
    metavar="SHARE",
    help="Fail if a larger share is unsafe: 0.1%, 0.001, or a number such as 25.",
)
@click.option("--max-errors", type=Share(), metavar="SHARE", help="Fail if more could not be judged.")
@click.option(
    "--allow-left-out",
    is_flag=True,
    help="Let the gates pass although something in a folder, such as a hidden file, is not read.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
@inputs.reading_options
@inputs.requests
@model_options
@taxonomy_option
@record_options
def audit(
    *,
    names: tuple[str, ...],
    path: Path,
    shard: Shard,
    max_unsafe: float | None,
    max_errors: float | None,
    allow_left_out: bool,
    quiet: bool,
    reading: inputs.Reading,
    requests: tuple[str, ...],
    **options: Any,
) -> int:
    """Judge files and folders of records into OUT, rows as `guard check --format json` writes them.

    \b
    guard audit logs/ -o verdicts.jsonl -m llama-guard-3-8b.gguf -t policy.yaml

    Killed at any moment and started again with the same words, it goes on where it was, and ends with the same bytes
    as if nothing had happened. OUT.journal says how far it is.

    Of folders all files are read but hidden ones; links to folders are not followed. What is left out is named, and
    fails a gate: name it as an INPUT to have it read.

    Exits with 0 if it ran to its end, 1 if more is unsafe than --max-unsafe allows, 2 on wrong usage or if a file
    cannot be read, 3 if more could not be judged than --max-errors allows, or with a gate if something was left out.
    """
    if str(path) == "-":
        raise click.UsageError("an audit's output is a file that it can take up again: name one with -o")
    judging = Judging(**options)
    files = _input_files(names, path, [*requests, *judging.files()])
    sources = [Source.of(name) for name in files.paths]
    asked = inputs.asked(requests)

    remarks = inputs.Remarks(judging.as_user)

    def read(name: str, start: int) -> Iterable[Item]:
        return remarks.of(reading.records([name], start=start, requests=asked))

    with (
        judging.open() as guard,
        Journal(
            path, _manifest(guard, judging, asdict(reading) | {"requests": _known(requests)}, sources, shard)
        ) as journal,
    ):
        if journal.mark.rows:
            guard.trusted = True  # it has answered before
        if journal.mark.rows and not quiet:
            output.say(f"guard: {path} has {counted(journal.mark.rows, 'row')}: going on from there")
        if not journal.finished:
            _watch(bulk.run(guard, journal, sources, read, jsonl.line, shard=shard), sources, quiet=quiet)
    left_out = [] if allow_left_out else files.left_out
    return _summed_up(path, max_unsafe, max_errors, left_out, quiet=quiet)


def _input_files(names: Sequence[str], path: Path, others: Sequence[str | Path]) -> InputFiles:
    """The files to judge, once what is not read is told. The output of this very run is no input.

    Raises:
        OutputError: the output would be written over something that the run reads.
    """
    output.check_no_input(path, others, "-o")
    journal = path.with_name(path.name + SUFFIX)
    # An output without a journal is no audit's; an empty one was left by a run that was killed at its very beginning.
    own = (path, journal) if path.exists() and (journal.exists() or not path.stat().st_size) else ()
    files = expand(names, outputs=own)
    for file in (path, journal):
        output.check_no_input(file, [*files.paths, *others], "-o")
    if files.left_out:
        _name("not read", kinds(files.left_out), [f"{printable(one.path)}: {one.kind}" for one in files.left_out])
    if files.duplicates:
        same = [f"{printable(one.path)}: the same as {printable(one.read_as)}" for one in files.duplicates]
        _name("read once", counted(len(same), "other name"), same)
    return files


def _name(what: str, numbers: str, lines: Sequence[str]) -> None:
    output.say(f"guard: {what}: {numbers}")
    for line in lines[:_NAMED]:
        output.say(f"  {line}")
    if len(lines) > _NAMED:
        output.say(f"  and {len(lines) - _NAMED:,} more")


def _manifest(
    guard: Guard, judging: Judging, reading: dict[str, Any], sources: list[Source], shard: Shard
) -> dict[str, Any]:
    """Everything that can move a score, or a row: a run is resumed only if all of it is the same."""
    by = guard.provenance
    made = build()
    return {
        "model": by.model,
        "template": by.template,
        "scoring": by.scoring,
        "taxonomy": {"name": by.taxonomy, "prompt": by.prompt_digest, "decision": by.decision_digest},
        "threshold": guard.threshold,
        "llama_cpp": [made.version, made.features],
        "engine": guard.shape,
        "offload": [judging.gpu, judging.gpu_layers],
        "tolerance": guard.tolerance,
        "judged": {
            "target": judging.target,
            "as_user": sorted(judging.as_user),
            "scores": judging.scores,
            "keep": list(judging.keep),
            "show_text": judging.show_text,
            "force": judging.force,
        },
        "read": reading,
        "shard": [shard.number, shard.of],
        "inputs": [asdict(source) for source in sources],
    }


def _known(files: tuple[str, ...]) -> list[dict[str, Any]]:
    return [asdict(Source.of(file)) for file in files]


def _watch(run: Iterator[Progress], sources: list[Source], *, quiet: bool) -> None:
    """Run to the end, and tell how far it is: in place on a terminal, else a line now and then."""
    start = told = time.monotonic()
    total = sum(source.size for source in sources)
    for progress in run:
        now = time.monotonic()
        if not quiet and now - told >= (0.5 if output.on_terminal() else _EVERY):
            told = now
            output.tell(_state(progress, sources, total, now - start))
    if not quiet:
        output.tell(None)


def _state(progress: Progress, sources: list[Source], total: int, seconds: float) -> str:
    rows = progress.verdicts.total()
    counts = progress.counts
    shared = 1 - counts.evaluated / counts.tokens if counts.tokens else 0
    unsafe = ", ".join(f"{label} {number:,}" for label, number in progress.categories.most_common(4))
    return (
        f"{progress.mark.rows:,} rows, {rows / seconds:,.1f}/s, {counts.evaluated / seconds:,.0f} tokens/s "
        f"({shared:.0%} shared), {progress.verdicts['unsafe']:,} unsafe{f' ({unsafe})' if unsafe else ''}, "
        f"{progress.verdicts['error']:,} errors; {_left(progress, sources, total, seconds)}"
    )


def _left(progress: Progress, sources: list[Source], total: int, seconds: float) -> str:
    """How long it will go on: by the bytes of text, which cost tokens, and not by rows. (Not told of packed files.)"""
    before = sum(source.size for source in sources[: progress.mark.source])
    done = min(1.0, max(progress.read, before) / total) if total else 1.0
    packed = progress.read > total
    place = f"file {min(progress.mark.source + 1, len(sources))} of {len(sources)}"
    if packed or not 0 < done < 1:
        return place
    left = seconds * (1 - done) / done
    return f"{done:.0%}, {int(left // 3600)}:{int(left % 3600 // 60):02}:{int(left % 60):02} left, {place}"


def _summed_up(
    path: Path, max_unsafe: float | None, max_errors: float | None, left_out: Sequence[LeftOut], *, quiet: bool
) -> int:
    """Read the verdicts once more, from the first run or the tenth: the summary, and the exit code by the gates."""
    summary = summarize(stored.read(str(path)))
    total, verdicts = summary.total, summary.verdicts
    if not quiet:
        output.say(report.as_text(summary), end="")
    if not total:
        output.say("guard: nothing to judge: the input holds no records")
        return UNJUDGED
    if max_unsafe is not None and max_errors is None:
        max_errors = 0.0  # what could not be judged is not known to be safe
    unread = summary.flags[UNREAD]
    if max_errors is not None and Share.exceeded(verdicts["error"] + unread, total, max_errors):
        told = f", and {counted(unread, 'row')} of records with text that was not judged" if unread else ""
        output.say(
            f"guard: {verdicts['error']:,} of {total:,} could not be judged{told}: more than --max-errors allows"
        )
        return UNJUDGED
    if left_out and (max_unsafe is not None or max_errors is not None):
        output.say(
            f"guard: the gates cover what was read, but not {kinds(left_out)}: name these as inputs to have them "
            "judged, or pass --allow-left-out"
        )
        return UNJUDGED
    if max_unsafe is not None and Share.exceeded(verdicts["unsafe"], total, max_unsafe):
        output.say(f"guard: {verdicts['unsafe']:,} of {total:,} are unsafe: more than --max-unsafe allows")
        return FOUND
    return DONE
