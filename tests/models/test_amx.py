"""Builds that crash in the AMX kernels are told by the compiler's version in the library."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.models import amx

FEATURES = "CPU : SSE3 = 1 | AVX512_VNNI = 1 | AMX_INT8 = 1 | OPENMP = 1"


@pytest.mark.parametrize(
    ("compiler", "crashes"),
    [
        (b"GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", True),
        (b"GCC: (GNU) 11.4.1 20231218 (Red Hat 11.4.1-3)", True),
        (b"GCC: (GNU) 10.2.1", True),
        (b"GCC: (GNU) 11.5.0", False),
        (b"GCC: (Ubuntu 12.4.0-2ubuntu1) 12.4.0", False),
        (b"GCC: (Ubuntu 13.2.0-23ubuntu4) 13.2.0", True),
        (b"GCC: (Ubuntu 13.3.0-6ubuntu2) 13.3.0", False),
        (b"GCC: (Debian 14.2.0-19) 14.2.0", False),
        (b"clang version 18.1.3", False),
    ],
)
def test_the_compiler_decides(tmp_path: Path, compiler: bytes, crashes: bool) -> None:
    library = tmp_path / "libggml-cpu.so"
    library.write_bytes(b"\x7fELF\0\0" + compiler + b"\0.shstrtab\0")
    assert amx.crashes(FEATURES, library) is crashes
    assert not amx.crashes(FEATURES.replace("AMX_INT8 = 1", "AMX_INT8 = 0"), library)
    assert not amx.crashes("CPU : AVX2 = 1", library)


def test_a_library_that_cannot_be_read_is_not_trusted(tmp_path: Path) -> None:
    assert amx.crashes(FEATURES, tmp_path / "missing.so")
