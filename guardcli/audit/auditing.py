"""Audit files and folders into an output that can be resumed: everything from the inputs to the summary of the rows.

::

    inputs → find_files → Source (hashed) → Unit → Block → Guard → Journal → output
                                        manifest ───────────────────┘

See `run` for how blocks are judged, `isolation` for records that end the process, and `journal` for what is on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guardcli.audit.attempt import Attempt
from guardcli.audit.input_files import SkippedFile
from guardcli.audit.job import AuditJob, mismatch_error
from guardcli.audit.journal import Journal, ManifestMismatchError
from guardcli.audit.observer import AuditObserver
from guardcli.audit.progress import AuditPreparation
from guardcli.audit.run import AuditPlan, Shard
from guardcli.audit.signals import Interrupts
from guardcli.audit.sources import UNIT_BYTES
from guardcli.formats import ReadOptions
from guardcli.judging import reader
from guardcli.judging.summary import Summary, summarize

if TYPE_CHECKING:
    from guardcli.engine import EngineConfig
    from guardcli.judging import JudgeConfig
    from guardcli.models import ModelConfig
    from guardcli.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """A finished audit: its output, a summary of all rows, and what lies in the inputs' folders and was not read."""

    output: Path
    summary: Summary
    left_out: tuple[SkippedFile, ...]

    @classmethod
    def from_output(cls, output: Path, left_out: Sequence[SkippedFile]) -> AuditResult:
        """Read the rows of a finished output, and sum them up. Raises InputError: they cannot be read."""
        return cls(output=output, summary=summarize(reader.read_verdicts(str(output))), left_out=tuple(left_out))


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
    job = AuditJob.create(
        inputs,
        output,
        model=model,
        taxonomy=taxonomy,
        config=config,
        engine=engine,
        cache=cache,
        read_options=read_options,
        requests=requests,
        unit_bytes=unit_bytes,
        block_tokens=block_tokens,
    )
    return run_job(job, shard=shard or Shard(), observer=observer or AuditObserver(), interrupts=interrupts)


def run_job(
    job: AuditJob, *, shard: Shard, observer: AuditObserver, interrupts: Interrupts | None = None
) -> AuditResult:
    """Run an audit on this machine. Raises as `audit` does."""
    from guardcli.models.interruption import default_sigint  # llama.cpp is not loaded to merge shards

    files = job.find_files(job.open_guard.files)
    observer.on_inputs(files)
    read = job.record_reader(observer.watch)
    preparation = AuditPreparation()
    with observer.phase(preparation.line):
        sources = job.read_sources(files, preparation)
        plan = AuditPlan(job.split(sources), read, shard)
        preparation.loading = True
        with default_sigint() if interrupts is not None else nullcontext():
            guard = job.open_guard()
    observer.on_open(guard)
    with guard, nullcontext(Interrupts()) if interrupts is None else interrupts as caught:
        plan = replace(plan, limits=job.block_limits(guard))
        manifest = job.manifest(guard, sources, len(plan.units), shard=shard)
        try:
            with Journal(job.output, manifest) as journal:
                Attempt(journal, plan, job.open_guard, observer, caught).run(guard)
        except ManifestMismatchError as error:
            raise mismatch_error(error) from error
    return AuditResult.from_output(job.output, files.left_out)
