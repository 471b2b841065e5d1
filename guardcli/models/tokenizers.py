"""Which tokenizers llama.cpp runs without losing text or crashing, and whether a vocabulary has all that it needs.

All of this follows from a GGUF's header; `Vocab` checks it again on what llama.cpp made of the file.
"""

from __future__ import annotations

from collections.abc import Collection

from guardcli.errors import ModelError

_TOKENIZERS = ("gpt2", "llama")  # byte-level BPE and SentencePiece; for others llama.cpp drops text or crashes
# Pre-tokenizers that crash or stall on pieces of any size: python -m tests.models.test_fuzzed_pretokenizers
# tries all.
_REFUSED_PRETOKENIZERS = {
    "exaone-moe": "some texts of many words make llama.cpp crash",
    "superbpe": "some texts of many digits take llama.cpp minutes",
    "whitespace": "texts with several blanks make llama.cpp crash",
    # These encode characters, and no bytes: llama.cpp drops what the vocabulary does not have.
    "gemma4": "llama.cpp may drop text",
    "granite-embed-multi-311m": "llama.cpp may drop text",
    "sarvam-moe": "llama.cpp may drop text",
}
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))  # bytes that byte-level BPE writes as such
# Bytes that UTF-8 does not use, and those with which only unassigned characters begin: `Vocab` refuses such a text.
_NOT_NEEDED = (0x7F, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100))


def check_tokenizer(kind: str, pre: str) -> None:
    """Check a file's `tokenizer.ggml.model` and `tokenizer.ggml.pre`.

    Raises:
        ModelError: llama.cpp's way to encode text loses some of it, or can end or halt the process.
    """
    if kind not in _TOKENIZERS:
        raise ModelError(
            f"the model's tokenizer {kind!r} is not supported; expected {' or '.join(_TOKENIZERS)}",
            code="model/unsupported",
        )
    if kind == "gpt2" and (reason := _REFUSED_PRETOKENIZERS.get(pre)):
        raise ModelError(f"the model's pre-tokenizer {pre!r} is not supported: {reason}", code="model/unsupported")


def missing_bytes(kind: str, tokens: Collection[str]) -> list[int]:
    """The bytes of text that a vocabulary has no token for. SentencePiece needs one for every byte, byte-level BPE for
    those of printable, assigned characters."""
    if kind == "llama":
        return [byte for byte in range(256) if f"<0x{byte:02X}>" not in tokens]
    symbols = _byte_symbols()
    return [byte for byte in range(0x20, 0x100) if byte not in _NOT_NEEDED and symbols[byte] not in tokens]


def _byte_symbols() -> list[str]:
    """The character for each byte in a byte-level vocabulary: the printable ones for themselves, and the
    others for those from U+0100 on."""
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in _PRINTABLE else next(others)) for byte in range(256)]
