"""The meaning of field names: whether a field holds speech, metadata, tool definitions, or a label.

These tables decide what happens to text that no format reads. docs/formats.md says what for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from guardcli.conversation import Json
from guardcli.formats.prose import Prose, classify, is_label

# Fields that hold speech in some known format. What counts is the last word of a field's name, in any case, with or
# without a plural or a number: `user_input`, `chatHistory`, `response_0`, `gen_ai.prompt.0.content`.
SPEECH_NAMES = frozenset({
    "answer", "chat", "chosen", "completion", "content", "context", "conversation", "dialog", "dialogue", "generation",
    "history", "input", "instruction", "message", "output", "part", "prompt", "query", "question", "reasoning",
    "rejected", "reply", "response", "text", "thinking", "transcript", "turn", "utterance", "value",
})  # fmt: skip

# Fields that hold a conversation at the top of a record, in a format that guard reads: there even one word is speech.
CONVERSATION_NAMES = frozenset({
    "answer", "chosen", "completion", "content", "conversation", "conversations", "generation", "input", "instruction",
    "messages", "output", "prompt", "query", "question", "rejected", "response", "text", "transcript",
})  # fmt: skip

# Objects that formats document as metadata.
METADATA_NAMES = frozenset({
    "annotations", "attributes", "category_applied_input_types", "category_scores", "config", "configuration",
    "content_filter_result", "content_filter_results", "content_filter_offsets", "cost_details", "detoxify_moderation",
    "extra", "feedback_stats", "generation_config", "generation_info", "header", "headers", "invocation_params",
    "llm_output", "logprobs", "manifest", "meta", "metadata", "model_config", "model_parameters", "moderation",
    "openai_moderation", "parameters", "prompt_filter_results", "provider_metadata", "resource", "response_metadata",
    "runtime", "safety_settings", "sampling_params", "scope", "scores", "serialized", "settings", "stream_options",
    "usage", "usage_details", "usage_metadata",
})  # fmt: skip

# Definitions of tools, which are not judged; they are counted as `tool_definition`.
TOOL_NAMES = frozenset({"functions", "response_format", "tool_choice", "tools"})

# Fields that name a class, a language or a model in a few words.
LABEL_NAMES = frozenset({
    "area", "basis", "categories", "category", "city", "class", "country", "deployment", "engine", "flag", "focus",
    "group", "harm", "kind", "label", "lang", "language", "license", "model", "region", "split", "state",
    "subcategories", "subcategory", "tag", "target", "task", "topic", "type", "violated",
})  # fmt: skip

# `error.message` and the like say why something failed. They are unread text, but not speech.
_ERROR_NAMES = frozenset({"error", "exception", "failure", "status"})

# Fields with a record's own id, in order of preference: the response of a batch API has an `id` as well as the
# `custom_id` of its request. The id is written to the row, so words in it are not lost.
ID_NAMES = ("custom_id", "id", "conversation_id", "conversation_hash", "trace_id")

# A record with one of these has a format of conversations, regardless of its other fields.
OTHER_FORMATS_KEYS = frozenset({"messages", "conversations", "conversation", "prompt"})

MAX_NAME_WORDS = 5  # words in the name of a field; a longer one is itself text

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def find_id_name(fields: Mapping[str, Json]) -> str | None:
    """Return the name of the field that has the record's id; None without such a field."""
    for name in ID_NAMES:
        value = fields.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return name
    return None


@dataclass(frozen=True, slots=True)
class FieldMeaning:
    """What a field name says about the value in the field.

    `canonical` is the name in lower case with underscores. `is_text` is true if the name is itself a sentence.
    """

    canonical: str
    is_speech: bool
    is_conversation: bool
    is_metadata: bool
    is_tools: bool
    is_label: bool
    is_text: bool


@lru_cache(maxsize=1 << 14)
def field_meaning(name: str) -> FieldMeaning:
    """Return what the name of a field says about the value in it.

    >>> [field_meaning(name).is_speech for name in ("chatHistory", "prompt_tokens", "Response_0")]
    [True, False, True]
    """
    words = [word.lower() for word in _WORD.findall(name)]
    canonical = "_".join(words) if name.isascii() else ""  # `_WORD` drops the letters of other names
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
