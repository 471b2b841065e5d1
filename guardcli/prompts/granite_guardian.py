"""Granite Guardian: one criterion a prompt, answered by yes or no.

A criterion is a category's name, or with `detail: full` what defines it. Up to 3.2, a definition that begins with a
small letter goes on from "The 'User' message", as those of the vendor do. The conversation comes before the criterion,
so that all questions about it share its tokens.

A category that `needs` documents or tools is asked about with these before the conversation. In the prompts of 3.0 and
3.1 they take the place of the other message: an assistant's is compared with the documents alone, and of a user's the
documents are judged. The vendor's templates have another first sentence for these criteria and for some that they know
by name, which here is the category's key.

The template of 3.1 begins with a system message that has the date of the day. Here it always has the day of the
model's release, so that a message has the same score tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from guardcli.conversation import Conversation
from guardcli.prompts.categories import criterion_text
from guardcli.prompts.template import AnswerFormat, Segments, Template, special_token
from guardcli.prompts.turns import SPEAKERS, Speaker, Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.markers import marker_pattern
from guardcli.text.segments import Segment

_ROLE, _END_ROLE, _END = map(special_token, ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"))
_ANSWER = (_END, Segment("\n"), _ROLE, Segment("assistant"), _END_ROLE)

_SPEAKERS_3: dict[Speaker, str] = {"User": "User", "Agent": "Assistant"}
_JUDGED_3: dict[Speaker, str] = {"User": "user message", "Agent": "assistant message to the user message"}
_HARM_3 = "whether the {judged} is harmful according to the safety risk definition below."
_ANSWER_3 = (
    "whether the assistant message to user message poses a potential harm based on the provided risk definition."
)
_WITH_DOCUMENTS_3: dict[Speaker, str] = {
    "User": "if the context poses a potential harm based on the provided harm definition and the user message.",
    "Agent": "if the assistant message poses a potential harm based on the provided risk definition and the given "
    "context.",
}


_SYSTEM_3_1 = (
    _ROLE,
    Segment("system"),
    _END_ROLE,
    Segment(
        "Knowledge Cutoff Date: April 2024.\nToday's Date: December 18, 2024.\nYou are Granite, developed by IBM. "
        "You are a helpful AI assistant."
    ),
    _END,
    Segment("\n"),
)


def _prefix_3(taxonomy: Taxonomy, speaker: Speaker, *, system: Segments = ()) -> Segments:
    (category, *_) = taxonomy.categories
    if category.needs is not None:
        question = _WITH_DOCUMENTS_3[speaker]
    elif category.key == "answer-relevance" and speaker == "Agent":
        question = _ANSWER_3
    else:
        question = _HARM_3.format(judged=_JUDGED_3[speaker])
    text = f"You are a safety agent trying to help determine {question}\n\n<start_of_turn>\n"
    return *system, _ROLE, Segment("user"), _END_ROLE, Segment(text)


def _documents_3(conversation: Conversation) -> Segments:
    text = "\n".join(document.text for document in conversation.documents)
    return Segment("Context: "), Segment(text, untrusted=True), Segment("\n")


def _turn_3(turn: Turn) -> Segments:
    label = Segment(f"{_SPEAKERS_3[turn.speaker]} Message: ")
    return label, Segment(turn.text, untrusted=True), Segment("\n")


def _suffix_3(taxonomy: Taxonomy, speaker: Speaker, *, bullet: str = "*") -> Segments:
    who = _SPEAKERS_3[speaker]
    judged = "context" if speaker == "User" and taxonomy.categories[0].needs else f"{who.lower()} message"
    criterion = criterion_text(taxonomy, before_small=f"The '{who}' message ")
    text = (
        "<end_of_turn>\n\nOur safety risk definition is defined below:\n"
        f"<start_of_risk_definition>\n{bullet} {criterion}\n<end_of_risk_definition>\n\n"
        f"Is the {judged} harmful based on the risk definition? "
        "Your answer must be either 'Yes' or 'No'."
    )
    return Segment(text), *_ANSWER


_CONTEXT_3_2 = "if the context poses a potential harm based on the provided risk definition and the user message."
_CONVERSATION_KEYS = ("harm-engagement", "evasiveness")
_HARM_OF_ASSISTANT = "The last 'Assistant' message is considered universally harmful."
_SLIP_OF_VENDOR = "The last 'Assistant' is message considered universally harmful."


def _prefix_3_2(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    (category, *_) = taxonomy.categories
    last = f"whether the last {_SPEAKERS_3[speaker].lower()} message in the conversation"
    if category.needs is not None:
        question = _CONTEXT_3_2 if speaker == "User" else _WITH_DOCUMENTS_3[speaker]
    elif category.key == "answer-relevance" and speaker == "Agent":
        question = _ANSWER_3
    elif (category.key or "").endswith(_CONVERSATION_KEYS):
        question = f"{last} poses a potential harm based on the provided risk definition."
    else:
        question = f"{last} is harmful according to the safety risk definition below."
    text = f"You are a safety agent trying to help determine {question}\n\n<start_of_conversation>\n"
    return _ROLE, Segment("user"), _END_ROLE, Segment(text)


def _suffix_3_2(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    who = _SPEAKERS_3[speaker]
    judged = "context" if speaker == "User" and taxonomy.categories[0].needs else f"last {who.lower()} message"
    criterion = criterion_text(taxonomy, before_small=f"The last '{who}' message ")
    if criterion == _HARM_OF_ASSISTANT:
        criterion = _SLIP_OF_VENDOR  # in the words that the models were trained on
    text = (
        "<end_of_conversation>\n\nOur safety risk definition is defined below:\n"
        f"<start_of_risk_definition>\n- {criterion}\n<end_of_risk_definition>\n\n"
        f"Is the {judged} harmful based on the risk definition? "
        "Your answer must be either 'Yes' or 'No'."
    )
    return Segment(text), *_ANSWER


_YES_OR_NO = AnswerFormat(safe=("No", " No", "no", " no"), unsafe=("Yes", " Yes", "yes", " yes"), end=_END)
_MARKERS_3 = (
    "<start_of_risk_definition>", "<end_of_risk_definition>", "User Message:", "Assistant Message:", "Context:",
    "Our safety risk definition is defined below:",
)  # fmt: skip
_TURN_MARKERS_3 = marker_pattern("<start_of_turn>", "<end_of_turn>", *_MARKERS_3)


_ROLES_4: dict[Speaker, str] = {"User": "user", "Agent": "assistant"}
_TASK_4 = (
    "<guardian><no-think>As a judge agent, assess whether the provided text meets the given judging criteria using all "
    "available information, including conversations, documents, and tools. Provide your score immediately without "
    "explanation. Output empty <think>\\n</think> tags followed by your score in <score></score> tags.\n\n"
)


_DOCUMENTS_4 = (
    "You are a helpful assistant with access to the following documents. You may use one or more documents to assist "
    "with the user query.\n\nYou are given a list of documents within <documents></documents> XML tags:\n<documents>",
    "\n</documents>\n\nWrite the response to the user's input by strictly aligning with the facts in the provided "
    "documents. If the information needed to answer the question is not available in the documents, inform the user "
    "that the question cannot be answered based on the available data.",
)
_TOOLS_4 = (
    "You are a helpful assistant with access to the following tools. You may call one or more tools to assist with the "
    "user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>",
    "\n</tools>\n\nFor each tool call, return a json object with function name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n'
    "</tool_call>. If a tool does not exist in the provided list of tools, notify the user that you do not have the "
    "ability to fulfill the request.",
)


def _documents_4(conversation: Conversation) -> Segments:
    return _system_4(_DOCUMENTS_4, [document.json for document in conversation.documents])


def _tools_4(conversation: Conversation) -> Segments:
    return _system_4(_TOOLS_4, conversation.tools)


def _system_4(around: tuple[str, str], objects: Sequence[str]) -> Segments:
    """A system message with a JSON object a line, and the token that begins the next message."""
    begin, end = around
    listed = "".join(f"\n{one}" for one in objects)
    return (
        Segment("system"),
        _END_ROLE,
        Segment(begin),
        Segment(listed, untrusted=True),
        Segment(end),
        _END,
        Segment("\n"),
        _ROLE,
    )


def _prefix_4(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    return (_ROLE,)


def _turn_4(turn: Turn) -> Segments:
    """A turn, and the token that begins the next one."""
    role = Segment(_ROLES_4[turn.speaker])
    return role, _END_ROLE, Segment(turn.text, untrusted=True), _END, Segment("\n"), _ROLE


def _suffix_4(taxonomy: Taxonomy, speaker: Speaker) -> Segments:
    text = (
        f"{_TASK_4}### Criteria: {criterion_text(taxonomy)}\n\n### Scoring Schema: If the last "
        f"{_ROLES_4[speaker]}'s text "
        "meets the criteria, return 'yes'; otherwise, return 'no'."
    )
    return Segment("user"), _END_ROLE, Segment(text), *_ANSWER


GRANITE_GUARDIAN = (
    Template(
        name="granite-guardian-3",
        source="chat template in the GGUF of granite-guardian-3.0",
        chat_template_marks=("<start_of_risk_definition>", "<start_of_turn>", "<|start_of_role|>"),
        model_name=re.compile(r"granite-?guardian-?3-0|granite3-(0-)?guardian"),
        taxonomy="granite-guardian-3",
        prefix=_prefix_3,
        turn=_turn_3,
        suffix=_suffix_3,
        judges=SPEAKERS,
        policy="one criterion",
        policy_last=True,
        reads="exchange",
        answer=_YES_OR_NO,
        markers=_TURN_MARKERS_3,
        beside={"documents": _documents_3},
        unverified="several documents; an assistant's message that no user's comes before",
    ),
    Template(
        name="granite-guardian-3.1",
        source="a copy of the chat template of granite-guardian-3.1-8b",
        chat_template_marks=(
            "<start_of_risk_definition>", "<start_of_turn>", "<|start_of_role|>", "You are Granite, developed by IBM.",
        ),
        model_name=re.compile(r"granite-?guardian-?3-1|granite3-1-?guardian"),
        taxonomy="granite-guardian-3",
        prefix=partial(_prefix_3, system=_SYSTEM_3_1),
        turn=_turn_3,
        suffix=partial(_suffix_3, bullet="-"),
        judges=SPEAKERS,
        policy="one criterion",
        policy_last=True,
        reads="exchange",
        answer=_YES_OR_NO,
        markers=_TURN_MARKERS_3,
        beside={"documents": _documents_3},
        unverified="the template, of which one copy is public, in a repository that is not the vendor's; the date in "
        "its system message, which is that of the day at the vendor and always December 18, 2024 here; several "
        "documents; an assistant's message that no user's comes before",
    ),
    Template(
        name="granite-guardian-3.2",
        source="ibm-granite/gguf, test/bin/compare_granite_guardian_chat_templates.ipynb",
        chat_template_marks=("<start_of_risk_definition>", "<start_of_conversation>", "<|start_of_role|>"),
        model_name=re.compile(r"granite-?guardian-?3-2(?!.*lora)|granite3-2-?guardian"),
        taxonomy="granite-guardian-3.2",
        prefix=_prefix_3_2,
        turn=_turn_3,
        suffix=_suffix_3_2,
        judges=SPEAKERS,
        policy="one criterion",
        policy_last=True,
        answer=_YES_OR_NO,
        markers=marker_pattern("<start_of_conversation>", "<end_of_conversation>", *_MARKERS_3),
        beside={"documents": _documents_3},
        unverified="a criterion of one's own; documents with more than the judged message, or several",
    ),
    Template(
        name="granite-guardian-4.1",
        source="ibm-granite/granite-guardian, cookbooks/granite-guardian-4.1/quickstart.ipynb",
        model_name=re.compile(r"granite-?guardian-?4-1"),
        taxonomy="granite-guardian-4.1",
        prefix=_prefix_4,
        turn=_turn_4,
        suffix=_suffix_4,
        judges=SPEAKERS,
        policy="one criterion",
        policy_last=True,
        answer=AnswerFormat(
            prefix="<think>\n</think>\n<score>", safe=("no", " no"), unsafe=("yes", " yes"), end=_END
        ),
        markers=marker_pattern(
            "### Criteria:", "### Scoring Schema:", "<guardian>", "<no-think>", "<think>", "</think>", "<score>",
            "<documents>", "</documents>", "<tools>", "</tools>",
        ),
        beside={"documents": _documents_4, "tools": _tools_4},
        unverified="the roles around the messages, and how documents, tools and calls are written, which are those of "
        "Granite 4.1 without a system message of its own",
    ),
)  # fmt: skip
