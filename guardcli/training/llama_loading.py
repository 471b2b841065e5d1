"""Loads a Llama of transformers for training: on its device, and with attention that shares prefixes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.training.dependencies import require
from guardcli.training.shared_prefix import register_attention


def load_llama(path: Path, device: str, arguments: Callable[[Any], dict[str, Any]]) -> Any:
    """Load the model at `path`: on "cpu" in float32, on "cuda" in bfloat16.

    `arguments` gets the type of the weights, and returns what `from_pretrained` gets beside it.

    Raises:
        ModelError: a file is damaged, or its weights are not those of a Llama.
    """
    torch, transformers = require("torch"), require("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    try:
        model = transformers.LlamaForCausalLM.from_pretrained(
            **arguments(dtype), dtype=dtype, attn_implementation=register_attention()
        )
    except Exception as error:  # damaged or unfitting weights raise errors of several libraries
        raise ModelError(f"{path} cannot be loaded: {error}", code="model/not-loaded") from error
    return model.to(device)
