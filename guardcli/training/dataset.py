"""Reads the examples that `guard tune prepare` wrote, and tokenizes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import InputError
from guardcli.text.segments import render_text
from guardcli.training.augmentation import TrainingExample
from guardcli.training.tokenizer import TokenizedExample, Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedDataset:
    """The tokenized examples of a file, without those that are too long.

    `num_too_long` counts the latter. `template` is None if the file has no examples. `prompts` are the texts of the
    conversations, including those that are too long; two datasets that share one overlap. `sha256` is that of the file.
    """

    examples: tuple[TokenizedExample, ...]
    num_too_long: int
    template: str | None
    prompts: frozenset[str]
    sha256: str

    @classmethod
    def from_file(
        cls, path: Path, tokenizer: Tokenizer, *, max_length: int, on_example: Callable[[int], None] | None = None
    ) -> TokenizedDataset:
        """Read a JSON Lines file, and keep examples of up to `max_length` tokens.

        `on_example` is called with the number of examples tokenized so far.

        Raises:
            InputError: the file cannot be read, a line is not an example, or examples are for several templates.
            ModelError: the tokenizer does not fit the examples; see `Tokenizer.tokenize`.
        """
        try:
            content = path.read_bytes()
            lines = content.decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}", code="input/unreadable"
            ) from error
        examples = [
            TrainingExample.from_json(line, f"{path}:{number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
        templates = {example.template for example in examples}
        if len(templates) > 1:
            raise InputError(
                f"{path}: examples for several models: {', '.join(sorted(templates))}; prepare one file for each",
                code="tune/mixed-templates",
            )
        tokenized = []
        for number, example in enumerate(examples, start=1):
            tokenized.append(tokenizer.tokenize(example))
            if on_example is not None:
                on_example(number)
        fitting = tuple(example for example in tokenized if len(example.tokens) <= max_length)
        return cls(
            examples=fitting,
            num_too_long=len(tokenized) - len(fitting),
            template=next(iter(templates), None),
            prompts=frozenset(
                render_text(segment for segment in example.prompt if segment.untrusted) for example in examples
            ),
            sha256=hashlib.sha256(content).hexdigest(),
        )
