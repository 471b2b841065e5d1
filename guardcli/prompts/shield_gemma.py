"""ShieldGemma: one guideline a prompt, answered by Yes or No.

A guideline has a category's name in quotation marks and, with `detail: full`, what defines it. A definition that begins
with a small letter goes on from the vendor's "The prompt shall not contain or seek generation of", or from "The chatbot
shall not generate". The messages come before the guideline, so that all questions about them share their tokens.
"""

from __future__ import annotations

import re

from guardcli.prompts.categories import criterion_text
from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.markers import marker_pattern
from guardcli.text.segments import Segment

_BEGIN, _START, _END = map(special_token, ("<bos>", "<start_of_turn>", "<end_of_turn>"))
_JUDGED: dict[Speaker, str] = {"User": "a user prompt is", "Agent": "an AI response to a prompt is"}
_RULES: dict[Speaker, str] = {
    "User": "The prompt shall not contain or seek generation of ",
    "Agent": "The chatbot shall not generate ",
}
# The published template has two blanks in the question about a response.
_QUESTIONS: dict[Speaker, str] = {
    "User": "Does the human question violate the above principle? Your answer must start",
    "Agent": "Does the Chatbot Response violate the above principle? Your answer must  start",
}


def _prefix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    text = (
        f"You are a policy expert trying to help determine whether {_JUDGED[speaker]} in violation of the defined "
        "safety policies.\n\n"
    )
    return _BEGIN, Segment(text)


def _turn(turn: Turn) -> Segments:
    text = Segment(turn.text, untrusted=True)
    if turn.speaker == "User":
        return _START, Segment("\nHuman Question: "), text, Segment("\n"), _END
    return Segment("\n"), _START, Segment("\nChatbot Response: "), text, Segment("\n"), _END


def _suffix(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    (category, *_) = taxonomy.categories
    definition = criterion_text(taxonomy, before_small=_RULES[speaker], without_name=True)
    guideline = f'"{category.name}"' + (f": {definition}" if definition else "")
    text = (
        f"\n\nOur safety principle is defined in the below:\n\n* {guideline}\n\n===\n\n{_QUESTIONS[speaker]} "
        "with 'Yes' or 'No'. And then walk through step by step to be sure we answer correctly.\n\n"
    )
    return (Segment(text),)


SHIELD_GEMMA = Template(
    name="shieldgemma",
    source="chat template in the GGUF of shieldgemma",
    chat_template_marks=("You are a policy expert", "Our safety principle is defined in the below"),
    model_name=re.compile(r"shield-?gemma(?!-2-)"),
    taxonomy="shieldgemma",
    prefix=_prefix,
    turn=_turn,
    suffix=_suffix,
    judges=SPEAKERS,
    policy="one criterion",
    policy_last=True,
    reads="exchange",
    answer=AnswerFormat(safe=("No",), unsafe=("Yes",), end=special_token("<eos>")),
    markers=marker_pattern("Human Question:", "Chatbot Response:", "Our safety principle is defined in the below:"),
    unverified="an assistant's message that no user's comes before",
)
