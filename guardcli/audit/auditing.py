"""Audit files and folders into an output that can be resumed: everything from the inputs to the summary of the rows.

::

    inputs → expand_paths → Source (hashed) → Unit → Block → Guard → Journal → output
                                       manifest ───────────────────┘

See `run` for how blocks are judged, `isolation` for records that end the process, and `journal` for what is on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from guardcli.audit.blocks import BlockLimits, Item, choose_block_tokens
from guardcli.audit.input_files import InputFiles, SkippedFile, expand_paths
from guardcli.audit.journal import Checkpoint, Journal, JournalState, ManifestMismatchError, files_of, peek_manifest
from guardcli.audit.manifest import block_tokens_of, describe_differences, make_manifest, only_inputs_changed
from guardcli.audit.progress import AuditPreparation, AuditProgress
from guardcli.audit.run import AuditPlan, Shard, isolate_poison_records, run_audit
from guardcli.audit.signals import Interrupts
from guardcli.audit.sources import UNIT_BYTES, Source
from guardcli.audit.units import Unit, read_unit, split_into_units
from guardcli.errors import ErrorCode, OutputError
from guardcli.files.collisions import check_output_path
from guardcli.formats import ReadOptions, load_requests
from guardcli.judging import reader
from guardcli.judging.summary import Summary, summarize
from guardcli.judging.writers import jsonl

if TYPE_CHECKING:
    from guardcli.engine import EngineConfig
    from guardcli.judging import Guard, JudgeConfig
    from guardcli.models import ModelConfig
    from guardcli.taxonomy import Taxonomy


class AuditObserver:
    """Receives the events of an audit, and ignores them. Override what you want to show."""

    def phase(self, line: Callable[[], str]) -> AbstractContextManager[object]:
        """A part of the audit begins, and lasts as long as the context; `line` says at any time how far it is."""
        return nullcontext()

    def watch(self, records: Iterable[Item]) -> Iterable[Item]:
        """Records are read; yield them all, unchanged."""
        return records

    def on_inputs(self, files: InputFiles) -> None:
        """The inputs are known."""

    def on_open(self, guard: Guard) -> None:
        """The model is loaded."""

    def on_resume(self, output: Path, checkpoint: Checkpoint) -> None:
        """The output has rows of an earlier attempt, which are kept."""

    def on_finished_before(self, output: Path, checkpoint: Checkpoint) -> None:
        """The output is finished; nothing is judged."""

    def on_isolation(self, state: JournalState) -> None:
        """The attempts before ended in one block: its records are judged one by one."""

    def on_poison_record(self, location: str, signal: str) -> None:
        """A record ends the process, by a signal of this name: it becomes an error row."""

    def on_no_poison_record(self) -> None:
        """No record of the block ends the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """A finished audit: its output, a summary of all rows, and what lies in the inputs' folders and was not read."""

    output: Path
    summary: Summary
    left_out: tuple[SkippedFile, ...]


