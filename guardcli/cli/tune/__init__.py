"""`guard tune`: fine-tune a guard with the paper's augmentation. One file a command."""

from __future__ import annotations

import click

from guardcli.cli.lazy import LazyGroup

_HERE = "guardcli.cli.tune"
_COMMANDS = {
    "prepare": (f"{_HERE}.prepare:prepare", "Make training examples from labeled records."),
    "train": (f"{_HERE}.train:train", "Train a LoRA adapter on the examples."),
    "export": (f"{_HERE}.export:export", "Write the adapter as a GGUF file for guard check --lora."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def tune() -> None:
    """Fine-tune a Llama Guard on your own labeled records, with the paper's augmentation."""
