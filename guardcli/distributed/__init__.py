"""Audits on a Ray cluster: units of an audit, each judged by a worker anywhere, joined in the order of the input.

>>> from guardcli.audit import AuditJob
>>> from guardcli.distributed import ClusterConfig, audit_on_cluster
>>> result = audit_on_cluster(AuditJob.create("logs/", "out.jsonl", model="smol"), ClusterConfig("local"))
"""

from guardcli.distributed.auditing import audit_on_cluster
from guardcli.distributed.config import ClusterConfig
from guardcli.distributed.pool_size import Node, PoolSize, choose_pool_size

__all__ = ["ClusterConfig", "Node", "PoolSize", "audit_on_cluster", "choose_pool_size"]