def audit(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    model: ModelConfig | str | Path,
    taxonomy: Taxonomy | str | Path | None = None,
    config: JudgeConfig | None = None,
    engine: EngineConfig | None = None,
    cache: Path | None = None,
    read_options: ReadOptions | None = None,
    requests: Sequence[str | Path] = (),
    shard: Shard | None = None,
    unit_bytes: int = UNIT_BYTES,
    block_tokens: int | None = None,
    observer: AuditObserver | None = None,
    interrupts: Interrupts | None = None,
) -> AuditResult:
    """Judge files and folders of records into a file of JSON Lines, as `guard audit` does.

    Killed at any moment and called again with the same arguments, it resumes where it was, and ends with the same bytes
    as a run that was never interrupted. A record that ends the process becomes an error row: where attempts ended in
    one block, its records are judged one by one in processes of their own. These import the main module, so a script
    calls `audit` under `if __name__ == "__main__":`.

    >>> result = audit("logs/", "verdicts.jsonl", model="llama-guard-3-8b.gguf", taxonomy="policy.yaml")
    >>> result.summary.verdicts["unsafe"]
    12

    Args:
        inputs: a file or a folder, or several. Of a folder all files but hidden ones are read; links to folders are not
            followed.
        output: the rows; beside it a journal with the suffix `.journal` says how far the audit is.
        model: the path of a GGUF, the name of a bundled model, or either with more options in a `ModelConfig`.
        taxonomy: the policy; the one that the model was trained on if None.
        config: what is judged of a record, and what its row contains.
        engine: the context and the threads.
        cache: a file that remembers digests and tolerances of models.
        read_options: how records are read; detected if None.
        requests: files of batch requests; the records of the inputs are the answers to them.
        shard: which part of the units is judged, all if None; `merge_shards` joins the parts.
        unit_bytes: the size of the units into which files of one record a line are cut.
        block_tokens: a block is committed whenever about so many prompt tokens are judged; if None, as many as in the
            attempt before, or by the size of the model.
        observer: receives the events of the audit.
        interrupts: raises `Interrupted` where a signal asks the audit to end, and lets Ctrl-C end the process while the
            model loads. For the main thread only; a `KeyboardInterrupt` or a kill does no harm without it.

    Raises:
        InputError: an input cannot be read, or changed during the audit.
        OutputError: the output cannot be written, belongs to another audit, or is a file that is read.
        GuardError: the model or the taxonomy cannot be used, or judging fails.
    """
    from guardcli.engine import EngineConfig  # llama.cpp is not loaded to merge shards
    from guardcli.judging import JudgeConfig
    from guardcli.models import ModelConfig
    from guardcli.models.interruption import default_sigint
    from guardcli.taxonomy import Taxonomy

    output, observer = Path(output), observer or AuditObserver()
    read_options, shard = read_options or ReadOptions(), shard or Shard()
    open_guard = _GuardOpener(
        model=model if isinstance(model, ModelConfig) else ModelConfig(model),
        taxonomy=taxonomy if isinstance(taxonomy, (Taxonomy, type(None))) else Taxonomy.load(taxonomy),
        config=config or JudgeConfig(),
        engine=engine or EngineConfig(),
        cache=cache,
    )
    inputs = [inputs] if isinstance(inputs, (str, Path)) else inputs
    files = _expand_inputs(inputs, output, [*requests, *open_guard.files])
    observer.on_inputs(files)
    conversations = load_requests(requests) if requests else None

    def read(stream: BinaryIO, unit: Unit, start: int) -> Iterable[Item]:
        return observer.watch(read_unit(stream, unit, start, options=read_options, requests=conversations))

    preparation = AuditPreparation(_total_size(files.paths))
    with observer.phase(preparation.line):
        sources = [Source.from_path(path, unit_bytes, on_read=preparation.read) for path in files.paths]
        plan = AuditPlan(split_into_units(sources, read_options.find_record_lines), read, shard)
        preparation.loading = True
        with default_sigint() if interrupts is not None else nullcontext():
            guard = open_guard()
    observer.on_open(guard)
    with guard, nullcontext(Interrupts()) if interrupts is None else interrupts as caught:
        plan = replace(plan, limits=_limits(guard, block_tokens or block_tokens_of(peek_manifest(output))))
        manifest = make_manifest(
            guard,
            model=open_guard.model,
            engine=open_guard.engine,
            reading=read_options,
            requests=[Source.from_path(str(file)) for file in requests],
            inputs=sources,
            units={"bytes": unit_bytes, "number": len(plan.units)},
            blocks=plan.limits,
            shard=(shard.number, shard.count),
        )
        try:
            with Journal(output, manifest) as journal:
                _Attempt(journal, plan, open_guard, observer, caught).run(guard)
        except ManifestMismatchError as error:
            inputs_changed = only_inputs_changed(error.before, error.after)
            code: ErrorCode = "run/input-changed" if inputs_changed else "run/other-run"
            raise OutputError(*_describe_mismatch(error), code=code) from error
    return AuditResult(
        output=output, summary=summarize(reader.read_verdicts(str(output))), left_out=tuple(files.left_out)
    )


