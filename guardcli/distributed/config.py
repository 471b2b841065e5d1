"""Which cluster an audit runs on, and how."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass

WORKER_TIMEOUT = 900.0  # seconds; a long prompt takes a large model on a CPU a minute

_ADDRESS = re.compile(r"local|auto|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A cluster, and how many workers with what share of it.

    >>> ClusterConfig("local", workers=2).address
    'local'

    Args:
        address: "local" starts Ray on this machine, on loopback, and ends it with the audit; "auto" takes the cluster
            of RAY_ADDRESS, else the one that runs on this machine; or HOST:PORT of a cluster's head.
        workers: how many processes judge; as many as there is room for if None.
        gpus_per_worker: GPUs, or a part of one, for each of them; if None, one if there are any.
        mixed: allow workers whose scores differ in their last digits.
        keep_parts: keep the parts that the output is joined from.
        worker_timeout: seconds without progress after which a worker is replaced.
    """

    address: str = "auto"
    _: KW_ONLY
    workers: int | None = None
    gpus_per_worker: float | None = None
    mixed: bool = False
    keep_parts: bool = False
    worker_timeout: float = WORKER_TIMEOUT

    def __post_init__(self) -> None:
        """Raises ValueError: an invalid address, or a number out of range."""
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f"invalid address {self.address!r}; expected local, auto or HOST:PORT")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"invalid workers {self.workers}; expected at least 1")
        gpus = self.gpus_per_worker
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and gpus == int(gpus))):
            raise ValueError(f"invalid gpus_per_worker {gpus:g}; expected a fraction up to 1, or a whole number")
        if not self.worker_timeout > 0:
            raise ValueError(f"invalid worker_timeout {self.worker_timeout:g}; expected more than 0 seconds")
