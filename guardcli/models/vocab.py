"""Segments → token ids, such that no text of a user becomes a token of the prompt's own.

Special tokens are made by name. All text between two of them is encoded in one piece, with the parsing of
special tokens off, which gives the ids that the models were trained on.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from threading import Lock
from typing import Any, TypeAlias

import llama_cpp
import numpy as np
import numpy.typing as npt

from guardcli.errors import ErrorCode, ModelError
from guardcli.models.tokenizers import check_tokenizer, missing_bytes
from guardcli.text.segments import Segment

# llama.cpp splits text for these pre-tokenizers by its own code. Any other may go through std::regex, whose recursion
# overflows the stack on a long piece: 40,000 characters end the process, 20,000 do not. Where a piece ends is another
# question for each of them (`_` is a letter for some and punctuation for others), but none goes on from a blank to what
# is none; so text is cut where there is no blank, or nothing else, for that long.
_SAFE_PRETOKENIZERS = {"llama-bpe", "llama3", "llama-v3"}
# Characters that have between them every byte of UTF-8 but those of control characters and of _UNASSIGNED.
_ALL_BYTES = (
    *map(chr, range(0x20, 0x7F)),
    *map(chr, range(0x80, 0xC0)),  # C2, and all that may follow a first byte
    *(chr((first & 0x1F) << 6) for first in range(0xC3, 0xE0)),
    *(chr((first & 0x0F) << 12 or 0x800) for first in range(0xE0, 0xF0)),
    *(chr((first & 0x07) << 18 or 0x10000) for first in (0xF0, 0xF3, 0xF4)),
)
# Unicode has assigned none of these, whose first bytes are F1 and F2, so some vocabularies do not have those bytes.
_UNASSIGNED = re.compile("[\U00040000-\U000bffff]")
_JOINED = 1 << 20  # characters: llama.cpp counts in 32 bits, and a buffer of 8 bytes a byte stays
_LONG_RUN = re.compile(r"\S{4000}|\s{4000}")


TokenIds: TypeAlias = npt.NDArray[np.int32]  # shape (n,)


class UnencodableTextError(ValueError):
    """The model cannot be shown a text as it is. `code` is the stable code of the reason."""

    code: ErrorCode


class ControlTokenError(UnencodableTextError):
    """The text of a user would become a token of the prompt's own in this vocabulary."""

    code = "record/control-token"

    def __init__(self) -> None:
        super().__init__("its text would become a control token of the model's vocabulary, and could end the prompt")


class MissingCharacterError(UnencodableTextError):
    """llama.cpp would drop a character of the text."""

    code = "record/missing-character"

    def __init__(self, character: str) -> None:
        super().__init__(f"the model's vocabulary cannot encode U+{ord(character):04X}, which would not be judged")


