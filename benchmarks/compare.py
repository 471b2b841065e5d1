"""Measure guard beside the other ways to run a guard: interleaved, on one model, over real messages.

    python -m benchmarks.compare --shape small --vocabulary ggml-vocab-llama-bpe.gguf \
        --prompts openai_mod.jsonl.gz --llama-cpp build/bin --out compare.json

Machines drift, so each round runs every contender on the same conversations, the next round on others; what counts are
the medians of ratios within a round. `--llama-cpp` is a folder with llama-server and llama-bench (built from the
`vendor/llama.cpp` folder of llama-cpp-python's sources); without it these two are left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import click

from benchmarks import contenders, host, models, picture
from benchmarks.contenders import Contender, Machine, Measured
from benchmarks.workloads import WORKLOADS, Item, Workload, read_texts
from guardcli import Model

IN_ONE_FILE = 1000  # prompts
WARM_UP = 2  # conversations before the first round, which no round has


@click.command(help=__doc__)
@click.option("--shape", type=click.Choice(list(models.SHAPES)), default="small", show_default=True)
@click.option("--quantization", type=click.Choice(list(models.QUANTIZATIONS)), default="q8_0", show_default=True)
@click.option("--vocabulary", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True, help="Any format that guard reads.")
@click.option("--llama-cpp", type=click.Path(exists=True, path_type=Path))
@click.option("--models", "folder", type=click.Path(path_type=Path), default=Path("/tmp"), show_default=True)
@click.option("--workload", "names", multiple=True, type=click.Choice(list(WORKLOADS)), help="All five if left out.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--per-round", default=20, show_default=True, help="Prompts in a round.")
@click.option("--slots", multiple=True, type=int, default=[1, 2, 4, 8], show_default=True, help="Of llama-server.")
@click.option("--threads", default=len(os.sched_getaffinity(0)), show_default=True)
@click.option("--gpu", is_flag=True, help="All layers of every contender on a GPU.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("compare.json"), show_default=True)
def main(
    shape: str,
    quantization: str,
    vocabulary: Path,
    source: str,
    llama_cpp: Path | None,
    folder: Path,
    names: Sequence[str],
    rounds: int,
    per_round: int,
    slots: Sequence[int],
    threads: int,
    gpu: bool,
    out: Path,
) -> None:
    path = folder / f"random-{shape}-{quantization}.gguf"
    if not path.exists():
        models.write(path, models.SHAPES[shape], models.QUANTIZATIONS[quantization], vocabulary)
    machine = Machine(path, threads, gpu)
    with ExitStack() as stack:
        model = stack.enter_context(machine.load())
        others = [stack.enter_context(closing(other)) for other in _others(machine, llama_cpp, slots)]
        texts = read_texts(source)
        measured = {
            name: measure(WORKLOADS[name], others, model, machine, texts, rounds, per_round)
            for name in names or WORKLOADS
        }
    where = "GPU" if gpu else f"{threads} threads"
    setting = {"shape": shape, "quantization": quantization, "where": where, "rounds": rounds}
    out.write_text(json.dumps({"setting": setting, "workloads": measured}, indent=2) + "\n")
    out.with_suffix(".svg").write_text(picture.bars(measured, f"{shape} {quantization}, {where}"))


def _others(machine: Machine, llama_cpp: Path | None, slots: Sequence[int]) -> Iterator[Contender]:
    yield contenders.PlainLoop(machine)
    if llama_cpp is not None:
        for count in slots:
            yield contenders.Server(llama_cpp / "llama-server", machine, count, 18080 + count)
        yield contenders.Bench(llama_cpp / "llama-bench", machine)


def measure(
    workload: Workload,
    others: Sequence[Contender],
    model: Model,
    machine: Machine,
    texts: Sequence[str],
    rounds: int,
    per_round: int,
) -> dict[str, object]:
    """One workload: what every contender took; and of a file of many prompts, what guard's engine evaluates of what
    there is to evaluate (which no time depends on, and no model)."""
    each = max(1, per_round // 20 if workload.target == "any" else per_round)
    items, threshold = contenders.with_verdicts(
        model, machine, workload, workload.items(texts, model.vocab, WARM_UP + rounds * each)
    )
    itself = contenders.GuardItself(model, machine, workload, threshold)
    field: list[Contender] = [itself, *others]
    try:
        measured = list(_rounds(field, items[:WARM_UP], items[WARM_UP:], each))
    finally:
        itself.close()
    prompts = [prompt for item in items for prompt in item.prompts]
    result = _result([contender.name for contender in field], measured, len(prompts) / len(items) * each)
    found = {
        "prompts": len(prompts),
        "tokens": sum(len(prompt.tokens) for prompt in prompts),
        "evaluated_per_distinct": round(
            host.evaluated_per_distinct(workload, model, texts, min(IN_ONE_FILE, len(texts))), 4
        ),
        "contenders": result,
    }
    click.echo(f"{workload.name}: {len(prompts):,} prompts of {found['tokens']:,} tokens, "
               f"evaluated / distinct {found['evaluated_per_distinct']}\n{_table(result)}\n")  # fmt: skip
    return found


def _rounds(
    field: Sequence[Contender], warm_up: Sequence[Item], items: Sequence[Item], each: int
) -> Iterator[dict[str, Measured]]:
    """Each round's runs, beginning with another contender each time."""
    for contender in field:
        contender.run(warm_up)
    for number, start in enumerate(range(0, len(items), each)):
        order = [*field[number % len(field) :], *field[: number % len(field)]]
        part = items[start : start + each]
        runs = {contender.name: contender.run(part) for contender in order}
        told = ", ".join(f"{name} {run.seconds:.1f} s" for name, run in runs.items())
        print(f"round {number + 1}: {told}", flush=True)
        yield runs


def _result(names: Sequence[str], measured: Sequence[dict[str, Measured]], per_round: float) -> list[dict[str, object]]:
    """Medians over rounds; `guard_faster` is how many times as many prompts a second guard does in the same round.

    llama-bench judges no prompts: it is compared by tokens a second.
    """
    found: list[dict[str, object]] = []
    for name in names:
        runs = [round_[name] for round_ in measured]
        guards = [round_["guard"] for round_ in measured]
        judges = name != contenders.Bench.name
        ratios = [
            run.seconds / own.seconds if judges else (own.evaluated / own.seconds) / (run.evaluated / run.seconds)
            for run, own in zip(runs, guards, strict=True)
        ]
        found.append(
            {
                "name": name,
                "prompts_per_second": round(median(per_round / run.seconds for run in runs), 3) if judges else None,
                "tokens_per_second": round(median(run.evaluated / run.seconds for run in runs), 1),
                "evaluated": sum(run.evaluated for run in runs),
                "guard_faster": round(median(ratios), 3),
            }
        )
    return found


def _table(result: Sequence[dict[str, object]]) -> str:
    lines = [f"{'':20} {'prompts/s':>10} {'tokens/s':>10} {'evaluated':>10} {'guard is':>8}"]
    for row in result:
        cells = (row["prompts_per_second"] or "-", row["tokens_per_second"], row["evaluated"], row["guard_faster"])
        lines.append(f"{row['name']:20} " + " ".join(f"{cell!s:>10}" for cell in cells[:3]) + f" {cells[3]!s:>8}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
