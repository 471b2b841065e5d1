"""Which generation of Llama Guard a GGUF is: from its chat template, then its names. It loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.models.gguf import Header

# What only one generation's published chat template holds; the first match wins.
_BY_CHAT_TEMPLATE = (
    ("llama-guard-4", ("UNSAFE CONTENT CATEGORIES", "<|header_start|>")),
    ("llama-guard-3-1b", ("UNSAFE CONTENT CATEGORIES", "<|start_header_id|>", "excluded_category_keys")),
    ("llama-guard-3-8b", ("UNSAFE CONTENT CATEGORIES", "<|start_header_id|>")),
    ("llama-guard-2", ("UNSAFE CONTENT CATEGORIES", "[INST]", "S1: ")),
    ("llama-guard-1", ("UNSAFE CONTENT CATEGORIES", "[INST]", "O1: ")),
)

_BY_NAME = (
    ("llama-guard-4", r"llama-?guard-?4"),
    ("llama-guard-3-1b", r"llama-?guard-?3-(1b|11b)"),
    ("llama-guard-3-8b", r"llama-?guard-?3"),
    ("llama-guard-2", r"llama-?guard-?2"),
    ("llama-guard-1", r"llama-?guard(-7b|-1|$)"),
)


GENERATIONS = tuple(name for name, _ in reversed(_BY_NAME))


def detect(path: Path, header: Header) -> str:
    """The generation of this model, one of `GENERATIONS`.

    Raises:
        ModelError: it is no known guard; the message lists the templates that can be forced.
    """
    chat_template = header.text("tokenizer.chat_template")
    for name, marks in _BY_CHAT_TEMPLATE:
        if all(mark in chat_template for mark in marks):
            return name
    for text in (header.text("general.name"), path.stem):
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower())
        for name, pattern in _BY_NAME:
            if re.search(pattern, slug):
                return name
    called = header.text("general.name") or path.name
    raise ModelError(
        f"{path} ({called!r}) is no Llama Guard that guard knows: neither its chat template nor its name says "
        f"so. If it is one, name its prompt with --template ({', '.join(GENERATIONS)})."
    )
