"""`guard models pull`: download a model from the Hugging Face hub, and examine what arrived."""

from __future__ import annotations

import click

from guardcli.cli import output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import FINDINGS, OK
from guardcli.cli.progress_line import ProgressLine
from guardcli.models.download import Download, fetch, plan_download
from guardcli.report.model_report import format_gb
from guardcli.text.escaping import escape_line


@click.command(
    cls=GuardCommand,
    exits={
        0: "guard can judge with the model",
        1: "guard would refuse to judge with it",
        2: "wrong usage, or the model could not be downloaded",
    },
    examples=("guard models pull llama-guard-3-1b", "guard models pull llama-guard-3-8b --quant Q8_0"),
)
@click.argument("model", metavar="MODEL")
@click.option("--quant", metavar="NAME", help="The quantization, such as Q4_K_M. Default: by free memory.")
def pull(*, model: str, quant: str | None) -> int:
    """Download MODEL into the cache of the Hugging Face hub, and print its path.

    MODEL is a name of guard models list, or hf:OWNER/REPO[/FILE][@REVISION]. Its digest, its header and its family are
    checked before it is kept. Needs the extra hub: pip install huggingface_hub
    """
    download = plan_download(model, quantization=quant, free_memory=_free_memory())
    output.echo_err(f"guard: {download.reason}", *_license_lines(download))
    with ProgressLine(lambda: _progress(download)):
        info = fetch(download, cache=cache_path())
    output.write(f"{escape_line(str(info.path))}\n")
    output.echo_err(*(f"guard: {problem}" for problem in info.problems))
    if not info.problems:
        output.echo_err(f"guard: judge with it: guard check -m {download.reference}")
    return FINDINGS if info.problems else OK


def _free_memory() -> int | None:
    """Free memory of the GPUs in bytes, or else of the machine. It is asked of llama.cpp, which takes time to load."""
    from guardcli.engine.resources import free_memory
    from guardcli.models.llama import free_gpu_memory

    return free_gpu_memory() or free_memory()


def _license_lines(download: Download) -> list[str]:
    registered = download.registered
    if registered is None:
        return []
    return [f"guard: license {registered.license}: see the card of {registered.base}"]


def _progress(download: Download) -> str:
    received, n_bytes = download.received(), download.n_bytes
    return f"{download.reference}: {format_gb(received)} of {format_gb(n_bytes)} ({received / n_bytes:.0%})"
