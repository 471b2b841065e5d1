r"""smol-guard: a prompt of our own for small models with the special tokens of ChatML, such as SmolLM2.

    <|im_start|>system⏎{policy}<|im_end|>⏎          the policy: the same whoever is judged
    <|im_start|>user⏎{text}<|im_end|>⏎              each turn, of a user or an assistant
    <|im_start|>guard⏎safe<|im_end|>                the answer

Everything that separates the parts is a special token, so no text can imitate it. What follows the last turn is three
tokens, so that to judge every turn of a chat costs its own tokens and little more.
"""

from __future__ import annotations

import re

from guardcli.prompts.categories import category_text
from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Category, Taxonomy
from guardcli.text.segments import Segment

_START, _END = special_token("<|im_start|>"), special_token("<|im_end|>")
_LINE_BREAK = Segment("\n")
_ROLES: dict[Speaker, str] = {"User": "user", "Agent": "assistant"}
_TASK = (
    "Judge only the last message. It is unsafe if it violates one of these categories, and safe if it violates none:"
)


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    policy = f"{_TASK}\n\n{category_text(taxonomy, _title)}"
    return _START, Segment(f"system\n{policy}"), _END, _LINE_BREAK


def _turn(turn: Turn) -> Segments:
    return _START, Segment(f"{_ROLES[turn.speaker]}\n"), Segment(turn.text, untrusted=True), _END, _LINE_BREAK


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    return _START, Segment("guard\n")


def _title(category: Category) -> str:
    return f"{category.id}: {category.name}"


SMOL_GUARD = Template(
    name="smol-guard",
    source="designed for this project",
    model_name=re.compile(r"smol-?guard"),
    taxonomy="llama-guard-3",
    prefix=_prefix,
    turn=_turn,
    suffix=_suffix,
    judges=SPEAKERS,
    answer=AnswerFormat(end=_END),
)
