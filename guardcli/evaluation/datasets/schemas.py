"""The layouts of public evaluation sets, as their makers publish them, by name.

Each says whether a record is one of its own, and reads its truth, its messages where the field names are its own, and
which message the truth is about. Nothing is downloaded; files are read as they were published, CSV, JSON or Parquet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from guardcli.conversation import Json, Message, Role
from guardcli.evaluation.datasets.fields import LABELS, Fields, annotated
from guardcli.evaluation.datasets.ground_truth import Truth
from guardcli.evaluation.datasets.label_values import empty, missing, names, structure, unsafe_word

About = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a layout makes of a record. `about` is whose last message the truth is about, None the last of all. Ratings
    with one `pooled` name are of one item, and their votes are counted.
    """

    truth: Truth
    about: About | None = None
    pooled: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """`read` takes the fields, and whose message is asked about (None: the set's own task). `messages` are given where
    the names of the fields that hold them are the set's own; None: as the record's format has them."""

    matches: Callable[[Fields], bool]
    read: Callable[[Fields, About | None], Reading]
    messages: Callable[[Fields], tuple[Message, ...]] | None = None


OPENAI = {
    "S": "sexual", "H": "hate", "V": "violence", "HR": "harassment", "SH": "self-harm",
    "S3": "sexual/minors", "H2": "hate/threatening", "V2": "violence/graphic",
}  # fmt: skip


def _openai_flags(fields: Fields) -> dict[str, bool] | None:
    """The flags that are there, spelled out: a missing one is not annotated."""
    meta = fields.get("meta")
    native = meta.get("native") if isinstance(meta, dict) else fields
    if not isinstance(native, dict):
        return None
    found = {OPENAI[name]: native[name] for name in OPENAI if not missing(native.get(name))}
    others = set(native) - set(OPENAI) - ({"prompt", "id"} if native is fields else set())
    if not found or others:
        return None
    try:
        return {name: unsafe_word(on, name) for name, on in found.items()}
    except ValueError:
        return None


def _openai(fields: Fields, _about: About | None) -> Reading:
    flags = _openai_flags(fields) or {}
    return Reading(Truth(any(flags.values()) if flags else None, flags, listed=False), about="user")


def _toxicchat(fields: Fields, _about: About | None) -> Reading:
    return Reading(Truth(_word(fields, "toxicity")), id=_name(fields.get("conv_id")))


def _toxicchat_messages(fields: Fields) -> tuple[Message, ...]:
    return _said(("user", fields.get("user_input")))


def _beavertails(fields: Fields, _about: About | None) -> Reading:
    unsafe = _word(fields, "is_safe", true_is_safe=True)
    return Reading(Truth(unsafe, _flags(fields.get("category")), listed=False), about="assistant")


def _flags(value: Json) -> dict[str, bool]:
    """An object of flags, or the text of one, as CSV has it; {} for anything else, such as an object of scores."""
    with suppress(ValueError):
        value = structure(value)
        return annotated(value, "category") if isinstance(value, dict) else {}
    return {}


def _xstest(fields: Fields, _about: About | None) -> Reading:
    kind = _name(fields.get("type"))
    contrast = None if kind is None else kind.startswith("contrast_")
    unsafe = contrast if missing(fields.get("label")) else _word(fields, "label")
    return Reading(Truth(unsafe), about="user")


def _harmbench(fields: Fields, _about: About | None) -> Reading:
    return Reading(_unsafe_by_design(fields.get("SemanticCategory")), id=_name(fields.get("BehaviorID")))


def _harmbench_messages(fields: Fields) -> tuple[Message, ...]:
    context, behaviour = _text(fields.get("ContextString")), _text(fields.get("Behavior"))
    return _said(("user", f"{context}\n\n---\n\n{behaviour}" if context and behaviour else behaviour))


def _unsafe_by_design(category: Json) -> Truth:
    """The truth in a set of unsafe prompts alone; a record without a category came from elsewhere."""
    name = _name(category)
    return Truth(None) if name is None else Truth(True, {name: True})


def _wildguardtest(fields: Fields, about: About | None) -> Reading:
    task = about or "user"
    unsafe = _word(fields, "prompt_harm_label" if task == "user" else "response_harm_label")
    subcategory = _name(fields.get("subcategory"))
    flags = {subcategory: True} if subcategory and subcategory != "benign" and unsafe else {}
    return Reading(Truth(unsafe, flags), about=task)


