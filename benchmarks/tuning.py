"""Measure a training step whose examples share a prefix against one that evaluates the whole prompt of each example.

    python -m benchmarks.tuning --vocabulary ggml-vocab-llama-bpe.gguf --prompts openai_mod.jsonl.gz

The examples are prompts of Llama Guard 3 under its own policy, and the base is a Llama with random weights and the
vocabulary of Llama 3. Both ways take the same examples in each step, in interleaved rounds. Before that, their losses
and the gradients of all matrices of the adapter are compared.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import click
import gguf

from benchmarks import models
from benchmarks.contenders import Machine
from benchmarks.timing import interleaved
from benchmarks.workloads import TEMPLATE, WORKLOADS, read_texts
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.training import BaseModel, LoraModel, TokenCounts, TokenizedExample, TrainConfig, open_base

WHOLE, SHARED = "whole prompts", "shared prefix"
_FLAT = WORKLOADS["flat"]


@click.command(help=__doc__)
@click.option("--vocabulary", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--prompts", "source", type=click.Path(exists=True), required=True, help="Any format that guard reads.")
@click.option("--shape", type=click.Choice(list(models.SHAPES)), default="small", show_default=True)
@click.option("--layers", type=click.IntRange(min=1), help="Of the base, instead of those of the shape.")
@click.option("--body", "max_body", default=90, show_default=True, help="Tokens after the prefix, at most.")
@click.option("--batch-size", default=2, show_default=True)
@click.option("--accumulate", default=8, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("tuning.json"), show_default=True)
def main(
    vocabulary: Path,
    source: str,
    shape: str,
    layers: int | None,
    max_body: int,
    batch_size: int,
    accumulate: int,
    threads: int,
    rounds: int,
    out: Path,
) -> None:
    config = TrainConfig(batch_size=batch_size, gradient_accumulation_steps=accumulate)
    chosen = models.SHAPES[shape]
    with tempfile.TemporaryDirectory() as folder:
        examples, vocabulary_size = _examples(source, vocabulary, Path(folder), max_body, config.effective_batch_size)
        base = _write_base(Path(folder) / "base", replace(chosen, layers=layers or chosen.layers), vocabulary_size)
        model = LoraModel(base, config, threads=threads)
    whole = [replace(example, prefix_length=0) for example in examples]
    for _ in range(2):  # B is zero at the start, and so is the gradient of A
        model.train_step(examples, learning_rate=1e-3)
    steps = {WHOLE: whole, SHARED: examples}
    found = {
        "device": model.device,
        "shape": shape,
        "layers": layers or chosen.layers,
        "threads": threads,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "rounds": rounds,
        "prefix_tokens": examples[0].prefix_length,
        "body_tokens": round(mean(len(example.tokens) - example.prefix_length for example in examples), 1),
        **_differences(model, steps),
        **_timed(model, steps, config, rounds),
    }
    out.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(json.dumps(found, indent=2))


def _examples(
    source: str, vocabulary: Path, folder: Path, max_body: int, count: int
) -> tuple[list[TokenizedExample], int]:
    """The first prompts that are short enough, with the answer "safe", and the number of tokens of the vocabulary."""
    shape = models.Shape(layers=1, width=64, heads=4, kv_heads=2, feed_forward=96)  # only its vocabulary is used
    path = models.write(folder / "vocabulary.gguf", shape, models.QUANTIZATIONS["q8_0"], vocabulary)
    texts = read_texts(source)
    with Machine(path, 1).load() as model:
        answer = tuple(model.vocab.encode(Renderer(TEMPLATES[TEMPLATE], _FLAT.policy()).answer(())).tolist())
        examples = []
        for item in _FLAT.items(texts, model.vocab, min(len(texts), 50 * count)):
            (prompt,) = item.prompts
            tokens = tuple(prompt.tokens) + answer
            example = TokenizedExample(
                tokens=tokens,
                prefix_length=prompt.prefix_len,
                prompt_length=len(prompt.tokens),
                verdict_index=len(prompt.tokens),
                unsafe=False,
            )
            if len(tokens) - prompt.prefix_len <= max_body:
                examples.append(example)
        if len(examples) < count:
            raise click.ClickException(f"{source}: {len(examples)} prompts of up to {max_body} tokens; {count} needed")
        return examples[:count], len(gguf.GGUFReader(vocabulary).fields["tokenizer.ggml.tokens"].data)


def _write_base(folder: Path, shape: models.Shape, vocabulary_size: int) -> BaseModel:
    """Write a random Llama as a folder of Hugging Face weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return open_base(folder)


def _differences(model: LoraModel, steps: dict[str, list[TokenizedExample]]) -> dict[str, Any]:
    """The losses of the two ways, and the largest difference of a gradient, relative to the largest of its matrix."""
    whole_loss = model.compute_gradients(steps[WHOLE])
    whole = {name: parameter.grad.clone() for name, parameter in model.parameters.items()}
    losses = {WHOLE: whole_loss, SHARED: model.compute_gradients(steps[SHARED])}
    difference = max(
        float((model.parameters[name].grad - expected).abs().max() / expected.abs().max())
        for name, expected in whole.items()
    )
    return {"loss": {way: loss.total for way, loss in losses.items()}, "gradient_difference": difference}


def _timed(
    model: LoraModel, steps: dict[str, list[TokenizedExample]], config: TrainConfig, rounds: int
) -> dict[str, dict[str, Any]]:
    """Seconds and evaluated tokens an example of each way, and how many times as fast the shared prefix is."""
    ways = {way: partial(_step, model, examples) for way, examples in steps.items()}
    timed = interleaved(ways, rounds)
    medians = timed.against(SHARED)
    count = config.effective_batch_size
    return {
        way: {
            "seconds_a_step": [round(seconds, 2) for seconds in timed.seconds[way]],
            "seconds_an_example": round(medians[way]["milliseconds"] / 1000 / count, 4),
            "tokens_an_example": round(TokenCounts.from_examples(examples, config).evaluated / count, 1),
            "times_the_shared": medians[way]["ratio"],
        }
        for way, examples in steps.items()
    }


def _step(model: LoraModel, examples: Sequence[TokenizedExample]) -> None:
    model.train_step(examples, learning_rate=0.0)


if __name__ == "__main__":
    main()
