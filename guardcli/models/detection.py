"""Detect the prompt template of a model by its header or its adapters, and say by what it was recognized."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from guardcli.errors import ModelError, setting
from guardcli.models.adapter import Adapter
from guardcli.models.gguf import GgufHeader
from guardcli.prompts import TEMPLATES, Template, detect_template


class DetectedTemplate(NamedTuple):
    """The template of a model, and what it was recognized by, in words. `doubt` says what of the model speaks for
    another one; "" if nothing does."""

    template: Template
    reason: str
    doubt: str = ""


def detect(path: Path, header: GgufHeader, adapters: Sequence[Adapter] = ()) -> DetectedTemplate:
    """Detect the template that a model was trained on: by its chat template, or else by its name, or its file's.

    A name decides over the chat template where models of one template carry the chat template of another. A model that
    is not a guard by itself has the template that its adapters were trained on.

    Raises:
        ModelError: it is not a known guard model, and no adapter makes it one; or its adapters were trained on
            different templates.
    """
    name = header.get_str("general.name")
    signs = list(_signs(path, name, header.get_str("tokenizer.chat_template")))
    if not signs:
        if (of_adapters := _template_of(adapters)) is not None:
            return of_adapters
        raise ModelError(
            f"{path} ({name or path.name!r}) is not a known guard model: neither its chat template nor its "
            f"name says so. If it is one, name its prompt format with ModelConfig.template ({', '.join(TEMPLATES)}).",
            code="model/unknown",
        )
    first, *others = signs
    chosen = next((sign for sign in others if sign.template.carries_chat_template_of == first.template.name), first)
    differing = [sign for sign in signs if sign.template.name not in (chosen.template.name, first.template.name)]
    return chosen._replace(doubt=_doubt(chosen, differing[0]) if differing else "")


def _signs(path: Path, name: str, chat_template: str) -> Iterator[DetectedTemplate]:
    """What of a model says which template it has, the strongest first."""
    for reason, text, names in (
        ("its chat template", chat_template, []),
        (f"its name, {name!r}", "", [name]),
        (f"its file's name, {path.name!r}", "", [path.stem]),
    ):
        if (template := detect_template(text, names)) is not None:
            yield DetectedTemplate(template, reason)


def _doubt(chosen: DetectedTemplate, other: DetectedTemplate) -> str:
    return (
        f"it is judged as {chosen.template.name}, by {chosen.reason}; by {other.reason} it would be "
        f"{other.template.name}: if it is, use "
        f"{setting('ModelConfig.template', other.template.name)}"
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
