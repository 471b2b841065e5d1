"""The header of a GGUF file, read and checked in Python before llama.cpp sees the file.

llama.cpp can abort the whole process on a damaged file; here every count, length and offset is held against
the size of the file first. Format: the GGUF specification in ggml's documentation, versions 2 and 3. It reads
metadata and the tensors' directory, and of the weights the few that tell one model from another.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from guardcli.errors import ModelError
from guardcli.files.regular import open_regular

Value: TypeAlias = "bool | int | float | str | list[Value]"

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LARGE_ARRAY = 4096  # vocabularies: walked over, not kept
_LARGE_STRING = 1 << 24  # a chat template has some thousand bytes; a damaged length can claim the whole file

# name, bytes a block and weights a block, by ggml type (ggml.h); a type that is not here is not measured
TENSOR_TYPES = {
    0: ("F32", 4, 1), 1: ("F16", 2, 1), 2: ("Q4_0", 18, 32), 3: ("Q4_1", 20, 32), 6: ("Q5_0", 22, 32),
    7: ("Q5_1", 24, 32), 8: ("Q8_0", 34, 32), 10: ("Q2_K", 84, 256), 11: ("Q3_K", 110, 256), 12: ("Q4_K", 144, 256),
    13: ("Q5_K", 176, 256), 14: ("Q6_K", 210, 256), 16: ("IQ2_XXS", 66, 256), 17: ("IQ2_XS", 74, 256),
    18: ("IQ3_XXS", 98, 256), 19: ("IQ1_S", 50, 256), 20: ("IQ4_NL", 18, 32), 21: ("IQ3_S", 110, 256),
    22: ("IQ2_S", 82, 256), 23: ("IQ4_XS", 136, 256), 29: ("IQ1_M", 56, 256), 30: ("BF16", 2, 1),
    34: ("TQ1_0", 54, 256), 35: ("TQ2_0", 66, 256), 39: ("MXFP4", 17, 32),
}  # fmt: skip

# Stored as F32 (type 0) in every quantisation, and changed by every training but that of an adapter.
_FINGERPRINT_TENSOR, _F32 = "output_norm.weight", 0

_INTEGERS = {24, 25, 26, 27}  # I8 to I64, with which llama.cpp ends the process at the first evaluation
_MAX_LAYERS = 512  # LLAMA_MAX_LAYERS
_LAYER_TENSOR = re.compile(r"blk\.(\d{1,3})\.")
_TOKENS = "tokenizer.ggml.tokens"

_OTHER_MAGIC = {
    b"vers": "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`",
    b"<!DO": "a web page: the download needs a login or a direct link",
    b"<!do": "a web page: the download needs a login or a direct link",
    b"<htm": "a web page: the download needs a login or a direct link",
    b"lmgg": "an old GGML file: convert it to GGUF again",  # b"ggml" as a little-endian number, and so on
    b"fmgg": "an old GGML file: convert it to GGUF again",
    b"tjgg": "an old GGML file: convert it to GGUF again",
    b"PK\x03\x04": "a zip or PyTorch file: convert it with llama.cpp's convert_hf_to_gguf.py",
}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """An entry of the directory of tensors. `type` is ggml's name of how it is stored, such as "Q4_K", and `n_bytes`
    what it takes; both are unknown ("" and 0) for a type that guard does not know."""

    name: str
    type: str
    n_weights: int
    n_bytes: int

    @property
    def layer(self) -> int | None:
        """The number of the layer that it belongs to; None for embeddings and the output."""
        match = _LAYER_TENSOR.match(self.name)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata by key (arrays of more than 4,096 elements left out) and the directory of tensors.

    The `fingerprint` of the weights is the same in every quantisation: 16 hex digits of a SHA-256, "" if the file does
    not hold what it is made of.
    """

    metadata: dict[str, Value]
    tensors: tuple[TensorEntry, ...]
    fingerprint: str = ""

    @property
    def n_tensors(self) -> int:
        """The number of tensors in this file."""
        return len(self.tensors)

    def get_str(self, key: str) -> str:
        """A string of the metadata, "" if it is missing or no string."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""

    def get_int(self, key: str) -> int | None:
        """An integer of the metadata, None if it is missing or no integer."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_header(path: Path, *, whole_arrays: Collection[str] = ()) -> GgufHeader:
    """Read and check a header. The arrays of the metadata with these keys are kept, however large they are.

    Raises:
        ModelError: the file cannot be opened, is no GGUF, is damaged, or ends too early.
    """
    try:
        with open_regular(path) as file:
            if file.seek(0, 2) < 24:
                raise ModelError(f"{path} is too short to be a GGUF file", code="model/not-gguf")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _HeaderReader(path, data, whole_arrays).header()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", code="model/unreadable"
        ) from error


