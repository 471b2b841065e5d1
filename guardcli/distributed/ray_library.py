"""Ray: imported when it is used, told to be quiet and to listen on loopback, and asked which nodes there are."""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from threading import current_thread, main_thread
from types import ModuleType
from typing import Any

from guardcli.distributed.pool_size import Node
from guardcli.engine.resources import available_cores
from guardcli.errors import ClusterError, setting

INSTALL = "pip install 'guardcli[ray]'"

_CONNECT_SECONDS = 10.0

_log = logging.getLogger(__name__)

# Read by Ray when it is imported: no usage statistics, and a local cluster on loopback only.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
_LOCAL_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextmanager
def connected(address: str, *, verbose: bool = False) -> Iterator[ModuleType]:
    """Connect to a cluster, or start a local one, and yield Ray. It is left, or ended, at the end of the block.

    What Ray prints goes to the log, with `verbose` also what workers print.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    ray = _import(local=address == "local")
    target, folder = _resolve(ray, address), None
    logging.getLogger("ray").setLevel(logging.INFO if verbose else logging.CRITICAL)
    options: dict[str, Any] = {"log_to_driver": verbose, "configure_logging": False, "address": target}
    if target == "local":
        folder = tempfile.mkdtemp(prefix="guard-ray-", dir="/tmp")  # the paths of sockets must be short
        options |= {
            "num_cpus": available_cores(),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": folder,
        }
    with redirect_stdout(_LogStream()):
        try:
            _init(ray, options)
            yield ray
        finally:
            ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _init(ray: ModuleType, options: Mapping[str, Any]) -> None:
    """Call `ray.init`, which takes over SIGTERM, and give that back. Raises ClusterError."""
    handler, is_main = signal.getsignal(signal.SIGTERM), current_thread() is main_thread()
    terminated = False
    try:
        ray.init(**options)
    except Exception as error:  # of any kind: of Exception itself, where a process does not start in time
        message = _describe_failure(options["address"], error)
        raise ClusterError(message, code="cluster/unreachable") from error
    except SystemExit:  # Ray's own handler
        terminated = True
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, handler)
    if terminated:
        signal.raise_signal(signal.SIGTERM)


def nodes_of(ray: ModuleType) -> list[Node]:
    """Return the nodes that are alive."""
    return [
        Node(node["NodeName"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
        for node in ray.nodes()
        if node["Alive"]
    ]


def _import(*, local: bool) -> ModuleType:
    os.environ.update(_ENVIRONMENT | (_LOCAL_ENVIRONMENT if local else {}))
    try:
        return import_module("ray")
    except ImportError as error:
        raise ClusterError(f"Ray is not installed: {INSTALL}", code="system/library-missing") from error


def _resolve(ray: ModuleType, address: str) -> str:
    """Return what `ray.init` takes: `local`, or HOST:PORT of a head that listens there. Ray would try for minutes.

    Raises:
        ClusterError: no cluster is known, or none listens there.
    """
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    if named == "local":
        return named
    try:
        target = ray._private.services.canonicalize_bootstrap_address(named)
    except ConnectionError:
        target = None
    except ValueError as error:
        raise ClusterError(f"RAY_ADDRESS: {error}", code="cluster/unreachable") from error
    if target is None:
        raise ClusterError(
            "no Ray cluster runs on this machine, and RAY_ADDRESS is not set: name the HOST:PORT of one with "
            f"ClusterConfig.address, or start one here with {setting('ClusterConfig.address', 'local')}",
            code="cluster/unreachable",
        )
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster can be reached at {target}: {error}; "
            f"{setting('ClusterConfig.address', 'local')} needs none",
            code="cluster/unreachable",
        ) from error
    return str(target)


def _describe_failure(target: str, error: Exception) -> str:
    reason = str(error).split("\n")[0]
    if target == "local":
        return f"Ray cannot be started on this machine: {reason}"
    return f"no Ray cluster can be reached at {target}: {reason}"


class _LogStream(io.TextIOBase):
    """A stdout whose lines go to the log: Ray prints messages from threads of its own."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                _log.info("ray: %s", line)
        return len(text)
