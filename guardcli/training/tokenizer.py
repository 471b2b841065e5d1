"""Examples → token ids by the tokenizer beside the weights, by the rules of `guardcli.models.vocab`.

Special tokens are made by name, and all text between two of them in one piece with the parsing of special tokens off:
what a user wrote is text in training, too. The answer is a piece of its own, as it is where its logits are read.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.prompts import TEMPLATES
from guardcli.prompts.templates import SAFE, UNSAFE
from guardcli.text.segments import Segment, TokenIds
from guardcli.training.augmentation import Example
from guardcli.training.dependencies import needed


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example's ids: `asked` of them are the prompt, and behind `read` of them the verdict comes next."""

    tokens: TokenIds
    asked: int
    read: int
    unsafe: bool


class Tokenizer:
    """The tokenizer in a folder of weights. `safe` and `unsafe` are the ids of the two verdicts."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError: there is none, or it splits a verdict."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError(f"{folder} holds no tokenizer.json: download all files of the model")
        try:
            self._tokenizer = needed("tokenizers").Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path} cannot be read: {error}") from error
        self._tokenizer.encode_special_tokens = True
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {token.content: id_ for id_, token in added.items() if token.special}
        self._added = {id_: token.content for id_, token in added.items()}
        self.safe, self.unsafe = self._single(SAFE), self._single(UNSAFE)

    def special(self, name: str) -> int:
        """Raises ModelError: there is no such special token."""
        if name not in self._specials:
            raise ModelError(
                f"the tokenizer has no special token {name}: the examples are for a model of another template"
            )
        return int(self._specials[name])

    def encode(self, segments: Iterable[Segment]) -> TokenIds:
        """Raises ModelError: a special token is missing, or text would become one."""
        ids = array("i")
        for special, group in groupby(segments, key=lambda segment: segment.special):
            if special:
                ids.extend(self.special(segment.text) for segment in group)
            else:
                ids.extend(self._text("".join(segment.text for segment in group)))
        return ids

    def example(self, example: Example) -> Encoded:
        """Raises ModelError: as `encode`, or the answer's ids are not those that guard reads."""
        ids, answer = self.encode(example.prompt), self.encode(example.answer)
        before = TEMPLATES[example.template].answer
        scaffold = self._text(before) if before else []
        asked, read = len(ids), len(ids) + len(scaffold)
        ids.extend(answer)
        unsafe = bool(example.categories)
        if [*ids[asked : read + 1]] != [*scaffold, self.unsafe if unsafe else self.safe]:
            raise ModelError("the tokenizer joins the verdict with what stands beside it: it is of no Llama Guard")
        return Encoded(ids, asked, read, unsafe)

    def _text(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if (found := next((id_ for id_ in ids if id_ in self._added), None)) is not None:
            raise ModelError(
                f"the tokenizer makes {self._added[found]!r} of text although special tokens are off: mark it as "
                "special in tokenizer.json, or user text becomes a control token"
            )
        return ids

    def _single(self, word: str) -> int:
        ids = self._text(word)
        if len(ids) != 1:
            raise ModelError(f"the tokenizer has no single token for {word!r}: it is of no Llama Guard")
        return ids[0]