def fingerprint(norm: bytes) -> str:
    """By what weights are known again: `norm` are those of the last normalisation, as little-endian F32."""
    return hashlib.sha256(norm).hexdigest()[:16]


class _HeaderReader:
    """A position in the file; every read checks the end first."""

    def __init__(self, path: Path, data: mmap.mmap, whole_arrays: Collection[str]) -> None:
        self.whole_arrays = whole_arrays
        self.fingerprint_span: tuple[int, int] | None = None  # in the data
        self.path = path
        self.data = data
        self.size = len(data)
        self.at = 0

    def header(self) -> GgufHeader:
        self._check_magic()
        version = self._number("I")
        if version and not version & 0xFFFF:  # the magic is bytes, the same in both orders
            raise ModelError(
                f"{self.path} is a big-endian GGUF file: this machine needs the little-endian one",
                code="model/unsupported",
            )
        if version not in (2, 3):
            raise ModelError(
                f"{self.path} is GGUF version {version}; versions 2 and 3 can be read", code="model/unsupported"
            )
        n_tensors, n_metadata = self._count("tensors", 24), self._count("metadata keys", 13)
        metadata = {}
        for _ in range(n_metadata):
            key = self._string()
            if key == _TOKENS:
                start = self.at
                self._check_vocabulary()
                if key not in self.whole_arrays:
                    continue
                self.at = start
            value = self._value(self._number("I"), whole=key in self.whole_arrays)
            if value is not None:
                metadata[key] = value
        _check_values(self.path, metadata)
        tensors, start = self._read_tensors(n_tensors, metadata.get("general.alignment", 32))
        return GgufHeader(metadata, tensors, self._fingerprint(start))

    def _check_magic(self) -> None:
        magic = self._bytes(4)
        if magic != b"GGUF":
            what = _OTHER_MAGIC.get(magic, "something else")
            raise ModelError(f"{self.path} is not a GGUF file, but {what}", code="model/not-gguf")

    def _skip(self, length: int) -> None:
        if length > self.size - self.at:
            raise ModelError(
                f"{self.path} is damaged or cut off: its header extends past the end of the file "
                f"({self.size:,} bytes); download it again",
                code="model/damaged",
            )
        self.at += length

    def _bytes(self, length: int) -> bytes:
        self._skip(length)
        return self.data[self.at - length : self.at]

    def _number(self, code: str) -> int:
        value: int = struct.unpack("<" + code, self._bytes(struct.calcsize("<" + code)))[0]
        return value

    def _count(self, what: str, min_bytes: int) -> int:
        """A count of things that take at least `min_bytes` bytes each."""
        count = self._number("Q")
        if count * min_bytes > self.size:
            raise ModelError(f"{self.path} is damaged: it claims {count:,} {what}", code="model/damaged")
        return count

    def _string(self) -> str:
        length = self._number("Q")
        if _LARGE_STRING < length <= self.size:
            raise ModelError(f"{self.path} is damaged: it claims a string of {length:,} bytes", code="model/damaged")
        return self._bytes(length).decode("utf-8", "replace")

    def _value(self, kind: int, *, whole: bool) -> Value | None:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array(whole=whole)
        raise ModelError(f"{self.path} is damaged: metadata of unknown type {kind}", code="model/damaged")

    def _array(self, *, whole: bool) -> Value | None:
        kind = self._number("I")
        if kind in _SCALARS:
            count = self._count("array elements", 1)
            size = count * struct.calcsize("<" + _SCALARS[kind])
            if whole or count <= _LARGE_ARRAY:
                return list(struct.unpack(f"<{count}{_SCALARS[kind]}", self._bytes(size)))
            self._skip(size)
            return None
        if kind != _STRING:
            raise ModelError(f"{self.path} is damaged: an array of unknown type {kind}", code="model/damaged")
        count = self._count("array elements", 8)
        if whole or count <= _LARGE_ARRAY:
            return [self._string() for _ in range(count)]
        self._skip_strings(count)
        return None

    def _check_vocabulary(self) -> None:
        """Read over the tokens, no two of which may be equal: llama.cpp would end the process. It reads a token up to
        its first null byte, and gives each that is empty a name of its own."""
        if (self._number("I"), kind := self._number("I")) != (_ARRAY, _STRING):
            raise ModelError(f"{self.path} is damaged: its vocabulary is of type {kind}", code="model/damaged")
        count = self._count("tokens", 8)
        read = (self._bytes(self._number("Q")).partition(b"\0")[0] for _ in range(count))
        if len({token or f"[EMPTY_{number}]".encode() for number, token in enumerate(read)}) < count:
            raise ModelError(f"{self.path} is damaged: its vocabulary holds a token twice", code="model/damaged")

    def _skip_strings(self, count: int) -> None:
        """Walk over a vocabulary: 400,000 strings in a Llama 3 file, in a tenth of a second."""
        at, size, length_at = self.at, self.size, struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at + 8 > size:
                break
            at += 8 + length_at(self.data, at)[0]
        self._skip(at - self.at)

    def _fingerprint(self, start: int) -> str:
        if self.fingerprint_span is None:
            return ""
        first, last = self.fingerprint_span
        return fingerprint(self.data[start + first : start + last])

    def _read_tensors(self, count: int, alignment: Value) -> tuple[tuple[TensorEntry, ...], int]:
        """Read the directory; its entries, and where the data start."""
        if not count:  # a vocabulary alone
            return (), self.at
        entries, ends = zip(*(self._tensor() for _ in range(count)), strict=True)
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
            raise ModelError(f"{self.path} is damaged: alignment {alignment!r}", code="model/damaged")
        start = -(-self.at // alignment) * alignment
        needed = start + max(ends)
        if needed > self.size:
            raise ModelError(
                f"{self.path} is cut off: its tensors need {needed:,} bytes, the file has {self.size:,}; "
                "download it again",
                code="model/damaged",
            )
        return entries, start

    def _tensor(self) -> tuple[TensorEntry, int]:
        """Read one entry of the directory; with it where its data end, counted from the start of the data."""
        name = self._string()
        n_dims = self._number("I")
        if n_dims > 4:
            raise ModelError(f"{self.path} is damaged: tensor {name!r} has {n_dims} dimensions", code="model/damaged")
        elements = 1
        for _ in range(n_dims):
            elements *= self._number("Q")
        kind = self._number("I")
        if kind in _INTEGERS:
            raise ModelError(
                f"{self.path} is damaged: tensor {name!r} holds integers, not weights", code="model/damaged"
            )
        type_name, block_bytes, block_size = TENSOR_TYPES.get(kind, ("", 0, 1))
        n_bytes = -(-elements // block_size) * block_bytes
        offset = self._number("Q")
        if (name, kind) == (_FINGERPRINT_TENSOR, _F32):
            self.fingerprint_span = offset, offset + n_bytes
        return TensorEntry(name, type_name, elements, n_bytes), offset + n_bytes


def _check_values(path: Path, metadata: dict[str, Value]) -> None:
    """Refuse the values with which llama.cpp would end the process, at loading or at the first evaluation."""
    architecture = metadata.get("general.architecture")
    layers = metadata.get(f"{architecture}.block_count")
    if isinstance(layers, int) and not 0 < layers <= _MAX_LAYERS:
        raise ModelError(f"{path} is damaged: it claims {layers:,} layers", code="model/damaged")
    epsilon = metadata.get(f"{architecture}.attention.layer_norm_rms_epsilon")
    if isinstance(epsilon, float) and not 0 <= epsilon < 1:
        raise ModelError(f"{path} is damaged: its normalisation has an epsilon of {epsilon}", code="model/damaged")
