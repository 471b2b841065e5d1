"""GGUF models: header, registry, identity, vocabulary, loading through llama.cpp, LoRA adapters."""

from guardcli.models.adapter import Adapter
from guardcli.models.config import ModelConfig
from guardcli.models.llama import Gpu, LlamaModel, Offload, set_log_sink
from guardcli.models.model import Model
from guardcli.models.registry import BUNDLED_MODELS, find_model
from guardcli.models.vocab import UnencodableTextError, Vocab

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
    "set_log_sink",
]
