"""How many workers fit on the nodes of a cluster, and what each takes."""

from __future__ import annotations

import pytest

from guardcli.distributed import Node, PoolSize, choose_pool_size
from guardcli.errors import ClusterError

BIG, SMALL, HEAD = Node("big", 32, 4), Node("small", 16, 2), Node("head", 0)


@pytest.mark.parametrize(
    ("nodes", "asked", "size"),
    [
        ([Node("a", 8)], {}, PoolSize(1, 8, 0)),
        ([Node("a", 8), Node("b", 4)], {}, PoolSize(3, 4, 0)),
        ([Node("a", 8)], {"workers": 2}, PoolSize(2, 4, 0)),
        ([Node("a", 8), Node("b", 8)], {"workers": 3}, PoolSize(3, 4, 0)),
        ([Node("a", 2)], {"workers": 5}, PoolSize(5, 1, 0)),
        ([Node("a", 8), Node("b", 8)], {"threads": 3}, PoolSize(4, 3, 0)),
        ([HEAD, Node("a", 8)], {}, PoolSize(1, 8, 0)),
        ([BIG, SMALL, HEAD], {}, PoolSize(6, 8, 1)),
        ([BIG, SMALL], {"gpus_per_worker": 0.5}, PoolSize(12, 4, 0.5)),
        ([BIG, SMALL], {"gpus_per_worker": 4}, PoolSize(1, 32, 4)),
        ([BIG, SMALL], {"use_gpu": False}, PoolSize(3, 16, 0)),
        ([BIG], {"gpus_per_worker": 0.1}, PoolSize(32, 1, 0.1)),
        ([BIG], {"threads": 16}, PoolSize(2, 16, 1)),
    ],
)
def test_workers_are_alike_and_fill_the_nodes(nodes: list[Node], asked: dict[str, float], size: PoolSize) -> None:
    assert choose_pool_size(nodes, **asked) == size  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nodes", "asked", "message"),
    [
        ([], {}, "the cluster has no nodes"),
        ([HEAD], {}, "no node of the cluster has so much: the largest one has 0 CPUs"),
        ([Node("a", 8)], {"threads": 9}, r"takes 9 CPUs \(EngineConfig\.threads\), .* the largest one has 8 CPUs"),
        ([BIG], {"gpus_per_worker": 5}, r"and 5 GPUs \(ClusterConfig\.gpus_per_worker\), .* has 32 CPUs and 4 GPUs"),
        ([Node("a", 8)], {"gpus_per_worker": 0.5}, r"and 0.5 GPUs .* has 8 CPUs and 0 GPUs"),
    ],
)
def test_what_no_node_has_is_refused(nodes: list[Node], asked: dict[str, float], message: str) -> None:
    with pytest.raises(ClusterError, match=message) as raised:
        choose_pool_size(nodes, **asked)  # type: ignore[arg-type]
    assert raised.value.code == "cluster/too-small"
