"""Measure how long short commands take, each against `import click`, which no command of this kind can do without.

    python -m benchmarks.startup

The rounds are interleaved, and each ratio is the median of the rounds' ratios, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import click

from benchmarks.timing import interleaved

BASE = "import click"
COMMANDS = {
    BASE: ["-c", BASE],
    "import guardcli": ["-c", "import guardcli"],
    "guard --help": ["-m", "guardcli", "--help"],
    "guard check --help": ["-m", "guardcli", "check", "--help"],
    "guard check -m smol": ["-m", "guardcli", "check", "-m", "smol", "--exit-zero"],
}
MESSAGES = b'{"prompt": "How do I bake bread?"}\n{"prompt": "How far is it to the moon?"}\n'


@click.command(help=__doc__)
@click.option("--rounds", default=11, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("startup.json"), show_default=True)
def main(rounds: int, out: Path) -> None:
    found = interleaved({name: partial(_run, arguments) for name, arguments in COMMANDS.items()}, rounds).against(BASE)
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], input=MESSAGES, capture_output=True, check=True)


if __name__ == "__main__":
    main()
