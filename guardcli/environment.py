"""What libraries and other programs read from the environment, set or read in one place.

llama.cpp's and numpy's libraries get what suits a filter; where other programs keep models is read.
"""

from __future__ import annotations

import os
from pathlib import Path

SPIN_COUNT = 2000


def prepare() -> None:
    """Set the environment of llama.cpp; call it before anything imports llama_cpp. What the user has set stays.

    Threads of OpenMP wait for each other at every operation of a model. GCC's library lets them spin for 300,000 rounds
    before they sleep: beside one other busy process on two cores a small model then falls to a tenth of its speed. With
    2,000 rounds it keeps half, and loses 1 % on an idle machine (`python -m benchmarks.busy`).

    When llama.cpp aborts it would start a debugger, whose output goes to stdout, among the verdicts.

    OpenBLAS, which comes with numpy, starts its threads and takes their memory when it is loaded, though nothing here
    multiplies matrices by it. Where a limit forbids that, it ends the process with a code of its own.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def hub_cache() -> Path:
    """The cache of the Hugging Face hub, by the same variables as huggingface_hub, which is not needed to read it."""
    base = os.environ.get("XDG_CACHE_HOME", os.path.join("~", ".cache"))
    home = os.environ.get("HF_HOME", os.path.join(base, "huggingface"))
    cache = os.environ.get("HUGGINGFACE_HUB_CACHE", os.path.join(home, "hub"))
    return _expanded(os.environ.get("HF_HUB_CACHE", cache))


def ollama_models() -> Path:
    """Where Ollama keeps models."""
    return _expanded(os.environ.get("OLLAMA_MODELS") or os.path.join("~", ".ollama", "models"))


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(path)))
