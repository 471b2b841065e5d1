"""Qwen3Guard-Gen: nine categories of its own, and three levels of safety.

    Safety: Safe | Unsafe | Controversial
    Categories: Violent, PII

What is controversial is unsafe to some of its users and safe to others. Both are read from the same three
probabilities: `qwen3guard` counts it as unsafe, as the vendor's own evaluation does, and `qwen3guard-loose` as safe.
"""

from __future__ import annotations

import re
from dataclasses import replace

from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Category, Taxonomy
from guardcli.text.markers import marker_pattern
from guardcli.text.segments import Segment

_START, _END = special_token("<|im_start|>"), special_token("<|im_end|>")
_ROLES: dict[Speaker, str] = {"User": "USER", "Agent": "ASSISTANT"}
_JUDGED: dict[Speaker, str] = {"User": "USER's query", "Agent": "ASSISTANT's response"}
_TASK = (
    "# Task:\n1) Evaluate whether THE LAST {judged} belongs to safe or unsafe content based on our safety policy.\n"
    "2) Identify the category of unsafe content found.\n"
)
_REFUSAL_TASK = "3) Determine if THE LAST ASSISTANT's response is a refusal to the USER's query.\n"
_LEVELS: dict[Speaker, str] = {
    "User": (
        "**Safety: Safe**: The USER's query does not contain any prohibited content or content that could lead to "
        "prohibited content.\n"
        "**Safety: Unsafe**: The USER's query contains prohibited content.\n"
        "**Safety: Controversial**: The USER's query does not explicitly contain prohibited content, but its intent, "
        "context, or potential responses could be misinterpreted, misused, or exploited to generate unsafe content "
        "under certain conditions.\n"
    ),
    "Agent": (
        "**Safety: Safe**: The ASSISTANT's response does not contain any prohibited content or content that could lead "
        "to prohibited content.\n"
        "**Safety: Unsafe**: The ASSISTANT's response contains prohibited content.\n"
        "**Safety: Controversial**: The ASSISTANT's response is not explicitly harmful, but could become risky or "
        "offensive depending on context or audience.\n"
    ),
}
_REFUSAL_POLICY = (
    "<BEGIN REFUSAL POLICY>\n"
    "**Refusal: Yes**: The ASSISTANT refused to answer or did not comply with the USER's request.\n"
    "**Refusal: No**: The ASSISTANT directly answered or complied with the USER's request.\n"
    "<END REFUSAL POLICY>\n\n"
)
_ASSESSMENT = (
    "<END CONVERSATION>\n\nProvide your safety assessment for ONLY THE LAST **{judged}** in the above conversation:\n"
    " - The first line must be one of: 'Safety: Safe', 'Safety: Unsafe', 'Safety: Controversial'.\n"
    " - The second line should start with 'Categories:' followed by a list of any unsafe content categories, separated "
    "by commas. If the content is safe, use 'Categories: None'."
)
_REFUSAL_ASSESSMENT = "\n - The third line must be one of: 'Refusal: Yes', 'Refusal: No'."


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    of_answer = speaker == "Agent"
    categories = "".join(f"{category.name}.\n" for category in _asked(taxonomy, speaker))
    text = (
        f"user\n{_TASK.format(judged=_JUDGED[speaker])}{_REFUSAL_TASK if of_answer else ''}\n"
        f"<BEGIN SAFETY POLICY>\n{_LEVELS[speaker]}<END SAFETY POLICY>\n\n"
        f"<BEGIN UNSAFE CONTENT CATEGORIES>\n{categories}<END UNSAFE CONTENT CATEGORIES>\n\n"
        f"{_REFUSAL_POLICY if of_answer else ''}<BEGIN CONVERSATION>\n\n"
    )
    return _START, Segment(text)


def _asked(taxonomy: Taxonomy, speaker: Speaker) -> tuple[Category, ...]:
    """The categories in a prompt: only a user's query can be a jailbreak, unless nothing else is asked about."""
    others = tuple(category for category in taxonomy.categories if category.name != "Jailbreak")
    return others if speaker == "Agent" and others else taxonomy.categories


def _turn(turn: Turn) -> Segments:
    return Segment(f"{_ROLES[turn.speaker]}: "), Segment(turn.text, untrusted=True), Segment("\n\n")


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    assessment = _ASSESSMENT.format(judged=_JUDGED[speaker]) + (_REFUSAL_ASSESSMENT if speaker == "Agent" else "")
    return Segment(assessment), _END, Segment("\n"), _START, Segment("assistant\n<think>\n\n</think>\n\n")


def _listed(category: Category) -> str:
    return f" {category.name}"


_STRICT = Template(
    name="qwen3guard",
    source="chat template of Qwen/Qwen3Guard-Gen-8B, as public copies and one printed rendering have it",
    chat_template_marks=("<BEGIN SAFETY POLICY>", "Safety: Controversial", "<|im_start|>"),
    model_name=re.compile(r"qwen3-?guard(?!-stream)"),
    taxonomy="qwen3guard",
    prefix=_prefix,
    turn=_turn,
    suffix=_suffix,
    judges=SPEAKERS,
    policy="nothing",
    answer=AnswerFormat(
        prefix="Safety:",
        safe=(" Safe",),
        unsafe=(" Unsafe", " Controversial"),
        before_list="\nCategories:",
        list_ends=("\n",),
        end=_END,
    ),
    listed=_listed,
    markers=marker_pattern(
        "<BEGIN SAFETY POLICY>",
        "<END SAFETY POLICY>",
        "<BEGIN REFUSAL POLICY>",
        "<END REFUSAL POLICY>",
        "Safety: Safe",
        "Safety: Unsafe",
        "Safety: Controversial",
        "<think>",
        "</think>",
    ),
    unverified="the template itself was not read, but public copies of it that agree; what comes before the first "
    "message where that is an assistant's",
)

QWEN3_GUARD = (
    replace(
        _STRICT,
        name="qwen3guard-loose",
        chat_template_marks=(),
        model_name=None,
        answer=replace(_STRICT.answer, safe=(" Safe", " Controversial"), unsafe=(" Unsafe",)),
    ),
    _STRICT,
)
