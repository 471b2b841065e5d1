"""Audits on a Ray cluster: the audit's own units, blocks, journal and isolation, on processes anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

from guardcli.audit import AuditObserver, Interrupts, Source, Unit
from guardcli.audit.auditing import AuditResult
from guardcli.audit.job import AuditJob
from guardcli.audit.journal import check_unlocked, peek_manifest
from guardcli.audit.progress import AuditPreparation
from guardcli.distributed.config import ClusterConfig
from guardcli.distributed.driver import Driver
from guardcli.distributed.pool_size import choose_pool_size
from guardcli.distributed.ray_library import connected, nodes_of
from guardcli.distributed.ray_pool import RayPool
from guardcli.errors import ModelError
from guardcli.judging.summary import Summary


def audit_on_cluster(
    job: AuditJob,
    cluster: ClusterConfig | None = None,
    *,
    observer: AuditObserver | None = None,
    interrupts: Interrupts | None = None,
    verbose: bool = False,
) -> AuditResult:
    """Run an audit on a Ray cluster. The output has the same bytes as on one machine with the same number of threads.

    Inputs, model and output must be on storage that all nodes see under the same paths. Killed at any moment and called
    again, it resumes where it was, and so does an audit on one machine.

    >>> job = AuditJob.create("logs/", "verdicts.jsonl", model="llama-guard-3-8b.gguf")
    >>> result = audit_on_cluster(job, ClusterConfig("10.0.0.1:6379"))

    Args:
        job: what is audited.
        cluster: where, and by how many workers.
        observer: is told how the audit goes.
        interrupts: raises `Interrupted` where a signal asks the audit to end. For the main thread only.
        verbose: log what Ray and the workers print.

    Raises:
        ClusterError: Ray is not installed, the cluster cannot be reached or is too small, or its workers are not alike.
        GuardError: as `audit`.
    """
    cluster, observer = cluster or ClusterConfig(), observer or AuditObserver()
    files = job.find_files(_files_here(job))
    observer.on_inputs(files)
    check_unlocked(job.output)
    preparation = AuditPreparation()
    with observer.phase(preparation.line):
        sources = job.read_sources(files, preparation)
        units = job.split(sources)
    with nullcontext(Interrupts()) if interrupts is None else interrupts as caught:
        try:
            summary = _run(job, cluster, sources, units, observer, caught, verbose=verbose)
        except KeyboardInterrupt:  # Ray makes one of what the handler of a signal raises
            caught.check()
            raise
    return AuditResult(output=job.output, summary=summary, left_out=tuple(files.left_out))


def _run(
    job: AuditJob,
    cluster: ClusterConfig,
    sources: Sequence[Source],
    units: Sequence[Unit],
    observer: AuditObserver,
    interrupts: Interrupts,
    *,
    verbose: bool,
) -> Summary:
    with ExitStack() as stack:
        with observer.phase(lambda: "starting Ray" if cluster.address == "local" else "connecting to Ray"):
            ray = stack.enter_context(connected(cluster.address, verbose=verbose))
        size = choose_pool_size(
            nodes_of(ray),
            workers=cluster.workers,
            threads=job.open_guard.engine.threads or _threads_before(job),
            gpus_per_worker=cluster.gpus_per_worker,
            use_gpu=job.open_guard.model.gpu != "off",
        )
        job = replace(job, open_guard=job.open_guard.with_threads(size.cpus))
        pool = RayPool(ray, job, size, cluster)
        driver = Driver(job, sources, units, pool, config=cluster, observer=observer, interrupts=interrupts)
        return driver.run()


def _files_here(job: AuditJob) -> Sequence[str | Path]:
    """The files of the model and the taxonomy; none if the model is on the workers' machines only."""
    try:
        return job.open_guard.files
    except ModelError:
        return ()


def _threads_before(job: AuditJob) -> int | None:
    """The threads of the run that is resumed, on a cluster or on one machine; None if there is none."""
    engine = (peek_manifest(job.output) or {}).get("engine")
    threads = engine.get("threads") if isinstance(engine, dict) else None
    return threads if isinstance(threads, int) and threads > 0 else None
