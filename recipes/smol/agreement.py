"""Compares the scores of llama.cpp with those of PyTorch, which the adapter was trained with.

    python -m recipes.smol.agreement BUILT CHECKPOINT -m BASE --lora ADAPTER

Held-out records are asked about every category in both ways, in llama.cpp with the base in F16, as `-m smol` has it. A
message's score is the highest of its categories.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig
from guardcli.evaluation.metrics import average_precision
from guardcli.models import Adapter
from guardcli.prompts import Renderer
from guardcli.prompts.turns import turns
from guardcli.training import LoraModel, TokenizedExample, TrainConfig, open_base
from guardcli.training.gguf_export import LoraCheckpoint
from recipes.commands import unpack_into
from recipes.smol.evaluation_sets import held_out

_BATCH_SIZE = 64


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("built", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-m", "--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--lora", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--count", type=click.IntRange(min=2), default=200, show_default=True, help="Records.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores if left out.")
def main(*, built: Path, checkpoint: Path, model: Path, lora: Path, count: int, threads: int | None) -> None:
    """Print how far the two are apart, by question and by message, and the AUPRC of both."""
    records = held_out(built)[:count]
    config, engine = JudgeConfig(target="last"), EngineConfig(threads=threads)
    with TemporaryDirectory() as folder:
        adapted = ModelConfig(unpack_into(Path(folder), model), adapters=(Adapter(lora),), gpu="off").load()
    with adapted, Guard(adapted, config=config, engine=engine) as guard:
        verdicts = list(guard.check([record.conversation for record in records]))
        renderers = [
            Renderer(guard.template, guard.taxonomy.single_category(category.id))
            for category in guard.taxonomy.categories
        ]
        template = guard.template.name
    ours = np.array([list((verdict.category_scores or {}).values()) for verdict in verdicts])  # (records, categories)

    base = open_base(model)
    tokenizer = base.tokenizer()
    shape = LoraCheckpoint.from_folder(checkpoint)
    training = TrainConfig(lora_rank=shape.rank, lora_alpha=shape.alpha, batch_size=_BATCH_SIZE)
    lora_model = LoraModel(base, training, threads=threads)
    lora_model.load_adapter(checkpoint)
    verdict_ids = tokenizer.verdict_ids(template)
    examples = []
    for record in records:
        shown = turns(record.conversation).shown
        prompts = [tokenizer.encode(renderer.render(shown).segments) for renderer in renderers]
        shared = next(at for at, tokens in enumerate(zip(*prompts, strict=False)) if len({*tokens}) > 1)
        examples += [
            TokenizedExample(
                tokens=(*prompt, verdict_ids[0]), prefix_length=shared, prompt_length=len(prompt),
                verdict_index=len(prompt), unsafe=False,
            )
            for prompt in prompts
        ]  # fmt: skip
    theirs = np.array(lora_model.scores(examples, verdict_ids)).reshape(ours.shape)

    labels = [record.unsafe for record in records]
    for name, difference in (("questions", ours - theirs), ("messages", ours.max(axis=1) - theirs.max(axis=1))):
        apart = np.abs(difference)
        click.echo(f"{name}: |ΔP| median {np.median(apart):.4f}, p99 {np.quantile(apart, 0.99):.4f}, n {apart.size}")
    of_both = (average_precision(labels, scores.max(axis=1)) for scores in (ours, theirs))
    click.echo("AUPRC: llama.cpp {:.4f}, PyTorch {:.4f}".format(*of_both))


if __name__ == "__main__":
    main()
