"""Segments → token ids by the vocabulary of a base model: a Hugging Face tokenizer, or llama.cpp's of a GGUF.

Special tokens are looked up by name. The text between two of them is encoded in one piece with the parsing of special
tokens off, so that user text can never become a control token, in training either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from guardcli.errors import ModelError
from guardcli.models.vocab import UnencodableTextError, Vocab
from guardcli.text.segments import Segment
from guardcli.training.dependencies import require


class Encoder(Protocol):
    """The vocabulary of a base model."""

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """The token ids of a prompt or an answer.

        Raises:
            ModelError: a special token is missing, or text would become one.
        """

    def encode_text(self, text: str) -> Sequence[int]:
        """The token ids of a plain text in one piece.

        Raises:
            ModelError: the text would become a special token.
        """


class HuggingFaceEncoder:
    """The tokenizer in a folder of Hugging Face weights, to the same ids as `guardcli.models.vocab`."""

    def __init__(self, folder: Path) -> None:
        """Load `folder`/tokenizer.json.

        Raises:
            ModelError: the file is missing or damaged.
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

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """See `Encoder.encode`."""
        ids: list[int] = []
        for special, group in groupby(segments, key=lambda segment: segment.special):
            if special:
                ids.extend(self._special_id(segment.text) for segment in group)
            else:
                ids.extend(self.encode_text("".join(segment.text for segment in group)))
        return tuple(ids)

    def encode_text(self, text: str) -> Sequence[int]:
        """See `Encoder.encode_text`."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        added = next((self._added_tokens[id_] for id_ in ids if id_ in self._added_tokens), None)
        if added is not None:
            raise ModelError(
                f"the tokenizer makes {added!r} of text although special tokens are off: mark it as "
                "special in tokenizer.json, or user text becomes a control token",
                code="model/unsupported",
            )
        return ids

    def _special_id(self, name: str) -> int:
        if name not in self._special_ids:
            raise ModelError(
                f"the tokenizer has no special token {name}: the examples are for a model of another template",
                code="model/wrong-template",
            )
        return int(self._special_ids[name])


class VocabEncoder:
    """The vocabulary of a GGUF, which is the one that `guard check` encodes with."""

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        """See `Encoder.encode`."""
        try:
            return tuple(self._vocab.encode(segments).tolist())
        except UnencodableTextError as error:
            raise ModelError(f"an example cannot be trained on: {error}", code="model/unsupported") from error

    def encode_text(self, text: str) -> Sequence[int]:
        """See `Encoder.encode_text`."""
        ids: list[int] = self._vocab.encode_text(text).tolist()
        return ids
