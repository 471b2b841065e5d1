"""Shieldstral 1.0: one question a prompt about a document, answered by yes or no.

    <Instruct>: Policy: {category}⏎⏎<Query>: Does the Document violate the policy?⏎⏎<Document>: [User] {message}

The model reads any policy and any question. How a category is put into the two is our own; what is around them, and how
a conversation becomes a document, is the vendor's. A line of the document ends where the next one begins, so that the
message that is judged, which is the last, looks different from the one before it.

The first line is always a user's. Its label is a part of the prefix, which all prompts about a category share; the
blank after it belongs to the message, as in the tokens of a byte-level vocabulary.
"""

from __future__ import annotations

import re

from guardcli.prompts.categories import criterion_text
from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.markers import marker_pattern
from guardcli.text.segments import Segment

_BEGIN, _INSTRUCTION, _END_INSTRUCTION = map(special_token, ("<s>", "[INST]", "[/INST]"))
_SYSTEM, _END_SYSTEM = special_token("[SYSTEM_PROMPT]"), special_token("[/SYSTEM_PROMPT]")
_TASK = (
    "Judge whether the Document meets the requirements based on the Query and the Instruction provided. Note that the "
    'answer can only be "yes" or "no".'
)
_QUERIES: dict[Speaker, str] = {
    "User": "Does the Document violate the policy?",
    "Agent": "Does the assistant's response in the Document violate the policy?",
}
_LABELS: dict[Speaker, str] = {"User": " ", "Agent": "[Assistant] "}


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    (category, *_) = taxonomy.categories
    definition = criterion_text(taxonomy, without_name=True)
    policy = f"Policy: {category.name}" + (f"\n{definition}" if definition else "")
    text = f"<Instruct>: {policy}\n\n<Query>: {_QUERIES[speaker]}\n\n<Document>: [User]"
    return _BEGIN, _SYSTEM, Segment(_TASK), _END_SYSTEM, _INSTRUCTION, Segment(text)


def _turn(turn: Turn) -> Segments:
    return *_judged_turn(turn), Segment("\n")


def _judged_turn(turn: Turn) -> Segments:
    return Segment(_LABELS[turn.speaker]), Segment(turn.text, untrusted=True)


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    return (_END_INSTRUCTION,)


SHIELDSTRAL = Template(
    name="shieldstral",
    source="mistralai/cookbook, mistral/moderation/shieldstral_policy_moderation.ipynb; roles of Ministral 3",
    model_name=re.compile(r"shieldstral"),
    taxonomy="openai-moderation",
    prefix=_prefix,
    turn=_turn,
    judged_turn=_judged_turn,
    suffix=_suffix,
    judges=SPEAKERS,
    policy="one criterion",
    reads="exchange",
    answer=AnswerFormat(
        safe=("no", " no", "No", " No"), unsafe=("yes", " yes", "Yes", " Yes"), end=special_token("</s>")
    ),
    markers=marker_pattern(
        "<Instruct>:", "<Query>:", "<Document>:", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[User]", "[Assistant]"
    ),
    unverified="the special tokens around the parts, which are those of other models of Ministral 3; an assistant's "
    "message that no user's comes before",
)
