"""The header of a GGUF file, read and checked in Python before llama.cpp sees the file.

llama.cpp can abort the whole process on a damaged file; here every count, length and offset is held against
the size of the file first. Format: the GGUF specification in ggml's documentation, versions 2 and 3. It reads
metadata and the tensors' directory, and of the weights the few that tell one model from another.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
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

# bytes a block and weights a block, by ggml type (ggml.h); a type that is not here is not measured
_BLOCKS = {
    0: (4, 1), 1: (2, 1), 2: (18, 32), 3: (20, 32), 6: (22, 32), 7: (24, 32), 8: (34, 32), 10: (84, 256),
    11: (110, 256), 12: (144, 256), 13: (176, 256), 14: (210, 256), 30: (2, 1),
}  # fmt: skip

# Stored as F32 (type 0) in every quantisation, and changed by every training but that of an adapter.
_FINGERPRINT_TENSOR, _F32 = "output_norm.weight", 0

_INTEGERS = {24, 25, 26, 27}  # I8 to I64, with which llama.cpp ends the process at the first evaluation
_MAX_LAYERS = 512  # LLAMA_MAX_LAYERS

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
class GgufHeader:
    """Metadata by key (arrays of more than 4,096 elements left out) and the number of tensors.

    The `fingerprint` of the weights is the same in every quantisation: 16 hex digits of a SHA-256, "" if the file does
    not hold what it is made of.
    """

    metadata: dict[str, Value]
    n_tensors: int
    fingerprint: str = ""

    def get_str(self, key: str) -> str:
        """A string of the metadata, "" if it is missing or no string."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


def read_header(path: Path) -> GgufHeader:
    """Read and check a header.

    Raises:
        ModelError: the file cannot be opened, is no GGUF, is damaged, or ends too early.
    """
    try:
        with open_regular(path) as file:
            if file.seek(0, 2) < 24:
                raise ModelError(f"{path} is too short to be a GGUF file", code="model/not-gguf")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _HeaderReader(path, data).header()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}", code="model/unreadable"
        ) from error


def fingerprint(norm: bytes) -> str:
    """By what weights are known again: `norm` are those of the last normalisation, as little-endian F32."""
    return hashlib.sha256(norm).hexdigest()[:16]


class _HeaderReader:
    """A position in the file; every read checks the end first."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
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
            if key == "tokenizer.ggml.tokens":
                self._check_vocabulary()
                continue
            value = self._value(self._number("I"))
            if value is not None:
                metadata[key] = value
        _check_values(self.path, metadata)
        start = self._check_tensors(n_tensors, metadata.get("general.alignment", 32))
        return GgufHeader(metadata, n_tensors, self._fingerprint(start))

    def _check_magic(self) -> None:
        magic = self._bytes(4)
        if magic != b"GGUF":
            what = _OTHER_MAGIC.get(magic, "something else")
            raise ModelError(f"{self.path} is not a GGUF file but {what}", code="model/not-gguf")

    def _skip(self, length: int) -> None:
        if length > self.size - self.at:
            raise ModelError(
                f"{self.path} is damaged or cut off: its header goes on past the end of the file "
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

    def _value(self, kind: int) -> Value | None:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array()
        raise ModelError(f"{self.path} is damaged: metadata of unknown type {kind}", code="model/damaged")

    def _array(self) -> Value | None:
        kind = self._number("I")
        if kind in _SCALARS:
            count = self._count("array elements", 1)
            size = count * struct.calcsize("<" + _SCALARS[kind])
            if count <= _LARGE_ARRAY:
                return list(struct.unpack(f"<{count}{_SCALARS[kind]}", self._bytes(size)))
            self._skip(size)
            return None
        if kind != _STRING:
            raise ModelError(f"{self.path} is damaged: an array of unknown type {kind}", code="model/damaged")
        count = self._count("array elements", 8)
        if count <= _LARGE_ARRAY:
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

    def _check_tensors(self, count: int, alignment: Value) -> int:
        """Read the directory; where the data start."""
        if not count:  # a vocabulary alone
            return self.at
        ends = [self._tensor() for _ in range(count)]
        if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
            raise ModelError(f"{self.path} is damaged: alignment {alignment!r}", code="model/damaged")
        start = -(-self.at // alignment) * alignment
        needed = start + max(ends, default=0)
        if needed > self.size:
            raise ModelError(
                f"{self.path} is cut off: its tensors need {needed:,} bytes, the file has {self.size:,}; "
                "download it again",
                code="model/damaged",
            )
        return start

    def _tensor(self) -> int:
        """Read one entry of the directory; where its data end, counted from the start of the data."""
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
        block_bytes, block_size = _BLOCKS.get(kind, (0, 1))
        offset = self._number("Q")
        end = offset + -(-elements // block_size) * block_bytes
        if (name, kind) == (_FINGERPRINT_TENSOR, _F32):
            self.fingerprint_span = offset, end
        return end


def _check_values(path: Path, metadata: dict[str, Value]) -> None:
    """Refuse the values with which llama.cpp would end the process, at loading or at the first evaluation."""
    architecture = metadata.get("general.architecture")
    layers = metadata.get(f"{architecture}.block_count")
    if isinstance(layers, int) and not 0 < layers <= _MAX_LAYERS:
        raise ModelError(f"{path} is damaged: it claims {layers:,} layers", code="model/damaged")
    epsilon = metadata.get(f"{architecture}.attention.layer_norm_rms_epsilon")
    if isinstance(epsilon, float) and not 0 <= epsilon < 1:
        raise ModelError(f"{path} is damaged: its normalisation has an epsilon of {epsilon}", code="model/damaged")
