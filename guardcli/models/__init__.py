"""GGUF models: header, registry, identity, vocabulary, loading through llama.cpp, LoRA adapters.

Names are imported when they are first used: what needs no llama.cpp does not load it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guardcli.models.adapter import Adapter
    from guardcli.models.config import ModelConfig
    from guardcli.models.llama import Gpu, LlamaModel, Offload, set_log_sink
    from guardcli.models.lookup import find_model
    from guardcli.models.model import Model, is_guard
    from guardcli.models.registry import BUNDLED_MODELS
    from guardcli.models.vocab import UnencodableTextError, Vocab

_HOMES = {
    "BUNDLED_MODELS": "registry",
    "Adapter": "adapter",
    "Gpu": "llama",
    "LlamaModel": "llama",
    "Model": "model",
    "ModelConfig": "config",
    "Offload": "llama",
    "UnencodableTextError": "vocab",
    "Vocab": "vocab",
    "find_model": "lookup",
    "is_guard": "model",
    "set_log_sink": "llama",
}

__all__ = [
    "BUNDLED_MODELS",
    "Adapter",
    "Gpu",
    "LlamaModel",
    "Model",
    "ModelConfig",
    "Offload",
    "UnencodableTextError",
    "Vocab",
    "find_model",
    "is_guard",
    "set_log_sink",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'guardcli.models' has no attribute {name!r}")
    return getattr(import_module(f"guardcli.models.{_HOMES[name]}"), name)
