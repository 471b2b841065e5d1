"""The starter's own vocabulary: byte-level BPE as llama.cpp's `llama-bpe` splits it, with the Llama 3 special tokens.

The fixed text of the prompt is a few user-defined tokens, so that a prompt is short. It knows the prompt's wording
from guardcli, and no weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import SPEAKERS
from guardcli.text.segments import Segment

TEMPLATE = TEMPLATES["llama-guard-3-8b"]
SPECIALS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
# The pre-tokenizer of Llama 3, as llama.cpp and its converter have it under the name llama-bpe.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BEGIN, _END = "<BEGIN UNSAFE CONTENT CATEGORIES>\n", "<END UNSAFE CONTENT CATEGORIES>"


@dataclass(frozen=True)
class Tokens:
    """Token texts by id, merges, and how a text is encoded with them."""

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    fixed: tuple[str, ...]

    @cached_property
    def by_text(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    @property
    def normal(self) -> int:
        """How many tokens are plain text; special tokens come behind them, then the user-defined ones."""
        return len(self.tokens) - len(SPECIALS) - len(self.fixed)

    @cached_property
    def _encoder(self) -> Tokenizer:
        vocabulary = {token: number for number, token in enumerate(self.tokens[: self.normal])}
        merges = [(first, second) for first, second in (merge.split(" ") for merge in self.merges)]
        return _split(Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True)))

    @cached_property
    def _matched(self) -> re.Pattern[str]:
        return re.compile("(" + "|".join(map(re.escape, self.fixed)) + ")")

    def texts(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of plain texts."""
        return [encoded.ids for encoded in self._encoder.encode_batch(texts, add_special_tokens=False)]

    def segments(self, segments: Iterable[Segment]) -> list[int]:
        """The ids of the prompt's own text."""
        ids: list[int] = []
        for segment in segments:
            if segment.special:
                ids.append(self.by_text[segment.text])
            else:
                for part in filter(None, self._matched.split(segment.text)):
                    ids += [self.by_text[part]] if part in self.fixed else self.texts([part])[0]
        return ids


def train(texts: Iterable[str], renderer: Renderer, *, size: int) -> Tokens:
    """A vocabulary of about `size` tokens, fitted to texts and to the prompt's categories."""
    fixed = tuple(fixed_text(renderer))
    head = "".join(segment.text for segment in renderer.head("User"))
    categories = head[head.index(_BEGIN) + len(_BEGIN) : head.index(_END)]
    numbers = "".join(f"S{number}, {number}," for number in range(1, 31))
    own = ["safe", "unsafe", "\n\n", "user", "assistant", f"User: a.\n\nAgent: b?\n\n{categories}{numbers}"] * 2000
    tokenizer = _split(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=byte_symbols(), min_frequency=2
    )
    tokenizer.train_from_iterator([*texts, *own], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    normal = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = tuple(" ".join(merge) for merge in model["merges"])
    return Tokens((*normal, *SPECIALS, *fixed), merges, fixed)


def fixed_text(renderer: Renderer) -> Iterator[str]:
    """What of the prompt is the same for every taxonomy: for each speaker what comes before the categories and what
    comes after the conversation, and what stands between the two."""
    for speaker in SPEAKERS:
        head = "".join(segment.text for segment in renderer.head(speaker) if not segment.special)
        yield head[head.index("Task:") : head.index(_BEGIN) + len(_BEGIN)]
        yield renderer.tail(speaker)[0].text
    yield head[head.index(_END) :]


def byte_symbols() -> list[str]:
    """GPT-2's printable symbols for the 256 bytes."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _split(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer
