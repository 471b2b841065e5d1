"""The options of an audit on a Ray cluster. Ray is imported when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from guardcli.cli.options import ParsedOption, add_options
from guardcli.distributed.config import WORKER_TIMEOUT, ClusterConfig

F = TypeVar("F", bound=Callable[..., Any])

_FIELDS = ("workers", "gpus_per_worker", "worker_timeout", "mixed", "keep_parts")


class RayAddressOption(ParsedOption[str]):
    """`local`, `auto` or HOST:PORT."""

    name = "address"

    def parse(self, text: str) -> str:
        return ClusterConfig(text).address


class GpuShareOption(ParsedOption[float]):
    """`0.25`, `1` or `2` GPUs."""

    name = "gpus"

    def parse(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"invalid number of GPUs {text!r}; expected one such as 0.5 or 2") from None
        ClusterConfig(gpus_per_worker=number)
        return number


_OPTIONS = (
    click.option(
        "--ray",
        type=RayAddressOption(),
        is_flag=False,
        flag_value="auto",
        metavar="[ADDRESS]",
        help="Judge on a Ray cluster: HOST:PORT, auto (RAY_ADDRESS, or the cluster of this machine; the default), or "
        "local (start Ray on this machine alone).",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processes that judge, with --ray. Default: as many as there is room for.",
    ),
    click.option(
        "--gpus-per-worker",
        type=GpuShareOption(),
        metavar="F",
        help="GPUs of a worker, such as 0.5 for a small model. Default: 1 if a node has GPUs.",
    ),
    click.option(
        "--worker-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=WORKER_TIMEOUT,
        show_default=True,
        help="Replace a worker that judges nothing for so long.",
    ),
    click.option(
        "--mixed",
        is_flag=True,
        help="Allow workers on machines whose scores differ in their last digits.",
    ),
    click.option("--keep-parts", is_flag=True, help="Keep the folder OUT.parts, from which OUT is joined."),
)


def cluster_options(command: F) -> F:
    """Add the options of a Ray cluster; `pop_cluster_config` makes a value of them."""
    return add_options(command, _OPTIONS)


def pop_cluster_config(options: dict[str, Any]) -> ClusterConfig | None:
    """Take the options of a cluster out of a command's; return None without --ray."""
    address = options.pop("ray")
    values = {name: options.pop(name) for name in _FIELDS}
    return None if address is None else ClusterConfig(address, **values)
