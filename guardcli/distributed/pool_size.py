"""How many workers a cluster has room for, and what each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.errors import ClusterError

_SLACK = 1e-6  # shares of GPUs are floats


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster, or what Ray was told to take for one."""

    name: str
    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolSize:
    """The number of workers, and the CPUs and GPUs that each of them takes."""

    workers: int
    cpus: int
    gpus: float


def choose_pool_size(
    nodes: Sequence[Node],
    *,
    workers: int | None = None,
    threads: int | None = None,
    gpus_per_worker: float | None = None,
    use_gpu: bool = True,
) -> PoolSize:
    """Choose the size of a pool of workers; a worker has as many CPUs as threads.

    With GPUs a worker takes one of them, or the share that is asked for, and a node's CPUs are divided among its
    workers. Without, there is one worker a node, with all its CPUs, unless `workers` or `threads` say otherwise.
    Workers are all alike, so the smallest node decides.

    >>> choose_pool_size([Node("a", 8), Node("b", 8)])
    PoolSize(workers=2, cpus=8, gpus=0)
    >>> choose_pool_size([Node("a", 32, 4), Node("b", 16, 2)], gpus_per_worker=0.5)
    PoolSize(workers=12, cpus=4, gpus=0.5)

    Args:
        nodes: that are alive.
        workers: the number of workers; as many as there is room for if None.
        threads: the CPUs of a worker; chosen if None.
        gpus_per_worker: GPUs of a worker; if None, one if a node has one and `use_gpu` is true.

    Raises:
        ClusterError: no node has what one worker takes.
    """
    gpus = gpus_per_worker
    if gpus is None:
        gpus = 1 if use_gpu and any(node.gpus >= 1 for node in nodes) else 0
    fit = [node for node in nodes if node.cpus >= 1 and node.gpus + _SLACK >= gpus]
    cpus = threads or _cpus(fit, workers, gpus)
    room = sum(room_on(node, cpus, gpus) for node in fit)
    if not room:
        raise ClusterError(_describe_lack(nodes, cpus, gpus), code="cluster/too-small")
    return PoolSize(workers or room, cpus, gpus)


def room_on(node: Node, cpus: int, gpus: float) -> int:
    """Return how many workers fit on a node."""
    by_cpus = int(node.cpus // cpus)
    return min(by_cpus, int((node.gpus + _SLACK) // gpus)) if gpus else by_cpus


def _cpus(nodes: Sequence[Node], workers: int | None, gpus: float) -> int:
    """Return the CPUs of a worker, so that the smallest node is used whole."""
    if gpus:
        shares = [node.cpus / max(1, (node.gpus + _SLACK) // gpus) for node in nodes]
    else:
        on_a_node = -(-workers // len(nodes)) if workers and nodes else 1
        shares = [node.cpus / on_a_node for node in nodes]
    return max(1, int(min(shares, default=1)))


def _describe_lack(nodes: Sequence[Node], cpus: int, gpus: float) -> str:
    asked = f"{cpus} CPUs (EngineConfig.threads)"
    if gpus:
        asked += f" and {gpus:g} GPUs (ClusterConfig.gpus_per_worker)"
    if not nodes:
        return f"a worker takes {asked}, and the cluster has no nodes"
    most = max(nodes, key=lambda node: (node.gpus if gpus else 0, node.cpus))
    has = f"{most.cpus:g} CPUs" + (f" and {most.gpus:g} GPUs" if gpus else "")
    return f"a worker takes {asked}, and no node of the cluster has so much: the largest one has {has}"
