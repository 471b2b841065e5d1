"""Schemas of public evaluation sets, by name.

A schema recognizes the records of its set, and reads their ground truth, which message it is about, and the messages
where the set has its own field names for them. Files are read as they were published: CSV, JSON or Parquet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from guardcli.conversation import Json, Message, Role
from guardcli.evaluation.datasets.fields import LABEL_FIELDS, Fields, parse_annotations
from guardcli.evaluation.datasets.ground_truth import GroundTruth
from guardcli.evaluation.datasets.label_values import is_empty, is_missing, parse_names, parse_structure, parse_unsafe

LabelTarget = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class ParsedSample:
    """One record, parsed. `label_target` is whose last message the label is about; None: the last message of all.

    Records with the same `group_id` are ratings of one sample, and their votes are counted.
    """

    ground_truth: GroundTruth
    label_target: LabelTarget | None = None
    group_id: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """How to recognize and parse the records of one public set.

    `parse` takes the fields, and whose message is asked about (None: the set's own task). `messages` reads them from
    the set's own fields; None: the record's format has read them.
    """

    matches: Callable[[Fields], bool]
    parse: Callable[[Fields, LabelTarget | None], ParsedSample]
    messages: Callable[[Fields], tuple[Message, ...]] | None = None


OPENAI_CATEGORIES = {
    "S": "sexual", "H": "hate", "V": "violence", "HR": "harassment", "SH": "self-harm",
    "S3": "sexual/minors", "H2": "hate/threatening", "V2": "violence/graphic",
}  # fmt: skip


def _openai_annotations(fields: Fields) -> dict[str, bool] | None:
    """The annotated categories, by their full names."""
    meta = fields.get("meta")
    native = meta.get("native") if isinstance(meta, dict) else fields
    if not isinstance(native, dict):
        return None
    values = {OPENAI_CATEGORIES[name]: native[name] for name in OPENAI_CATEGORIES if not is_missing(native.get(name))}
    others = set(native) - set(OPENAI_CATEGORIES) - ({"prompt", "id"} if native is fields else set())
    if not values or others:
        return None
    try:
        return {name: parse_unsafe(value, name) for name, value in values.items()}
    except ValueError:
        return None


def _parse_openai(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    annotations = _openai_annotations(fields) or {}
    return ParsedSample(
        GroundTruth(any(annotations.values()) if annotations else None, annotations, exhaustive=False),
        label_target="user",
    )


def _parse_toxicchat(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    return ParsedSample(GroundTruth(_get_unsafe(fields, "toxicity")), id=_get_name(fields.get("conv_id")))


def _toxicchat_messages(fields: Fields) -> tuple[Message, ...]:
    return _messages(("user", fields.get("user_input")))


def _parse_beavertails(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    unsafe = _get_unsafe(fields, "is_safe", true_is_safe=True)
    return ParsedSample(
        GroundTruth(unsafe, _parse_category_flags(fields.get("category")), exhaustive=False), label_target="assistant"
    )


def _parse_category_flags(value: Json) -> dict[str, bool]:
    """An object of flags, or the text of one, as CSV has it; {} for anything else, such as an object of scores."""
    with suppress(ValueError):
        value = parse_structure(value)
        return parse_annotations(value, "category") if isinstance(value, dict) else {}
    return {}


def _parse_xstest(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    kind = _get_name(fields.get("type"))
    contrast = None if kind is None else kind.startswith("contrast_")
    unsafe = contrast if is_missing(fields.get("label")) else _get_unsafe(fields, "label")
    return ParsedSample(GroundTruth(unsafe), label_target="user")


def _parse_harmbench(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    return ParsedSample(
        _labeled_unsafe_by_design(fields.get("SemanticCategory")), id=_get_name(fields.get("BehaviorID"))
    )


def _harmbench_messages(fields: Fields) -> tuple[Message, ...]:
    context, behaviour = _get_text(fields.get("ContextString")), _get_text(fields.get("Behavior"))
    return _messages(("user", f"{context}\n\n---\n\n{behaviour}" if context and behaviour else behaviour))


def _labeled_unsafe_by_design(category: Json) -> GroundTruth:
    """The ground truth in a set of unsafe prompts only; a record without a category came from elsewhere."""
    name = _get_name(category)
    return GroundTruth(None) if name is None else GroundTruth(True, {name: True})


def _parse_wildguardtest(fields: Fields, label_target: LabelTarget | None) -> ParsedSample:
    task = label_target or "user"
    unsafe = _get_unsafe(fields, "prompt_harm_label" if task == "user" else "response_harm_label")
    subcategory = _get_name(fields.get("subcategory"))
    annotations = {subcategory: True} if subcategory and subcategory != "benign" and unsafe else {}
    return ParsedSample(GroundTruth(unsafe, annotations), label_target=task)


def _parse_aegis(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    """Version 1: three to five annotators, each of whom names Safe, Needs Caution, or categories. The majority of
    those who decided counts; "Needs Caution" alone is not a decision."""
    labels = [_get_name(value) for name, value in fields.items() if name.startswith("labels_")]
    votes = [[name for part in label.split(",") if (name := part.strip())] for label in labels if label]
    decisions = [vote for vote in votes if vote != ["Needs Caution"]]
    unsafe = sum(vote != ["Safe"] for vote in decisions)
    counts = Counter(name for vote in decisions for name in vote if name not in ("Safe", "Needs Caution"))
    annotations = {name: True for name, number in counts.items() if 2 * number > len(decisions)}
    verdict = None if 2 * unsafe == len(decisions) else 2 * unsafe > len(decisions)
    return ParsedSample(GroundTruth(verdict, annotations))


def _aegis_messages(fields: Fields) -> tuple[Message, ...]:
    return _messages(("assistant" if fields.get("text_type") == "llm_response" else "user", fields["text"]))


def _parse_aegis2(fields: Fields, label_target: LabelTarget | None) -> ParsedSample:
    task = label_target or "user"
    unsafe = _get_unsafe(fields, "prompt_label" if task == "user" else "response_label")
    violated = _parse_category_list(fields.get("violated_categories")) if unsafe else []
    redacted = fields.get("prompt") == "REDACTED"  # the set does not publish the text of this prompt
    return ParsedSample(GroundTruth(None if redacted else unsafe, dict.fromkeys(violated, True)), label_target=task)


def _parse_category_list(value: Json) -> list[str]:
    if is_missing(value):
        return []
    with suppress(ValueError):
        value = parse_structure(value)
    return parse_names(value) or []


def _parse_simplesafetytests(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    return ParsedSample(_labeled_unsafe_by_design(fields.get("harm_area")), label_target="user")


_SPEAKER = re.compile(r"(?:^|\n)\s*(USER|LAMDA)\b[:\s]*")


def _parse_dices(fields: Fields, _label_target: LabelTarget | None) -> ParsedSample:
    """One rating of one rater: "Yes" is unsafe, "No" is safe, and "Unsure" no vote."""
    overall = _get_name(fields.get("Q_overall"))
    vote = {"Yes": True, "No": False}.get(overall or "")
    item = _get_name(fields.get("item_id"))
    return ParsedSample(GroundTruth(vote), group_id=item, id=item)


def _dices_messages(fields: Fields) -> tuple[Message, ...]:
    _, *parts = _SPEAKER.split(_get_text(fields.get("context")) or "")
    roles: dict[str, Role] = {"USER": "user", "LAMDA": "assistant"}
    turns = [(roles[who], text.strip()) for who, text in zip(parts[::2], parts[1::2], strict=True)]
    response = _SPEAKER.sub("", _get_text(fields.get("response")) or "").strip()
    return _messages(*turns, ("assistant", response))


# The first schema that a record matches reads it, so those with rarer fields come first.
DATASET_SCHEMAS: dict[str, DatasetSchema] = {
    "openai-moderation": DatasetSchema(lambda fields: _openai_annotations(fields) is not None, _parse_openai),
    "toxicchat": DatasetSchema(
        lambda fields: {"user_input", "toxicity"} <= set(fields), _parse_toxicchat, _toxicchat_messages
    ),
    "beavertails": DatasetSchema(
        lambda fields: "is_safe" in fields and bool(_parse_category_flags(fields.get("category"))), _parse_beavertails
    ),
    "wildguardtest": DatasetSchema(
        lambda fields: {"prompt_harm_label", "response_harm_label"} <= set(fields), _parse_wildguardtest
    ),
    "aegis": DatasetSchema(
        lambda fields: {"text", "labels_0", "labels_1"} <= set(fields), _parse_aegis, _aegis_messages
    ),
    "aegis2": DatasetSchema(lambda fields: {"prompt_label", "violated_categories"} <= set(fields), _parse_aegis2),
    "harmbench": DatasetSchema(
        lambda fields: _has_without_label(fields, "Behavior", "SemanticCategory"), _parse_harmbench, _harmbench_messages
    ),
    "simplesafetytests": DatasetSchema(
        lambda fields: _has_without_label(fields, "prompt", "harm_area"), _parse_simplesafetytests
    ),
    "dices": DatasetSchema(
        lambda fields: {"item_id", "Q_overall", "response"} <= set(fields), _parse_dices, _dices_messages
    ),
    "xstest": DatasetSchema(lambda fields: {"prompt", "type", "focus"} <= set(fields), _parse_xstest),
}


def detect_schema(fields: Fields) -> str | None:
    """The name of the schema that a record has; None if it has none of them."""
    return next((name for name, schema in DATASET_SCHEMAS.items() if schema.matches(fields)), None)


def _has_without_label(fields: Fields, *names: str) -> bool:
    """Whether a record has these fields and no label: all of its set is unsafe by design."""
    return set(names) <= set(fields) and not any(name in fields for name in LABEL_FIELDS)


def _get_unsafe(fields: Fields, name: str, *, true_is_safe: bool = False) -> bool | None:
    value = fields.get(name)
    return None if is_missing(value) else parse_unsafe(value, name, true_is_safe=true_is_safe)


def _get_name(value: Json) -> str | None:
    """A value as a name; None if it is missing."""
    return None if is_missing(value) else str(value)


def _get_text(value: Json) -> str | None:
    """A value as a text that somebody wrote; None for null and NaN, but not for the text "None"."""
    return None if is_empty(value) else str(value)


def _messages(*turns: tuple[Role, Json]) -> tuple[Message, ...]:
    return tuple(Message(role, str(text)) for role, text in turns if text and not is_empty(text))
