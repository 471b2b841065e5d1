"""Quantizations: told from the name of a file, and ordered by what is lost."""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"(?:^|[./_-])((?:i?q|tq)\d(?:_[a-z0-9]+)*|bf16|f16|fp16|f32|mxfp4(?:_moe)?)(?=[./-]|$)", re.IGNORECASE
)
_SPLIT = re.compile(r"-\d{5}-of-\d{5}$")


def quantization_of(file: str) -> str:
    """The quantization that the path of a GGUF names, in capitals; "" if it names none.

    >>> quantization_of("Llama-Guard-3-8B.i1-IQ4_XS.gguf"), quantization_of("q8_0/model-00001-of-00002.gguf")
    ('IQ4_XS', 'Q8_0')
    """
    stem = _SPLIT.sub("", file.removesuffix(".gguf"))
    matches = _NAMED.findall(stem)
    return matches[-1].upper().replace("FP16", "F16") if matches else ""
