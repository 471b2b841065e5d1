"""Measure what is done with stored verdicts, each against a loop of `json.loads` and `json.dumps`.

    python -m benchmarks.stored --rows 100000

Rows are random. They are read and written again by the json module alone, decided again by `guard decide`, and (the
first --labeled of them, against as many labels) evaluated with a report by `guard eval`. The rounds are interleaved.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.timing import interleaved
from tests.rows import row, write

BASE = "json.loads and dumps"
_AGAIN = "import json, sys\nfor line in sys.stdin: sys.stdout.write(json.dumps(json.loads(line)) + '\\n')"


@click.command(help=__doc__)
@click.option("--rows", default=100_000, show_default=True)
@click.option("--labeled", default=1680, show_default=True, help="Rows of the report: as the OpenAI moderation set.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("stored.json"), show_default=True)
def main(rows: int, labeled: int, rounds: int, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write(place, rows, labeled)
        guard = [sys.executable, "-m", "guardcli"]
        decide = [*guard, "decide", "-t", "llama-guard-3", "--threshold", "0.7", "--exit-zero"]
        evaluate = [*guard, "eval", "set.jsonl", "--verdicts", "run.jsonl", "--format", "html", "-o", "page.html"]
        commands = {BASE: [sys.executable, "-c", _AGAIN], "guard decide": decide, "guard eval --format html": evaluate}
        ways = {name: partial(_run, command, place) for name, command in commands.items()}
        found = {"rows": rows, "labeled": labeled, **interleaved(ways, rounds).against(BASE)}
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _write(place: Path, rows: int, labeled: int) -> None:
    """Verdicts of random scores, and labels of records for the first of them."""
    draw = random.Random(1)
    verdicts = [_row(line, draw) for line in range(1, rows + 1)]
    labels = [{"prompt": "x", "label": int(draw.random() < 0.3), "categories": []} for _ in range(labeled)]
    for name, values in (("verdicts", verdicts), ("run", verdicts[:labeled]), ("set", labels)):
        write(place / f"{name}.jsonl", values)


def _row(line: int, draw: random.Random) -> dict[str, Any]:
    listed = {category: draw.random() for category in ("S1", "S9", "S10")}
    return row(line, draw.random(), source="set.jsonl", listed_scores=listed)


def _run(command: list[str], place: Path) -> None:
    with (place / "verdicts.jsonl").open("rb") as rows:
        subprocess.run(command, stdin=rows, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=place, check=True)


if __name__ == "__main__":
    main()
