"""Training examples: a prompt, the answer that the model should give, and the line of JSON that holds them.

Prompt and answer are stored as segments, so that user text cannot become a control token in training either. Next to
the segments, the line has the rendered text for people and other programs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from random import Random
from typing import Any

from guardcli.conversation import Key
from guardcli.errors import InputError
from guardcli.prompts import TEMPLATES, Renderer, Template
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_controls_json
from guardcli.text.segments import Segment, render_text
from guardcli.training.augmentation.labeled_conversation import LabeledConversation
from guardcli.training.augmentation.variants import (
    AugmentationKind,
    AugmentConfig,
    PolicyVariant,
    augment,
    questions,
    unaugmented,
)

SCHEMA = 2
_READABLE_SCHEMAS = (1, 2)  # 1 has no weights

# The kinds of segments by their names in the file: (special, implicit, untrusted).
_SEGMENT_KINDS = {
    "special": (True, False, False),
    "implicit": (True, True, False),
    "text": (False, False, False),
    "said": (False, False, True),
}
_SEGMENT_NAMES = {kind: name for name, kind in _SEGMENT_KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A prompt and its answer.

    `template` is the name of the prompt's template. `categories` are the ids in the answer. `original_ids` are the ids
    that the categories of the prompt have in the user's policy, in the prompt's order. `key` is the location of the
    record. `weight` is what the example counts in training, and `pair` names the contrast pair that its record is of.
    `policy` is the digest of the policy in the prompt; examples of schema 1 have none.
    """

    template: str
    prompt: tuple[Segment, ...]
    answer: tuple[Segment, ...]
    categories: tuple[str, ...]
    key: Key
    kind: AugmentationKind
    original_ids: tuple[str, ...]
    weight: float = 1.0
    pair: str | None = None
    policy: str = ""

    @property
    def prefix(self) -> tuple[Segment, ...]:
        """What other examples begin with: the policy, or the conversation, whichever comes first in the prompt.

        That is the prompt up to the first message, or up to where the last one ends.
        """
        texts = [at for at, segment in enumerate(self.prompt) if segment.untrusted]
        if not texts:
            return ()
        before, after = _segments_around_text(self.template)
        return self.prompt[: texts[-1] + 1 + after if TEMPLATES[self.template].policy_last else texts[0] - before]

    @property
    def label(self) -> str:
        """`safe` or `unsafe`."""
        return "unsafe" if self.categories else "safe"

    def to_json(self) -> str:
        """One line of JSON."""
        text = json.dumps(
            {
                "schema": SCHEMA,
                "template": self.template,
                "label": self.label,
                "categories": list(self.categories),
                "prompt": render_text(self.prompt),
                "answer": render_text(self.answer),
                "segments": {"prompt": _segments_to_json(self.prompt), "answer": _segments_to_json(self.answer)},
                "source": self.key.source,
                "line": self.key.line,
                "part": self.key.part,
                "id": self.key.id,
                "augmentation": {"kind": self.kind, "order": list(self.original_ids), "policy": self.policy},
                "weight": self.weight,
                "pair": self.pair,
            },
            ensure_ascii=False,
        )
        return escape_controls_json(text)

    @classmethod
    def from_json(cls, line: str, location: str) -> TrainingExample:
        """Read a line that `to_json` wrote.

        Raises:
            InputError: the line, at `location`, is not an example, or was edited so that its text and segments
                disagree.
        """
        try:
            return cls._from_row(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{location}: not a training example ({error}); guard tune prepare writes them",
                code="tune/invalid-example",
            ) from error

    @classmethod
    def _from_row(cls, row: dict[str, Any]) -> TrainingExample:
        if row["schema"] not in _READABLE_SCHEMAS or row["template"] not in TEMPLATES:
            raise ValueError(f"schema {row['schema']!r}, template {row['template']!r}")
        prompt = _segments_from_json(row["segments"]["prompt"])
        answer = _segments_from_json(row["segments"]["answer"])
        if (render_text(prompt), render_text(answer)) != (row["prompt"], row["answer"]):
            raise ValueError("its segments are not its prompt and answer")
        return cls(
            template=row["template"],
            prompt=prompt,
            answer=answer,
            categories=tuple(row["categories"]),
            key=Key(row["source"], row["line"], row["part"], row["id"]),
            kind=row["augmentation"]["kind"],
            original_ids=tuple(row["augmentation"]["order"]),
            weight=_read_weight(row),
            pair=row.get("pair"),
            policy=row["augmentation"].get("policy", ""),
        )


@cache
def _segments_around_text(template: str) -> tuple[int, int]:
    """How many segments of a prompt come before the text of its first turn, and after that of the judged one."""
    turn, judged_turn = TEMPLATES[template].turn, TEMPLATES[template].judged_turn
    said = Turn(1, "user", "User", "")
    return _untrusted(turn(said)), _untrusted((judged_turn or turn)(said)[::-1])


def _untrusted(segments: Sequence[Segment]) -> int:
    """The index of the text among the segments of a turn."""
    return next(at for at, segment in enumerate(segments) if segment.untrusted)


def make_examples(
    group: Sequence[LabeledConversation],
    template: Template,
    taxonomy: Taxonomy,
    config: AugmentConfig,
    *,
    copies: int,
    seed: int,
) -> Iterator[TrainingExample]:
    """Yield for each conversation an example under the policy as it is, and `copies` under random variants of it.

    The conversations of the group share the variants, which depend on the seed, on the line and the text of the first
    conversation, and on what all of them violate. Templates that ask about one category at a time get several examples
    in place of each: see `questions`.
    """
    key, text = group[0].key, group[0].turns[-1].text
    # A string as a seed is hashed with SHA-512, so it gives the same numbers on every machine.
    randoms = [Random(repr((seed, copy, key.line, key.part, text))) for copy in range(copies)]
    variants: list[list[list[PolicyVariant]]]
    if template.asks_by_category:
        first = Random(repr((seed, key.line, key.part, text)))
        variants = [[questions(taxonomy, one, config, first) for one in group]]
        variants += [[questions(taxonomy, one, config, random, vary=True) for one in group] for random in randoms]
    else:
        variants = [[[unaugmented(taxonomy, one.violated)] for one in group]]
        variants += [[[variant] for variant in augment(taxonomy, group, config, random)] for random in randoms]
    for conversation, *variants_of_one in zip(group, *variants, strict=True):
        for variant in chain.from_iterable(variants_of_one):
            yield _make_example(conversation, template, variant)


def _make_example(conversation: LabeledConversation, template: Template, variant: PolicyVariant) -> TrainingExample:
    renderer = Renderer(template, variant.taxonomy)
    return TrainingExample(
        template=template.name,
        prompt=renderer.render(conversation.turns).segments,
        answer=renderer.answer(variant.violated),
        categories=variant.violated,
        key=conversation.key,
        kind=variant.kind,
        original_ids=variant.original_ids,
        weight=conversation.weight,
        pair=conversation.pair,
        policy=variant.taxonomy.prompt_digest,
    )


def _read_weight(row: dict[str, Any]) -> float:
    weight = float(row["weight"]) if row["schema"] >= 2 else 1.0
    if not 0 < weight < math.inf:
        raise ValueError(f"weight {weight!r}")
    return weight


def _segments_to_json(segments: Sequence[Segment]) -> list[list[str]]:
    return [[_SEGMENT_NAMES[s.special, s.implicit, s.untrusted], s.text] for s in segments]


def _segments_from_json(pairs: list[list[str]]) -> tuple[Segment, ...]:
    return tuple(Segment(text, *_SEGMENT_KINDS[name]) for name, text in pairs)
