"""Detect the prompt template of a model by its header, and say by what it was recognized."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from guardcli.errors import ModelError
from guardcli.models.gguf import GgufHeader
from guardcli.prompts.templates import TEMPLATES, Template, detect_template


class DetectedTemplate(NamedTuple):
    """The template of a model, and what it was recognized by, in words."""

    template: Template
    reason: str


def detect(path: Path, header: GgufHeader) -> DetectedTemplate:
    """Detect the template that a model was trained on: by its chat template, or else by its name, or its file's.

    Raises:
        ModelError: it is no guard that guardcli knows.
    """
    name = header.get_str("general.name")
    for reason, chat_template, names in (
        ("its chat template", header.get_str("tokenizer.chat_template"), []),
        (f"its name, {name!r}", "", [name]),
        (f"its file's name, {path.name!r}", "", [path.stem]),
    ):
        if (template := detect_template(chat_template, names)) is not None:
            return DetectedTemplate(template, reason)
    raise ModelError(
        f"{path} ({name or path.name!r}) is no Llama Guard that guard knows: neither its chat template nor its "
        f"name says so. If it is one, name its prompt with --template ({', '.join(TEMPLATES)}).",
        code="model/unknown",
    )