def _aegis(fields: Fields, _about: About | None) -> Reading:
    """Version 1: three to five annotators, each of whom names Safe, Needs Caution, or categories. More than half of
    those who took a side decide; "Needs Caution" alone takes none."""
    said = [_name(value) for name, value in fields.items() if name.startswith("labels_")]
    votes = [[name for part in one.split(",") if (name := part.strip())] for one in said if one]
    sides = [vote for vote in votes if vote != ["Needs Caution"]]
    unsafe = sum(vote != ["Safe"] for vote in sides)
    counts = Counter(name for vote in sides for name in vote if name not in ("Safe", "Needs Caution"))
    flags = {name: True for name, number in counts.items() if 2 * number > len(sides)}
    verdict = None if 2 * unsafe == len(sides) else 2 * unsafe > len(sides)
    return Reading(Truth(verdict, flags))


def _aegis_messages(fields: Fields) -> tuple[Message, ...]:
    return _said(("assistant" if fields.get("text_type") == "llm_response" else "user", fields["text"]))


def _aegis2(fields: Fields, about: About | None) -> Reading:
    task = about or "user"
    unsafe = _word(fields, "prompt_label" if task == "user" else "response_label")
    violated = _categories(fields.get("violated_categories")) if unsafe else []
    redacted = fields.get("prompt") == "REDACTED"  # its text is elsewhere, and is not to be judged as this word
    return Reading(Truth(None if redacted else unsafe, dict.fromkeys(violated, True)), about=task)


def _categories(value: Json) -> list[str]:
    if missing(value):
        return []
    with suppress(ValueError):
        value = structure(value)
    return names(value) or []


def _simplesafetytests(fields: Fields, _about: About | None) -> Reading:
    return Reading(_unsafe_by_design(fields.get("harm_area")), about="user")


_SPEAKER = re.compile(r"(?:^|\n)\s*(USER|LAMDA)\b[:\s]*")


def _dices(fields: Fields, _about: About | None) -> Reading:
    """One rating of one rater: "Yes" is unsafe, "No" is safe, and "Unsure" no vote."""
    overall = _name(fields.get("Q_overall"))
    vote = {"Yes": True, "No": False}.get(overall or "")
    item = _name(fields.get("item_id"))
    return Reading(Truth(vote), pooled=item, id=item)


def _dices_messages(fields: Fields) -> tuple[Message, ...]:
    _, *parts = _SPEAKER.split(_text(fields.get("context")) or "")
    roles: dict[str, Role] = {"USER": "user", "LAMDA": "assistant"}
    turns = [(roles[who], text.strip()) for who, text in zip(parts[::2], parts[1::2], strict=True)]
    response = _SPEAKER.sub("", _text(fields.get("response")) or "").strip()
    return _said(*turns, ("assistant", response))


# A record is read by the first that it matches: those with rarer fields stand first.
LAYOUTS: dict[str, Layout] = {
    "openai-moderation": Layout(lambda fields: _openai_flags(fields) is not None, _openai),
    "toxicchat": Layout(lambda fields: {"user_input", "toxicity"} <= set(fields), _toxicchat, _toxicchat_messages),
    "beavertails": Layout(lambda fields: "is_safe" in fields and bool(_flags(fields.get("category"))), _beavertails),
    "wildguardtest": Layout(lambda fields: {"prompt_harm_label", "response_harm_label"} <= set(fields), _wildguardtest),
    "aegis": Layout(lambda fields: {"text", "labels_0", "labels_1"} <= set(fields), _aegis, _aegis_messages),
    "aegis2": Layout(lambda fields: {"prompt_label", "violated_categories"} <= set(fields), _aegis2),
    "harmbench": Layout(
        lambda fields: _unlabelled(fields, "Behavior", "SemanticCategory"), _harmbench, _harmbench_messages
    ),
    "simplesafetytests": Layout(lambda fields: _unlabelled(fields, "prompt", "harm_area"), _simplesafetytests),
    "dices": Layout(lambda fields: {"item_id", "Q_overall", "response"} <= set(fields), _dices, _dices_messages),
    "xstest": Layout(lambda fields: {"prompt", "type", "focus"} <= set(fields), _xstest),
}


def of(fields: Fields) -> str | None:
    """The name of the layout that a record has."""
    return next((name for name, layout in LAYOUTS.items() if layout.matches(fields)), None)


def _unlabelled(fields: Fields, *names: str) -> bool:
    """Whether a record has these fields and no label of its own: its set is unsafe by design."""
    return set(names) <= set(fields) and not any(name in fields for name in LABELS)


def _word(fields: Fields, name: str, *, true_is_safe: bool = False) -> bool | None:
    value = fields.get(name)
    return None if missing(value) else unsafe_word(value, name, true_is_safe=true_is_safe)


def _name(value: Json) -> str | None:
    """A value as a name or a word; None if it says nothing."""
    return None if missing(value) else str(value)


def _text(value: Json) -> str | None:
    """A value as what somebody wrote: "None" is a text, and null and NaN are none."""
    return None if empty(value) else str(value)


def _said(*said: tuple[Role, Json]) -> tuple[Message, ...]:
    return tuple(Message(role, str(text)) for role, text in said if text and not empty(text))
