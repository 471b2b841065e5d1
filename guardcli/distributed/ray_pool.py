"""Workers as Ray actors: each is a process that is never restarted; for one that dies, the driver starts another."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from guardcli import __version__
from guardcli.audit.job import AuditJob
from guardcli.distributed.config import ClusterConfig
from guardcli.distributed.pool_size import PoolSize, choose_pool_size
from guardcli.distributed.proof import Proof, check_same_guardcli, source_digest
from guardcli.distributed.ray_library import nodes_of
from guardcli.distributed.task import UnitCounts, UnitReport, UnitTask
from guardcli.distributed.worker import Worker
from guardcli.distributed.workers import Event, UnitCounted, UnitEnded, WorkerDied, WorkerProved, WorkerRefused
from guardcli.errors import GuardError

_ASK_SECONDS = 1.0  # between two questions to workers how far they are: each costs the driver a millisecond
_MOST_ASK_SECONDS = 30.0  # between two questions to one worker
_ASKS_PER_TIMEOUT = 4  # to each worker at least, so that one that judges is not taken for hung
_WATCH = "watch"  # the methods that run beside `prove` and `judge`, in a thread of their own


class RayWorker:
    """The actor. It returns the user's errors as values, which Ray would wrap otherwise."""

    def __init__(self, version: str, source: str, folder: str, job: bytes, has_gpu: bool) -> None:
        self._guardcli, self._folder, self._job, self._has_gpu = (version, source), folder, job, has_gpu
        self._worker: Worker | None = None

    def prove(self) -> Proof | tuple[str, GuardError]:
        """Load the model; return what is shown, or the node and an error."""
        node = _node_name()
        try:
            check_same_guardcli(*self._guardcli)  # before anything is unpickled that may have other fields here
            self._worker = Worker(self._folder, pickle.loads(self._job), node, has_gpu=self._has_gpu)
            return self._worker.prove()
        except GuardError as error:
            return node, error

    def judge(self, task: UnitTask) -> UnitReport:
        """Judge a unit."""
        assert self._worker is not None
        return self._worker.judge(task)

    def counts(self) -> UnitCounts:
        """How far the unit is."""
        return self._worker.counts() if self._worker is not None else UnitCounts()

    def stop(self) -> None:
        """End the unit soon."""
        if self._worker is not None:
            self._worker.stop()


class RayPool:
    """The workers of one audit on a cluster that `ray` is connected to."""

    def __init__(self, ray: ModuleType, job: AuditJob, size: PoolSize, config: ClusterConfig) -> None:
        self._ray, self._config, self._size = ray, config, size
        self._actor_class = ray.remote(concurrency_groups={_WATCH: 1})(RayWorker)
        self._arguments = (__version__, source_digest(), os.getcwd(), pickle.dumps(job), size.gpus > 0)
        self._actors: dict[int, Any] = {}
        self._started = 0
        self._refs: dict[Any, tuple[int, str]] = {}  # what was asked of which worker
        self._asked: dict[int, float] = {}  # when it was asked for its counts; infinite until it has answered
        self._busy: set[int] = set()

    def size(self) -> PoolSize:
        """How many workers of the size that was chosen first there is room for now."""
        return choose_pool_size(
            nodes_of(self._ray),
            workers=self._config.workers,
            threads=self._size.cpus,
            gpus_per_worker=self._size.gpus,
        )

    def start(self) -> int:
        """Start an actor on the node with the most room."""
        worker, self._started = self._started, self._started + 1
        actor = self._actor_class.options(
            num_cpus=self._size.cpus,
            num_gpus=self._size.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        ).remote(*self._arguments)
        self._actors[worker] = actor
        self._refs[actor.prove.remote()] = worker, "prove"
        return worker

    def judge(self, worker: int, task: UnitTask) -> None:
        """Give a worker a unit."""
        self._refs[self._actors[worker].judge.remote(task)] = worker, "judge"
        self._busy.add(worker)
        self._asked.setdefault(worker, 0.0)

    def kill(self, worker: int) -> None:
        """End an actor's process, by force after some seconds."""
        self._ray.kill(self._actors[worker], no_restart=True)
        self._forget(worker)

    def stop(self) -> None:
        """Ask all workers to end their units soon."""
        for actor in self._actors.values():
            actor.stop.options(concurrency_group=_WATCH).remote()

    def wait(self, seconds: float) -> Sequence[Event]:
        """Ask busy workers how far they are, and return what has happened, after that time at the latest."""
        self._ask_for_counts()
        if not self._refs:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=seconds)
        if len(self._refs) > 1:  # whatever else is ready by now
            ready, _ = self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        events = []
        for ref in ready:
            if ref in self._refs:  # it was not forgotten since
                events += self._events(ref, *self._refs.pop(ref))
        return events

    def _ask_for_counts(self) -> None:
        now = time.monotonic()
        most = min(_MOST_ASK_SECONDS, self._config.worker_timeout / _ASKS_PER_TIMEOUT)
        interval = min(_ASK_SECONDS * len(self._busy), most)
        for worker in self._busy:
            if now - self._asked[worker] >= interval:
                self._asked[worker] = float("inf")
                ref = self._actors[worker].counts.options(concurrency_group=_WATCH).remote()
                self._refs[ref] = worker, "counts"

    def _events(self, ref: Any, worker: int, asked: str) -> list[Event]:
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            raise RuntimeError(f"a worker failed: {error}") from error
        except self._ray.exceptions.RayError as error:
            self.kill(worker)  # it may only be out of reach
            return [WorkerDied(worker, _reason(error))]
        match asked, answer:
            case "prove", Proof():
                return [WorkerProved(worker, answer)]
            case "prove", (node, error):
                return [WorkerRefused(worker, node, error)]
            case "judge", UnitReport():
                self._busy.discard(worker)
                return [UnitEnded(worker, answer)]
            case _:
                self._asked[worker] = time.monotonic()
                return [UnitCounted(worker, answer)]

    def _forget(self, worker: int) -> None:
        self._actors.pop(worker, None)
        self._busy.discard(worker)
        self._refs = {ref: asked for ref, asked in self._refs.items() if asked[0] != worker}


def _node_name() -> str:
    """The address of this node, and the beginning of its id: several may have one address."""
    import ray

    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"{address} ({ray.get_runtime_context().get_node_id()[:8]})"


def _reason(error: Exception) -> str:
    """Ray's reason for the death of an actor, on one line: the last line of its message says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("The actor is dead because")), lines[-1] if lines else "")
    return told.removeprefix("The actor is dead because ").split(" Some common causes")[0]
