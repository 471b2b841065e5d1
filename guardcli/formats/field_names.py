"""What the name of a field says about the text under it: that it is speech, metadata by place, or a label.

These are the tables that decide what happens to text which no format reads; `docs` and README list them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from guardcli.conversation import Json
from guardcli.formats.prose import Prose, classify, is_label

# Names that hold what somebody said, in one known format or another: the last word of a field's name, in any case, with
# or without a plural or a number (`user_input`, `chatHistory`, `response_0`, `gen_ai.prompt.0.content`).
SPEECH_NAMES = frozenset({
    "answer", "chat", "chosen", "completion", "content", "context", "conversation", "dialog", "dialogue", "generation",
    "history", "input", "instruction", "message", "output", "part", "prompt", "query", "question", "reasoning",
    "rejected", "reply", "response", "text", "thinking", "transcript", "turn", "utterance", "value",
})  # fmt: skip

# At the top of a record these hold a conversation in a format that guard reads: there even one word counts.
CONVERSATION_NAMES = frozenset({
    "answer", "chosen", "completion", "content", "conversation", "conversations", "generation", "input", "instruction",
    "messages", "output", "prompt", "query", "question", "rejected", "response", "text", "transcript",
})  # fmt: skip

# Objects that formats document as metadata: what is in them is not said to anybody.
METADATA_NAMES = frozenset({
    "annotations", "attributes", "category_applied_input_types", "category_scores", "config", "configuration",
    "content_filter_result", "content_filter_results", "content_filter_offsets", "cost_details", "detoxify_moderation",
    "extra", "feedback_stats", "generation_config", "generation_info", "header", "headers", "invocation_params",
    "llm_output", "logprobs", "manifest", "meta", "metadata", "model_config", "model_parameters", "moderation",
    "openai_moderation", "parameters", "prompt_filter_results", "provider_metadata", "resource", "response_metadata",
    "runtime", "safety_settings", "sampling_params", "scope", "scores", "serialized", "settings", "stream_options",
    "usage", "usage_details", "usage_metadata",
})  # fmt: skip

# Definitions of tools: payload that no model of ours is asked about, counted as `tool_definition`.
TOOL_NAMES = frozenset({"functions", "response_format", "tool_choice", "tools"})

# Fields that name a class, a language or a model by a few words.
LABEL_NAMES = frozenset({
    "area", "basis", "categories", "category", "city", "class", "country", "deployment", "engine", "flag", "focus",
    "group", "harm", "kind", "label", "lang", "language", "license", "model", "region", "split", "state",
    "subcategories", "subcategory", "tag", "target", "task", "topic", "type", "violated",
})  # fmt: skip

# `error.message` and the like tell why something failed; they are unread text, but nobody's speech.
_ERROR_NAMES = frozenset({"error", "exception", "failure", "status"})

# The names of a record's own id, first to last: a batch's answer has an `id` beside the `custom_id` that joins it to
# its request. The id stands in the row, so that words joined in it are no text that is lost.
ID_NAMES = ("custom_id", "id", "conversation_id", "conversation_hash", "trace_id")

MAX_NAME_WORDS = 5  # words of the name of a field; a longer one is text itself

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def find_id_name(fields: Mapping[str, Json]) -> str | None:
    """The field that gives a record its id; None if none does."""
    for name in ID_NAMES:
        found = fields.get(name)
        if isinstance(found, (str, int)) and not isinstance(found, bool):
            return name
    return None


@dataclass(frozen=True, slots=True)
class FieldMeaning:
    """What a name says. `canonical` is the name in lower case with underscores; `is_text`: the name is a sentence."""

    canonical: str
    is_speech: bool
    is_conversation: bool
    is_metadata: bool
    is_tools: bool
    is_label: bool
    is_text: bool


@lru_cache(maxsize=1 << 14)
def field_meaning(name: str) -> FieldMeaning:
    """What the name of a field says about what is under it.

    >>> meaning("chatHistory").speech, meaning("prompt_tokens").speech, meaning("Response_0").speech
    (True, False, True)
    """
    words = [word.lower() for word in _WORD.findall(name)]
    canonical = "_".join(words) if name.isascii() else ""  # of other names some letters are missing
    last = _singular(words[-1]) if words else ""
    return FieldMeaning(
        canonical=canonical,
        is_speech=last in SPEECH_NAMES and _ERROR_NAMES.isdisjoint(words[:-1]),
        is_conversation=name.strip().lower() in CONVERSATION_NAMES,
        is_metadata=canonical in METADATA_NAMES,
        is_tools=canonical in TOOL_NAMES,
        is_label=last in LABEL_NAMES,
        is_text=len(name) > MAX_NAME_WORDS and _is_text(name),
    )


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _is_text(name: str) -> bool:
    if classify(name) is not Prose.SENTENCE:
        return False
    words = len(name.split())
    return words > MAX_NAME_WORDS or words < 2 or not name.isascii() or not is_label(name)
