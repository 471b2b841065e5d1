"""Tokenizes training examples with the base model's vocabulary.

The answer is tokenized separately from the prompt, because `guard check` reads its logits there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardcli.errors import ModelError
from guardcli.prompts import TEMPLATES
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

    Examples under one policy have the same prefix. The verdict has `verdict_length` tokens, and is read at the first of
    them. `weight` is what the example counts in the loss of its step, and `pair` names the contrast pair that it is of.
    """

    tokens: tuple[int, ...]
    prefix_length: int
    prompt_length: int
    verdict_index: int
    unsafe: bool
    verdict_length: int = 1
    weight: float = 1.0
    pair: tuple[str | None, str] | None = None

    @property
    def prefix(self) -> tuple[int, ...]:
        """The tokens before the conversation."""
        return self.tokens[: self.prefix_length]

    @property
    def evaluated(self) -> tuple[int, ...]:
        """The tokens that a model evaluates: all but the last one, for what follows it is not asked."""
        return self.tokens[:-1]


class Tokenizer:
    """Tokenizes examples by a base model's vocabulary."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._prefix_ids: dict[tuple[Segment, ...], tuple[int, ...]] = {}  # examples share few prefixes
        self._verdicts: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def verdict_ids(self, template: str) -> tuple[int, int]:
        """The token ids at which a template's verdict is read: the first ones of its words for safe and for unsafe.

        Raises:
            ModelError: the two are the same.
        """
        safe, unsafe = self._verdicts_of(template)
        return safe[0], unsafe[0]

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """The token ids of a prompt or an answer.

        Raises:
            ModelError: a special token is missing, or text would become one.
        """
        return self._encoder.encode(segments)

    def tokenize(self, example: TrainingExample) -> TokenizedExample:
        """Tokenize an example.

        Raises:
            ModelError: see `encode` and `verdict_ids`; or the tokenizer merges the verdict with the text next to it,
                which `guard check` reads as separate tokens.
        """
        prompt, answer = self.encode(example.prompt), self.encode(example.answer)
        answer_prefix = TEMPLATES[example.template].answer.prefix
        before_verdict = self._encoder.encode_text(answer_prefix) if answer_prefix else ()
        unsafe = bool(example.categories)
        verdict = self._verdicts_of(example.template)[unsafe]
        expected = (*before_verdict, *verdict)
        if answer[: len(expected)] != expected:
            raise ModelError(
                "the tokenizer merges the verdict with the text next to it: "
                f"it does not belong to a model for {example.template}",
                code="model/unsupported",
            )
        return TokenizedExample(
            tokens=prompt + answer,
            prefix_length=self._prefix_length(example.prefix, prompt),
            prompt_length=len(prompt),
            verdict_index=len(prompt) + len(before_verdict),
            unsafe=unsafe,
            verdict_length=len(verdict),
            weight=example.weight,
            pair=None if example.pair is None else (example.key.source, example.pair),
        )

    def _prefix_length(self, prefix: tuple[Segment, ...], prompt: tuple[int, ...]) -> int:
        """How many tokens of a prompt are those of its prefix; none if a token reaches beyond the prefix."""
        if prefix not in self._prefix_ids:
            self._prefix_ids[prefix] = self.encode(prefix)
        ids = self._prefix_ids[prefix]
        return len(ids) if len(ids) < len(prompt) and prompt[: len(ids)] == ids else 0

    def _verdicts_of(self, template: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The token ids of a template's words for safe and for unsafe."""
        if template not in self._verdicts:
            answer = TEMPLATES[template].answer
            safe, unsafe = (tuple(self._encoder.encode_text(word)) for word in (answer.safe[0], answer.unsafe[0]))
            if safe[0] == unsafe[0]:
                raise ModelError(
                    f"{answer.safe[0]!r} and {answer.unsafe[0]!r} begin with the same token in the tokenizer: "
                    f"it does not belong to a model for {template}",
                    code="model/unsupported",
                )
            self._verdicts[template] = safe, unsafe
        return self._verdicts[template]
