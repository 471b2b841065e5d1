"""Detect the prompt template of a model by its header or its adapters, and say by what it was recognized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from guardcli.errors import ModelError
from guardcli.models.adapter import Adapter
from guardcli.models.gguf import GgufHeader
from guardcli.prompts import TEMPLATES, Template, detect_template


class DetectedTemplate(NamedTuple):
    """The template of a model, and what it was recognized by, in words."""

    template: Template
    reason: str


def detect(path: Path, header: GgufHeader, adapters: Sequence[Adapter] = ()) -> DetectedTemplate:
    """Detect the template that a model was trained on: by its chat template, or else by its name, or its file's.

    A model that is no guard by itself has the template that its adapters were trained on.

    Raises:
        ModelError: it is no guard that guardcli knows, and no adapter makes it one; or its adapters were trained on
            different templates.
    """
    name = header.get_str("general.name")
    for reason, chat_template, names in (
        ("its chat template", header.get_str("tokenizer.chat_template"), []),
        (f"its name, {name!r}", "", [name]),
        (f"its file's name, {path.name!r}", "", [path.stem]),
    ):
        if (template := detect_template(chat_template, names)) is not None:
            return DetectedTemplate(template, reason)
    if (of_adapters := _template_of(adapters)) is not None:
        return of_adapters
    raise ModelError(
        f"{path} ({name or path.name!r}) is not a known guard model: neither its chat template nor its "
        f"name says so. If it is one, name its prompt format with --template ({', '.join(TEMPLATES)}).",
        code="model/unknown",
    )


def _template_of(adapters: Sequence[Adapter]) -> DetectedTemplate | None:
    """The template that adapters were trained on; None if none of them says."""
    paths = {name: adapter.path for adapter in adapters if (name := adapter.read_template())}
    if len(paths) > 1:
        (one, one_path), (other, other_path), *_ = paths.items()
        raise ModelError(
            f"{one_path} was trained for the prompt {one}, and {other_path} for {other}: "
            "they cannot be applied together",
            code="model/adapter-mismatch",
        )
    for name, path in paths.items():
        if name not in TEMPLATES:
            raise ModelError(
                f"{path} was trained for the prompt {name!r}, which this version of guard does not know; "
                f"it knows {', '.join(TEMPLATES)}",
                code="model/wrong-template",
            )
        return DetectedTemplate(TEMPLATES[name], f"its adapter, {path.name!r}")
    return None
