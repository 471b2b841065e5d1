"""Tokenizes training examples with the base model's tokenizer, to the same ids as `guardcli.models.vocab`.

Special tokens are looked up by name. The text between two of them is tokenized in one piece with the parsing of special
tokens off, so that user text can never become a control token, in training either. The answer is tokenized separately
from the prompt, because `guard check` reads its logits there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.prompts import TEMPLATES
from guardcli.prompts.templates import SAFE, UNSAFE
from guardcli.text.segments import Segment
from guardcli.training.augmentation import TrainingExample
from guardcli.training.dependencies import require


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
    """The tokenizer in a folder of Hugging Face weights. `safe` and `unsafe` are the token ids of the two verdicts."""

    def __init__(self, folder: Path) -> None:
        """Load `folder`/tokenizer.json.

        Raises:
            ModelError: the file is missing or damaged, or a verdict is more than one token.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(
                f"{folder} holds no tokenizer.json: download all files of the model", code="model/incomplete"
            )
        try:
            self._tokenizer = require("tokenizers").Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path} cannot be read: {error}", code="model/damaged") from error
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self._special_ids = {token.content: id_ for id_, token in added.items() if token.special}
        self._added_tokens = {id_: token.content for id_, token in added.items()}
        self._prefix_ids: dict[tuple[Segment, ...], tuple[int, ...]] = {}  # examples share few prefixes
        self.safe, self.unsafe = self._verdict_id(SAFE), self._verdict_id(UNSAFE)

    def special_id(self, name: str) -> int:
        """The id of a special token.

        Raises:
            ModelError: the tokenizer has no such special token.
        """
        if name not in self._special_ids:
            raise ModelError(
                f"the tokenizer has no special token {name}: the examples are for a model of another template",
                code="model/wrong-template",
            )
        return int(self._special_ids[name])

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """The token ids of a prompt or an answer.

        Raises:
            ModelError: a special token is missing, or text would become one.
        """
        ids: list[int] = []
        for special, group in groupby(segments, key=lambda segment: segment.special):
            if special:
                ids.extend(self.special_id(segment.text) for segment in group)
            else:
                ids.extend(self._encode_text("".join(segment.text for segment in group)))
        return tuple(ids)

    def tokenize(self, example: TrainingExample) -> TokenizedExample:
        """Tokenize an example.

        Raises:
            ModelError: see `encode`; or the tokenizer merges the verdict with the text next to it, which `guard check`
                reads as separate tokens.
        """
        prompt, answer = self.encode(example.prompt), self.encode(example.answer)
        before_verdict = TEMPLATES[example.template].answer_prefix
        expected = list(self._encode_text(before_verdict)) if before_verdict else []
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

    def _encode_text(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        added = next((self._added_tokens[id_] for id_ in ids if id_ in self._added_tokens), None)
        if added is not None:
            raise ModelError(
                f"the tokenizer makes {added!r} of text although special tokens are off: mark it as "
                "special in tokenizer.json, or user text becomes a control token",
                code="model/unsupported",
            )
        return ids

    def _verdict_id(self, word: str) -> int:
        ids = self._encode_text(word)
        if len(ids) != 1:
            raise ModelError(
                f"the tokenizer has no single token for {word!r}: it is of no Llama Guard", code="model/unsupported"
            )
        return ids[0]
