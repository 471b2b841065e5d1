"""A Ray cluster of imitated nodes on loopback, as a process of its own: `python -m tests.distributed.nodes CPUS…`.

It prints the address and then obeys lines on stdin, each answered by a line: `add CPUS GPUS [NAME=VALUE…]` starts a
node with variables, `kill INDEX` kills the processes of one, the last one if it is -1. At the end of stdin everything
ends.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Nodes and drivers listen on loopback only, and know a token that nobody else does.
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
LIMIT = 300  # seconds until an answer
ROOT = Path(__file__).parent.parent.parent


class Nodes:
    """The cluster, from another process. The first node, which cannot be killed, is the head."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log
        self.address = self._answer()

    def add(self, cpus: int, gpus: int = 0, **variables: str) -> None:
        """Start a node. Its GPUs are numbers to Ray: none needs to be there."""
        self._ask(f"add {cpus} {gpus} {' '.join(f'{name}={value}' for name, value in variables.items())}")

    def kill(self, index: int) -> None:
        self._ask(f"kill {index}")

    def workers(self) -> list[int]:
        """The processes that judge: those of the cluster's session that Ray has named so."""
        return [
            pid
            for pid in (int(name) for name in os.listdir("/proc") if name.isdecimal())
            if b"RayWorker" in _command_line(pid) and _session(pid) == self._process.pid
        ]

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        assert self._answer() == "ok"

    def _answer(self) -> str:
        """The next line that begins with our mark: Ray prints others. The process is ended if there is none in time."""
        assert self._process.stdout is not None
        timer = threading.Timer(LIMIT, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith("> "):
                    return line.removeprefix("> ").strip()
        finally:
            timer.cancel()
        raise AssertionError(f"the cluster ended:\n{self._log.read_text()}")


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


@contextmanager
def running_nodes(cpus: Sequence[int], log: Path) -> Iterator[Nodes]:
    """A cluster with a head and other nodes of so many CPUs each; `log` gets what it says on stderr."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.distributed.nodes", *map(str, cpus)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT,
            env=os.environ | LOOPBACK, start_new_session=True,
        )  # fmt: skip
    try:
        yield Nodes(process, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def main() -> None:
    cpus_of_nodes = [int(word) for word in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="guard-ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder  # where Ray notes the address of the last cluster, for `auto`
        (Path(folder) / "ray").mkdir()
        from ray.cluster_utils import Cluster

        options = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
        cluster = Cluster(
            initialize_head=True, head_node_args={**options, "num_cpus": cpus_of_nodes[0]}, shutdown_at_exit=True
        )
        nodes = [
            cluster.head_node,
            *(cluster.add_node(node_ip_address="127.0.0.1", num_cpus=n) for n in cpus_of_nodes[1:]),
        ]
        print(f"> {cluster.address}", flush=True)
        for line in sys.stdin:
            match line.split():
                case ["add", cpus, gpus, *variables]:
                    env = dict(variable.split("=", 1) for variable in variables)
                    sizes = {"num_cpus": int(cpus), "num_gpus": int(gpus)}
                    nodes.append(cluster.add_node(node_ip_address="127.0.0.1", env_vars=env, **sizes))
                case ["kill", index]:
                    cluster.remove_node(nodes.pop(int(index)), allow_graceful=False)
            print("> ok", flush=True)
        cluster.shutdown()


if __name__ == "__main__":
    main()
