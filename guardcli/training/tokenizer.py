"""Tokenizes training examples with the base model's vocabulary.

The answer is tokenized separately from the prompt, because `guard check` reads its logits there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardcli.errors import ModelError
from guardcli.prompts import TEMPLATES
from guardcli.prompts.templates import SAFE, UNSAFE
from guardcli.text.segments import Segment
from guardcli.training.augmentation import TrainingExample
from guardcli.training.encoders import Encoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedExample:
    r"""The token ids of an example, and where its prefix, its answer and its verdict are.

    ::

        <|begin_of_text|> … <BEGIN CONVERSATION> … <END CONVERSATION> … | \n\n | unsafe | \n S 9 <|eot_id|>
        └── prefix, prefix_length tokens ───────┘                       |      ^ tokens[verdict_index]
        └── prompt, prompt_length tokens ───────────────────────────────┘ answer, on which the loss is computed

    Examples under one policy have the same prefix. The verdict has `verdict_length` tokens. `weight` is what the
    example counts in the loss of its step.
    """

    tokens: tuple[int, ...]
    prefix_length: int
    prompt_length: int
    verdict_index: int
    unsafe: bool
    verdict_length: int = 1
    weight: float = 1.0

    @property
    def prefix(self) -> tuple[int, ...]:
        """The tokens before the conversation."""
        return self.tokens[: self.prefix_length]


class Tokenizer:
    """Tokenizes examples by a base model's vocabulary. `safe` and `unsafe` are the token ids of the two verdicts."""

    def __init__(self, encoder: Encoder) -> None:
        """Raises ModelError: a verdict is more than one token."""
        self._encoder = encoder
        self._prefix_ids: dict[tuple[Segment, ...], tuple[int, ...]] = {}  # examples share few prefixes
        self.safe, self.unsafe = self._verdict_id(SAFE), self._verdict_id(UNSAFE)

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """The token ids of a prompt or an answer.

        Raises:
            ModelError: a special token is missing, or text would become one.
        """
        return self._encoder.encode(segments)

    def tokenize(self, example: TrainingExample) -> TokenizedExample:
        """Tokenize an example.

        Raises:
            ModelError: see `encode`; or the tokenizer merges the verdict with the text next to it, which `guard check`
                reads as separate tokens.
        """
        prompt, answer = self.encode(example.prompt), self.encode(example.answer)
        before_verdict = TEMPLATES[example.template].answer_prefix
        expected = list(self._encoder.encode_text(before_verdict)) if before_verdict else []
        verdict_index = len(prompt) + len(expected)
        unsafe = bool(example.categories)
        expected.append(self.unsafe if unsafe else self.safe)
        if list(answer[: len(expected)]) != expected:
            raise ModelError(
                "the tokenizer joins the verdict with what stands beside it: it is of no Llama Guard",
                code="model/unsupported",
            )
        return TokenizedExample(
            tokens=prompt + answer,
            prefix_length=self._prefix_length(example.prefix, prompt),
            prompt_length=len(prompt),
            verdict_index=verdict_index,
            unsafe=unsafe,
            weight=example.weight,
        )

    def _prefix_length(self, prefix: tuple[Segment, ...], prompt: tuple[int, ...]) -> int:
        """How many tokens of a prompt are those of its prefix; none if a token reaches beyond the prefix."""
        if prefix not in self._prefix_ids:
            self._prefix_ids[prefix] = self.encode(prefix)
        ids = self._prefix_ids[prefix]
        return len(ids) if len(ids) < len(prompt) and prompt[: len(ids)] == ids else 0

    def _verdict_id(self, word: str) -> int:
        ids = self._encoder.encode_text(word)
        if len(ids) != 1:
            raise ModelError(
                f"the tokenizer has no single token for {word!r}: it is of no Llama Guard", code="model/unsupported"
            )
        return ids[0]