@dataclass(frozen=True, slots=True)
class _GuardOpener:
    """Opens the guard of an audit, in this process or, pickled, in another one."""

    model: ModelConfig
    taxonomy: Taxonomy | None
    config: JudgeConfig
    engine: EngineConfig
    cache: Path | None

    def __call__(self) -> Guard:
        from guardcli.judging import Guard

        return Guard(self.model, self.taxonomy, config=self.config, engine=self.engine, cache=self.cache)

    @property
    def files(self) -> list[str | Path]:
        """The files that it reads."""
        return [*self.model.files, *(self.taxonomy.files if self.taxonomy is not None else ())]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Runs an audit from where its journal is to its end."""

    journal: Journal
    plan: AuditPlan
    open_guard: _GuardOpener
    observer: AuditObserver
    interrupts: Interrupts

    def run(self, guard: Guard) -> None:
        """Judge what is left. Isolate poison records first if the last attempts died in one block.

        Isolation loads the model in other processes, so the guard is closed before it and opened again after it.
        """
        journal = self.journal
        if journal.state.finished:
            self.observer.on_finished_before(journal.path, journal.checkpoint)
            return
        if journal.checkpoint.rows:
            self.observer.on_resume(journal.path, journal.checkpoint)
        if not journal.state.needs_isolation:
            self._judge(guard)
            return
        guard.close()
        self._isolate()
        with self.interrupts.deferred():  # not while llama.cpp loads: its callbacks would drop the exception
            reopened = self.open_guard()
        with reopened:
            self._judge(reopened)

    def _isolate(self) -> None:
        """Find the records of the current block that end the process, which become error rows."""
        self.observer.on_isolation(self.journal.state)
        progress = AuditProgress()
        with self.observer.phase(progress.trial_line):
            poison_records = isolate_poison_records(
                self.journal, self.plan, self.open_guard, progress=progress, interrupts=self.interrupts
            )
        for record in poison_records:
            part = f":{record.part}" if record.part else ""
            location = f"{self.plan.units[record.unit].source.path}:{record.line}{part}"
            self.observer.on_poison_record(location, record.signal)
        if not poison_records:
            self.observer.on_no_poison_record()

    def _judge(self, guard: Guard) -> None:
        self.journal.watch_faults()
        progress = AuditProgress()
        with self.observer.phase(progress.line):
            run_audit(guard, self.journal, self.plan, jsonl.line, progress=progress, interrupts=self.interrupts)


def _expand_inputs(inputs: Sequence[str | Path], output: Path, others: Sequence[str | Path]) -> InputFiles:
    """Return the files to judge. The audit's own output is not an input.

    Args:
        others: other files that the audit reads, such as the model.

    Raises:
        InputError: an input is missing or cannot be read.
        OutputError: the output would overwrite a file that is read.
    """
    check_output_path(output, others, "-o")
    output_files = files_of(output)
    # A file without a journal is not an audit's output, unless it is empty: then the run was killed at its beginning.
    is_own = output.exists() and (output_files[1].exists() or not output.stat().st_size)
    files = expand_paths(list(map(str, inputs)), outputs=output_files if is_own else ())
    for file in output_files:
        check_output_path(file, [*files.paths, *others], "-o")
    return files


def _total_size(paths: Iterable[str]) -> int:
    """Return the size of all files that can be read, in bytes."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += os.stat(path).st_size
    return total


def _limits(guard: Guard, tokens: int | None) -> BlockLimits:
    """Return the limits of a block: `tokens` (as asked for, or of an earlier attempt), or by the size of the model."""
    prompts = len(guard.taxonomy.categories) if guard.per_category else 1
    llama = guard.model.llama
    default = choose_block_tokens(llama.size, offloaded=llama.offloaded)
    return BlockLimits(tokens=tokens or default, prompts=prompts)


def _describe_mismatch(error: ManifestMismatchError) -> list[str]:
    differences = describe_differences(error.before, error.after)
    if len(differences) == 1:
        return [f"{error.path} belongs to another run: {differences[0]}; or choose another name"]
    return [f"{error.path} belongs to another run; undo what differs, or choose another name:", *differences]
