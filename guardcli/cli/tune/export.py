"""`guard tune export`: an adapter → a GGUF."""

from __future__ import annotations

from pathlib import Path

import click

from guardcli.cli import output
from guardcli.cli.codes import DONE
from guardcli.errors import InputError
from guardcli.training import gguf_export as exporting
from guardcli.training.base_model import Weights
from guardcli.training.dependencies import check
from guardcli.training.run_dir import facts_files, facts_of, last_checkpoint


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), required=True, metavar="GGUF", help="The adapter's file."
)
@click.option(
    "--base",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The weights that it was trained on; else where the adapter says they are.",
)
def export(*, folder: Path, path: Path, base: Path | None) -> int:
    """Write the adapter of RUN (its last checkpoint, a checkpoint's folder, or any LoRA of PEFT) as a GGUF.

    \b
    guard tune export run -o adapter.gguf
    guard check -m llama-guard-3-8b.gguf --lora adapter.gguf:0.5 chats.jsonl
    """
    check()
    checkpoint = last_checkpoint(folder) or folder
    trained = exporting.Trained.of(checkpoint)
    if base is None and (trained.base is None or not Path(trained.base).is_dir()):
        raise InputError(f"{checkpoint} was trained on {trained.base}, which is not here: name the weights with --base")
    weights = Weights.of(base or Path(trained.base or ""))
    facts = facts_of(checkpoint)
    if facts and facts["base"] != weights.fingerprint():
        raise InputError(f"{checkpoint} was trained on other weights than those in {weights.folder}")
    output.check_no_input(path, [*trained.files, *weights.files, *facts_files(checkpoint)], "-o")
    changed = exporting.export(trained, weights, path, template=facts.get("template"))
    output.say(f"guard: {path}: the adapter of {checkpoint}, of rank {trained.rank}, for {changed:,} matrices")
    return DONE