class Vocab:
    """A model's vocabulary. `kind` and `pre` are its `tokenizer.ggml.model` and `tokenizer.ggml.pre`."""

    def __init__(self, handle: Any, kind: str, pre: str) -> None:
        check_tokenizer(kind, pre)
        self._handle: Any = handle
        self._lock = Lock()
        self._allocate(4096)
        self._sentencepiece = kind == "llama"
        self._bounded = not self._sentencepiece and pre not in _SAFE_PRETOKENIZERS
        if self._sentencepiece:
            self._check_bytes()
        # Llama 2's vocabulary does, Gemma's does not. No token is longer than this character, so it shows.
        self._adds_space = self._sentencepiece and len(self._tokenize(b"\1")) > 1
        tokens = range(llama_cpp.llama_vocab_n_tokens(handle))
        attributes = np.fromiter((llama_cpp.llama_vocab_get_attr(handle, token) for token in tokens), np.int32)
        # Text becomes such a token where a vocabulary says of a byte's token that it is one.
        self._controls = attributes & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL > 0
        self._matched = self._user_defined(np.flatnonzero(attributes & llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED))
        # Llama 3, as it is: nothing to cut, and each token is some bytes of the text.
        self._plain = not self._sentencepiece and not self._bounded and self._matched is None
        self._lengths = np.zeros(llama_cpp.llama_vocab_n_tokens(handle), dtype=np.int64)  # in bytes, as they are needed
        self._specials: dict[str, int] = {}
        self._drops_unassigned = not self._sentencepiece and any(map(self._is_dropped, "\U00040000\U00080000"))
        if not self._sentencepiece:
            self._check_symbols(attributes & llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED > 0)

    def close(self) -> None:
        """Let nothing be encoded any more: the model is about to be freed, and a thread may be reading ahead."""
        with self._lock:
            self._handle = None

    def special(self, name: str) -> int:
        """The id of a special token.

        Raises:
            ModelError: the vocabulary has no such token, or has it as ordinary text.
        """
        if name not in self._specials:
            ids = self._tokenize(name.encode(), parse_special=True)
            if len(ids) != 1 or not self.is_control(int(ids[0])):
                raise ModelError(
                    f"the model's vocabulary has no special token {name}: it is not a model of this template; "
                    "name another with ModelConfig.template",
                    code="model/wrong-template",
                )
            self._specials[name] = int(ids[0])
        return self._specials[name]

    def is_control(self, token: int) -> bool:
        """Whether a token is special: never the encoding of text."""
        attributes = llama_cpp.llama_vocab_get_attr(self._handle, token)
        return bool(attributes & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL)

    def eog_token_ids(self) -> list[int]:
        """The ids with which a model ends its answer."""
        ends = {llama_cpp.llama_vocab_eos(self._handle), llama_cpp.llama_vocab_eot(self._handle)}
        return sorted(token for token in ends if token >= 0)

    def encode(self, segments: Iterable[Segment], *, follows: bool = False) -> TokenIds:
        """The ids of a prompt, or of a piece of one that `follows` a blank line.

        Raises:
            ModelError: a special token is missing.
            ControlTokenError: text between two special tokens would be one itself.
            MissingCharacterError: llama.cpp would drop a character.
        """
        parts = []
        for special, group in groupby(segments, key=lambda segment: segment.special):
            if special:
                parts.append(np.array([self.special(segment.text) for segment in group], dtype=np.int32))
            else:
                parts.append(self._between_specials(list(group), follows=follows))
                if self._has_control(parts[-1]):
                    raise ControlTokenError
            follows = False
        return _join(parts)

    def encode_batch(self, pieces: Iterable[Sequence[Segment]], *, follows: bool = True) -> list[TokenIds]:
        """The ids of pieces that each follow a line break, or with `follows` false a special token: of each what
        `encode` gives.

        Where that is known to change nothing they go through llama.cpp in one call, which lets other threads run all
        the while, and does not take turns with Python for the processor's caches.

        Raises:
            ModelError: a special token is missing.
            ControlTokenError, MissingCharacterError: as `encode`.
        """
        pieces = list(pieces)
        together = self._encode_together(pieces)
        return [self.encode(piece, follows=follows) for piece in pieces] if together is None else together

    def encode_text(self, text: str) -> TokenIds:
        """The ids of a plain text in one piece, whatever stands in it."""
        return self._tokenize(text.encode())

    def encode_line(self, text: str) -> TokenIds:
        """The ids of a text at the start of a line, without the line break before it.

        SentencePiece may put a space before every fragment; encoded after a line break, the fragment is as it
        is in the middle of a text. Where it puts none, the fragment is encoded alone: Gemma has tokens of several
        line breaks, and one of them could be the first.
        """
        if self._sentencepiece and not self._adds_space:
            return self.encode_text(text)
        return self._tokenize(b"\n" + text.encode())[len(self._tokenize(b"\n")) :]

    def _between_specials(self, segments: Sequence[Segment], *, follows: bool) -> TokenIds:
        text = "".join(segment.text for segment in segments)
        self._check_characters(text)
        if self._plain:
            return self.encode_text(text)
        cuts = sorted({*self._cuts_in_tokens(segments, text), *self._cuts_in_runs(text)})
        parts = []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            inside = self._adds_space and (follows or start > 0)
            parts.append(self.encode_line(text[start:end]) if inside else self.encode_text(text[start:end]))
        return _join(parts)

    def _encode_together(self, pieces: Sequence[Sequence[Segment]]) -> list[TokenIds] | None:
        """The ids of each piece, of all in one text; None where a token might be another, or is of two pieces."""
        if not self._plain or any(segment.special for piece in pieces for segment in piece):
            return None
        texts = ["".join(segment.text for segment in piece) for piece in pieces]
        for text in texts:
            self._check_characters(text)
        if sum(map(len, texts)) > _JOINED or not all(map(_joinable, texts)):
            return None
        ids = self._tokenize("".join(texts).encode())
        if self._has_control(ids):
            return None
        ends = self._lengths_of(ids).cumsum()
        wanted = np.cumsum([len(text.encode()) for text in texts])
        last = np.searchsorted(ends, wanted)
        if len(ends) == 0 or ends[-1] != wanted[-1] or (ends[last] != wanted).any():
            return None
        stops = (last + 1).tolist()
        return [ids[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]

    def _has_control(self, ids: TokenIds) -> bool:
        return bool(self._controls[ids].any())

    def _lengths_of(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """How many bytes of text each token is: characters, as byte-level vocabularies are written."""
        lengths: npt.NDArray[np.int64] = self._lengths[ids]
        if not lengths.all():
            with self._lock:
                handle = self._open_handle()
                for token in set(ids[lengths == 0].tolist()):  # `np.unique` imports numpy.ma, which takes 50 ms
                    text = llama_cpp.llama_vocab_get_text(handle, token)
                    self._lengths[token] = len(text.decode("utf-8", "replace"))
            lengths = self._lengths[ids]
        return lengths

    def _cuts_in_tokens(self, segments: Sequence[Segment], text: str) -> Iterator[int]:
        """Where to cut so that no user-defined token is matched with a part of a user's text.

        llama.cpp matches such tokens even where the parsing of special tokens is off. A match inside one
        trusted segment is the prompt's own and stays.
        """
        if self._matched is None:
            return
        trusted = list(_trusted_spans(segments))
        at = 0
        while match := self._matched.search(text, at):
            start, end = match.span()
            own = any(begin <= start and end <= stop for begin, stop in trusted)
            if not own:
                yield start + 1
            at = end if own else start + 1

    def _cuts_in_runs(self, text: str) -> list[int]:
        return [match.end() for match in _LONG_RUN.finditer(text)] if self._bounded else []

    def _check_bytes(self) -> None:
        """Raise ModelError unless there is a token for every byte: without one, llama.cpp ends the process at the first
        text that needs it."""
        tokens = range(llama_cpp.llama_vocab_n_tokens(self._handle))
        texts = {llama_cpp.llama_vocab_get_text(self._handle, token).decode("utf-8", "replace") for token in tokens}
        missing = missing_bytes("llama", texts)
        if missing:
            raise ModelError(
                f"the model's SentencePiece vocabulary lacks the tokens of {len(missing)} bytes, and llama.cpp would "
                "crash on some text: the file is damaged, or its tokenizer is another one",
                code="model/unsupported",
            )

    def _check_characters(self, text: str) -> None:
        if self._drops_unassigned and (match := _UNASSIGNED.search(text)):
            raise MissingCharacterError(match[0])

    def _is_dropped(self, character: str) -> bool:
        """Whether byte-level BPE lacks a byte of a character, which llama.cpp then drops."""
        return bool(self._lengths_of(self.encode_text(character)).sum() < len(character.encode()))

    def _check_symbols(self, user_defined: npt.NDArray[np.bool_]) -> None:
        """Raise ModelError unless byte-level BPE has a token for every byte of text: llama.cpp drops those that have
        none, and what they stand for would not be judged."""
        for character in _ALL_BYTES:
            ids = np.frombuffer(self.encode_text(character), dtype=np.int32)
            if user_defined[ids].any():  # stands for the character as it is
                continue
            if self._is_dropped(character):
                raise ModelError(
                    f"the model's vocabulary has no token for a byte of U+{ord(character):04X}, and llama.cpp would "
                    "drop such text: the file is damaged, or its tokenizer is another one",
                    code="model/unsupported",
                )

    def _user_defined(self, tokens: npt.NDArray[np.int64]) -> re.Pattern[str] | None:
        """All user-defined tokens of more than one character, the longest first; None without any.

        Those of blanks alone, of which Gemma has many, are left out: any text has them, and they mark nothing.
        """
        texts = [
            llama_cpp.llama_vocab_get_text(self._handle, token).decode("utf-8", "replace") for token in tokens.tolist()
        ]
        long = sorted((text for text in texts if len(text) > 1 and not text.isspace()), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, long))) if long else None

    def _tokenize(self, text: bytes, *, parse_special: bool = False) -> TokenIds:
        room = len(text) + 8  # a token is at least one byte, but for a space put before the text
        with self._lock:
            handle = self._open_handle()
            if room > len(self._buffer):
                self._allocate(2 * room)
            count = llama_cpp.llama_tokenize(handle, text, len(text), self._pointer, room, False, parse_special)
            if count < 0:
                raise ModelError(f"llama.cpp cannot tokenize a text of {len(text):,} bytes", code="engine/failed")
            ids: TokenIds = self._buffer[:count].copy()
            return ids

    def _allocate(self, size: int) -> None:
        """Make the buffer that llama.cpp writes ids to: one for all calls."""
        self._buffer = np.empty(size, dtype=np.int32)
        self._pointer = self._buffer.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token))

    def _open_handle(self) -> Any:
        """llama.cpp's vocabulary, for who holds the lock. Raises ModelError: the model is closed."""
        if self._handle is None:
            raise ModelError("the model is closed", code="model/closed")
        return self._handle


def _join(parts: Sequence[TokenIds]) -> TokenIds:
    return parts[0] if len(parts) == 1 else np.concatenate((np.empty(0, dtype=np.int32), *parts))


def _joinable(text: str) -> bool:
    """Whether a text can stand behind a blank line, and before what can, without a change to its tokens: no piece that
    the pre-tokenizer of Llama 3 makes goes on from a line break to a letter."""
    return text.endswith("\n\n") and text[0].isascii() and text[0].isalpha()


def _trusted_spans(segments: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    at = 0
    for segment in segments:
        if not segment.untrusted:
            yield at, at + len(segment.text)
        at += len(segment.text)
