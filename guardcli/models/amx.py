"""Whether llama.cpp's kernels for Intel's AMX can be trusted: a compiler bug makes some builds crash in them.

GCC before 11.5, 12.4, 13.3 and 14 takes `_tile_loadconfig` to read 8 bytes instead of 64 (GCC bug 114098) and drops the
stores that describe the tiles. Such a build dies of SIGSEGV at the first quantized matrix on a processor with AMX.
"""

from __future__ import annotations

import re
from pathlib import Path

_COMPILER = re.compile(rb"GCC: \([^)\0]*\) (\d+)\.(\d+)\.\d+")
_FIXED = {11: 5, 12: 4, 13: 3}  # the first minor version of a major one that is right; all are from 14 on
_ALL_FIXED = 14


def crashes(features: str, library: Path) -> bool:
    """Whether this build uses AMX and was compiled by a GCC that breaks it.

    `features` is what llama_print_system_info says; `library` is the file of ggml's CPU backend, in which the compiler
    has left its version.
    """
    if not re.search(r"\bAMX_INT8 = 1\b", features):
        return False
    try:
        content = library.read_bytes()
    except OSError:
        return True  # nothing is known: slower is better than a crash
    versions = [(int(major), int(minor)) for major, minor in _COMPILER.findall(content)]
    return any(major < _ALL_FIXED and minor < _FIXED.get(major, 1 << 30) for major, minor in versions)
