"""`guard tune export`: an adapter → a GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from guardcli.cli import output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK
from guardcli.errors import InputError
from guardcli.training import (
    DTYPES,
    DType,
    LoraCheckpoint,
    check_installed,
    export_gguf,
    manifest_paths,
    open_base,
    read_manifest,
    resolve_checkpoint,
)


@click.command(
    cls=GuardCommand,
    exits={0: "the adapter is written", 2: "wrong usage, or a run that cannot be read"},
    examples=("guard tune export run -o adapter.gguf",),
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), required=True, metavar="GGUF", help="The adapter's file."
)
@click.option(
    "--base",
    "base_path",
    type=click.Path(path_type=Path),
    metavar="BASE",
    help="The weights that it was trained on, if they moved: a GGUF file, or a folder.",
)
@click.option(
    "--best",
    "which",
    flag_value="best",
    help="Take the checkpoint with the highest held-out AUPRC. Default if the run has held-out scores.",
)
@click.option("--last", "which", flag_value="last", help="Take the last checkpoint.")
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="float32",
    show_default=True,
    help="The precision of the matrices. float16 halves the file.",
)
def export(
    *, folder: Path, path: Path, base_path: Path | None, which: Literal["best", "last"] | None, dtype: DType
) -> int:
    """Write the adapter of RUN (a run's folder, a checkpoint's, or any LoRA of PEFT) as a GGUF.

    \b
    guard tune export run -o adapter.gguf
    guard check -m llama-guard-3-8b.gguf --lora adapter.gguf:0.5 chats.jsonl
    """
    check_installed()
    checkpoint_folder = resolve_checkpoint(folder, which)
    checkpoint = LoraCheckpoint.from_folder(checkpoint_folder)
    if base_path is None and (checkpoint.base is None or not Path(checkpoint.base).exists()):
        raise InputError(
            f"{checkpoint_folder} was trained on {checkpoint.base}, which is not here: name the weights with --base",
            code="tune/other-weights",
        )
    base = open_base(base_path or Path(checkpoint.base or ""))
    manifest = read_manifest(checkpoint_folder)
    if manifest and manifest["base"] != base.fingerprint():
        raise InputError(
            f"{checkpoint_folder} was trained on other weights than those of {base.path}", code="tune/other-weights"
        )
    output.check_output_file(path, [*checkpoint.files, *base.files, *manifest_paths(checkpoint_folder)], "-o")
    num_matrices = export_gguf(checkpoint, base, path, template=manifest.get("template"), dtype=dtype)
    output.report_written(
        path, f"the adapter of {checkpoint_folder}, of rank {checkpoint.rank}, for {num_matrices:,} matrices"
    )
    return OK
