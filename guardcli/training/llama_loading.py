"""Loads a Llama of transformers for training: on its device, and with attention that shares prefixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.training.config import WeightType
from guardcli.training.dependencies import require
from guardcli.training.shared_prefix import register_attention


def load_llama(path: Path, device: str, dtype: WeightType, arguments: Callable[[], Mapping[str, Any]]) -> Any:
    """Load the model at `path` on "cpu" or "cuda", with weights of that type.

    `arguments` returns those of `from_pretrained` that say where the weights are.

    Raises:
        ModelError: a file is damaged, or its weights are not those of a Llama.
    """
    transformers = require("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.LlamaForCausalLM.from_pretrained(
            **arguments(), dtype=dtype, attn_implementation=register_attention()
        )
    except Exception as error:  # damaged or unfitting weights raise errors of several libraries
        raise ModelError(f"{path} cannot be loaded: {error}", code="model/not-loaded") from error
    return model.to(device)
