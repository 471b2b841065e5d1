"""Measure guard beside the other ways to run a guard: interleaved, on one model, over real prompts.

    python -m benchmarks.compare --shape small --vocabulary ggml-vocab-llama-bpe.gguf \
        --prompts openai_mod.jsonl.gz --llama-cpp build/bin --out compare.json

Machines drift, so each round runs every contender on the same prompts, the next round on others; what counts are the
medians of ratios within a round. `--llama-cpp` is a folder with llama-server and llama-bench (built from the
`vendor/llama.cpp` folder of llama-cpp-python's sources); without it these two are left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import click

from benchmarks import contenders, models, picture
from benchmarks.contenders import Contender, Measured, Prompt
from guardcli import formats
from guardcli.classifier.fitting import Encoder
from guardcli.conversation import Record
from guardcli.model import Model
from guardcli.prompt import TEMPLATES, Renderer
from guardcli.taxonomy import Taxonomy
from guardcli.turns import turns

MAX_PROMPT = 1500  # tokens


@click.command(help=__doc__)
@click.option("--shape", type=click.Choice(list(models.SHAPES)), default="small", show_default=True)
@click.option("--quantization", type=click.Choice(list(models.QUANTIZATIONS)), default="q8_0", show_default=True)
@click.option("--vocabulary", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True, help="Any format that guard reads.")
@click.option("--llama-cpp", type=click.Path(exists=True, path_type=Path))
@click.option("--models", "folder", type=click.Path(path_type=Path), default=Path("/tmp"), show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--per-round", default=40, show_default=True, help="Prompts in a round.")
@click.option("--slots", multiple=True, type=int, default=[1, 4], show_default=True, help="Slots of llama-server.")
@click.option("--threads", default=len(os.sched_getaffinity(0)), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("compare.json"), show_default=True)
def main(
    shape: str,
    quantization: str,
    vocabulary: Path,
    source: str,
    llama_cpp: Path | None,
    folder: Path,
    rounds: int,
    per_round: int,
    slots: Sequence[int],
    threads: int,
    out: Path,
) -> None:
    model = folder / f"random-{shape}-{quantization}.gguf"
    if not model.exists():
        models.write(model, models.SHAPES[shape], models.QUANTIZATIONS[quantization], vocabulary)
    prompts, head = _prompts(model, source, rounds * per_round)
    prompts, threshold = _with_verdicts(model, threads, prompts)
    field: list[Contender] = [contenders.GuardItself(model, threads, threshold), contenders.PlainLoop(model, threads)]
    if llama_cpp is not None:
        server = llama_cpp / "llama-server"
        field += [contenders.Server(server, model, threads, count, 18080 + count) for count in slots]
        field.append(contenders.Bench(llama_cpp / "llama-bench", model, threads, head))
    try:
        measured = list(_measure(field, prompts, per_round))
    finally:
        for contender in field:
            contender.close()
    result = _result([contender.name for contender in field], measured, per_round)
    setting = {"shape": shape, "quantization": quantization, "threads": threads, "head": head, "rounds": len(measured)}
    out.write_text(json.dumps({"setting": setting, "contenders": result}, indent=2) + "\n")
    out.with_suffix(".svg").write_text(picture.bars(result, f"{shape} {quantization}, {threads} threads"))
    click.echo(_table(result))


def _prompts(model: Path, source: str, count: int) -> tuple[list[Prompt], int]:
    """The first prompts of a source, one a conversation, its last message judged; and the head's tokens."""
    with Model.load(model) as loaded, formats.open_source(source) as stream:
        renderer = Renderer(TEMPLATES["llama-guard-3-8b"], Taxonomy.load("llama-guard-3"))
        encoder = Encoder(renderer, loaded.vocab, 8000)
        found: list[Prompt] = []
        head = 0
        for record in formats.read(stream, source):
            shown = turns(record.conversation).shown if isinstance(record, Record) else ()
            if not shown:
                continue
            (encoded, *_) = encoder.fit(encoder.conversation(shown[-1:]), 0).prompts
            if len(encoded.tokens) <= MAX_PROMPT:
                found.append(Prompt(shown[-1].text, encoded.tokens))
                head = encoded.head
            if len(found) == count:
                return found, head
    raise click.UsageError(f"{source} has {len(found)} prompts; {count} are needed")


def _with_verdicts(model: Path, threads: int, prompts: Sequence[Prompt]) -> tuple[list[Prompt], float]:
    """The prompts, a fifth of them unsafe: those that the random model scores highest; and the threshold for that."""
    itself = contenders.GuardItself(model, threads, 1.0)
    scores = itself.scores(prompts)
    itself.close()
    threshold = sorted(scores)[len(scores) * 4 // 5]
    marked = [replace(prompt, unsafe=score >= threshold) for prompt, score in zip(prompts, scores, strict=True)]
    return marked, threshold


def _measure(field: Sequence[Contender], prompts: Sequence[Prompt], per_round: int) -> Iterator[dict[str, Measured]]:
    """Each round's runs, beginning with another contender each time; the first round is for warming up."""
    for contender in field:
        contender.run(prompts[:4])
    for number, start in enumerate(range(0, len(prompts), per_round)):
        order = [*field[number % len(field) :], *field[: number % len(field)]]
        part = prompts[start : start + per_round]
        runs = {contender.name: contender.run(part) for contender in order}
        click.echo(f"round {number + 1}: " + ", ".join(f"{name} {run.seconds:.1f} s" for name, run in runs.items()))
        yield runs


def _result(names: Sequence[str], measured: Sequence[dict[str, Measured]], per_round: int) -> list[dict[str, object]]:
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
