"""Aegis 1.0: NVIDIA's adapters for Llama Guard 1, with thirteen categories of their own.

The prompt is that of Llama Guard 1 with other white space: the vendor's code indents its lines by four blanks, and so
were the models trained. A merged model still carries the chat template of Llama Guard 1; its name tells it apart.
"""

from __future__ import annotations

import re

from guardcli.prompts.categories import category_text
from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Category, Taxonomy
from guardcli.text.segments import Segment

_INDENT = " " * 4


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    text = (
        f"[INST] Task: Check if there is unsafe content in '{speaker}' messages in conversations according our safety "
        f"policy with the below categories.\n\n{_INDENT}<BEGIN UNSAFE CONTENT CATEGORIES>\n"
        f"{_INDENT}{category_text(taxonomy, _title)}\n\n{_INDENT}<END UNSAFE CONTENT CATEGORIES>\n\n"
        f"{_INDENT}<BEGIN CONVERSATION>\n\n"
    )
    return special_token("<s>", implicit=True), Segment(text)


def _title(category: Category) -> str:
    return f"{category.id}: {category.name}."


def _turn(turn: Turn) -> Segments:
    return Segment(f"{_INDENT}{turn.speaker}: "), Segment(turn.text, untrusted=True), Segment("\n\n")


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    text = (
        f"<END CONVERSATION>\n\n{_INDENT}Provide your safety assessment for {speaker} in the above conversation:\n"
        f"{_INDENT}- First line must read 'safe' or 'unsafe'.\n"
        f"{_INDENT}- If unsafe, a second line must include a comma-separated list of violated categories. [/INST]"
    )
    return (Segment(text),)


AEGIS = Template(
    name="aegis-1",
    source="NVIDIA-NeMo/Curator, nemo_curator/stages/text/classifiers/aegis_utils.py",
    carries_chat_template_of="llama-guard-1",
    chat_template_marks=("    <BEGIN UNSAFE CONTENT CATEGORIES>", "O1: "),
    model_name=re.compile(r"aegis-ai-content-safety|aegis.*llama-?guard"),
    taxonomy="aegis-1",
    prefix=_prefix,
    turn=_turn,
    suffix=_suffix,
    judges=SPEAKERS,
    answer=AnswerFormat(end=special_token("</s>")),
    ids=re.compile(r"O[1-9][0-9]{0,2}"),
    id_description="O and a number (O1, O6)",
    unverified="all but a single message of a user: how an assistant's message, and what comes before a message, is "
    "indented",
)
