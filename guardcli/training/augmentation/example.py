"""A training example, a prompt and what the model is to answer, and the line of JSON that it is on disk.

Both are kept as segments, so that in training, too, what a user wrote can never become a control token; beside them the
line has the raw rendering, for people and other programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from guardcli.conversation import Key
from guardcli.errors import InputError
from guardcli.prompts import TEMPLATES, Renderer, Template
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import Segment, raw
from guardcli.training.augmentation.labeled import Labelled
from guardcli.training.augmentation.variants import Kind, Variant, Variation

SCHEMA = 1

# What a segment is, by its name on disk: special, implicit, untrusted.
_KINDS = {
    "special": (True, False, False),
    "implicit": (True, True, False),
    "text": (False, False, False),
    "said": (False, False, True),
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """`categories` are the ids of the answer; `order` those that the user's policy has for what the prompt lists."""

    template: str
    prompt: tuple[Segment, ...]
    answer: tuple[Segment, ...]
    categories: tuple[str, ...]
    key: Key
    kind: Kind
    order: tuple[str, ...]

    @property
    def label(self) -> str:
        return "unsafe" if self.categories else "safe"

    def to_json(self) -> str:
        """One line, the same for the same example."""
        place = {"source": self.key.source, "line": self.key.line, "part": self.key.part, "id": self.key.id}
        return json.dumps(
            {
                "schema": SCHEMA,
                "template": self.template,
                "label": self.label,
                "categories": list(self.categories),
                "prompt": raw(self.prompt),
                "answer": raw(self.answer),
                "segments": {"prompt": _written(self.prompt), "answer": _written(self.answer)},
                **place,
                "augmentation": {"kind": self.kind, "order": list(self.order)},
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, line: str, place: str) -> TrainingExample:
        """Raises InputError: it is no line of `guard tune prepare`, or was edited such that its parts disagree."""
        try:
            return cls._of(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{place}: no training example ({error}): guard tune prepare writes them") from error

    @classmethod
    def _of(cls, row: dict[str, Any]) -> TrainingExample:
        if row["schema"] != SCHEMA or row["template"] not in TEMPLATES:
            raise ValueError(f"schema {row['schema']!r}, template {row['template']!r}")
        prompt, answer = _read(row["segments"]["prompt"]), _read(row["segments"]["answer"])
        if (raw(prompt), raw(answer)) != (row["prompt"], row["answer"]):
            raise ValueError("its segments are not its prompt and answer")
        key = Key(row["source"], row["line"], row["part"], row["id"])
        told = row["augmentation"]
        return cls(
            row["template"], prompt, answer, tuple(row["categories"]), key, told["kind"], tuple(told["order"])
        )  # fmt: skip


def examples(
    labelled: Labelled, template: Template, taxonomy: Taxonomy, variation: Variation, *, copies: int, seed: int
) -> Iterator[TrainingExample]:
    """The record under the policy as it is, and `copies` times under another one.

    They depend on the seed, the record and its line, and not on what else is prepared with it.
    """
    yield _example(labelled, template, variation.plain(taxonomy, labelled.violated))
    for copy in range(copies):
        told = (seed, copy, labelled.key.line, labelled.key.part, labelled.shown[-1].text)
        random = Random(repr(told))  # a text as a seed is hashed by SHA-512, on every machine alike
        variant = variation.vary(taxonomy, labelled.violated, random, complete=labelled.complete)
        yield _example(labelled, template, variant)


def _example(labelled: Labelled, template: Template, variant: Variant) -> TrainingExample:
    renderer = Renderer(template, variant.taxonomy)
    prompt = renderer.render(labelled.shown).segments
    answer = renderer.answer(variant.violated)
    return TrainingExample(template.name, prompt, answer, variant.violated, labelled.key, variant.kind, variant.order)


def _written(segments: Sequence[Segment]) -> list[list[str]]:
    return [[_NAMES[s.special, s.implicit, s.untrusted], s.text] for s in segments]


def _read(pairs: list[list[str]]) -> tuple[Segment, ...]:
    return tuple(Segment(text, *_KINDS[name]) for name, text in pairs)
