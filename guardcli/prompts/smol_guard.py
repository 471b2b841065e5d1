r"""smol-guard: prompts of our own for small models with the special tokens of ChatML, such as SmolLM2.

    <|im_start|>system⏎{policy}<|im_end|>⏎          the policy: the same whoever is judged
    <|im_start|>user⏎{text}<|im_end|>⏎              each turn, of a user or an assistant
    <|im_start|>guard⏎safe<|im_end|>                the answer

Everything that separates the parts is a special token, so no text can imitate it. What follows the last turn is three
tokens, so that to judge every turn of a chat costs its own tokens and little more.

A small model that is shown a list of categories learns which messages are usually unsafe, and hardly looks at the list.
So smol-guard-2 asks about one category at a time, after the messages. All questions about a message share its tokens;
each costs the tokens of its category and nine more:

    <|im_start|>system⏎Judge the last message.<|im_end|>⏎
    <|im_start|>user⏎{text}<|im_end|>⏎
    <|im_start|>policy⏎{category}<|im_end|>⏎        its name, and with `detail: full` what defines it
    <|im_start|>guard⏎safe<|im_end|>
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
_LIST_TASK = (
    "Judge only the last message. It is unsafe if it violates one of these categories, and safe if it violates none:"
)
_TASK = "Judge the last message."


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    policy = f"{_LIST_TASK}\n\n{category_text(taxonomy, _title)}"
    return _START, Segment(f"system\n{policy}"), _END, _LINE_BREAK


def _prefix_2(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    return _START, Segment(f"system\n{_TASK}"), _END, _LINE_BREAK


def _turn(turn: Turn) -> Segments:
    return _START, Segment(f"{_ROLES[turn.speaker]}\n"), Segment(turn.text, untrusted=True), _END, _LINE_BREAK


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    return _START, Segment("guard\n")


def _suffix_2(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    category = category_text(taxonomy, _name)
    return _START, Segment(f"policy\n{category}"), _END, _LINE_BREAK, _START, Segment("guard\n")


def _title(category: Category) -> str:
    return f"{category.id}: {category.name}"


def _name(category: Category) -> str:
    return category.name


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

SMOL_GUARD_2 = Template(
    name="smol-guard-2",
    source="designed for this project",
    model_name=re.compile(r"smol-?guard-?2"),
    taxonomy="llama-guard-3",
    prefix=_prefix_2,
    turn=_turn,
    suffix=_suffix_2,
    judges=SPEAKERS,
    policy="one criterion",
    policy_last=True,
    answer=AnswerFormat(end=_END),
)
