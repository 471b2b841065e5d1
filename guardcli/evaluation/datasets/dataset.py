"""Labeled records → a `LabeledDataset`: conversations up to the labeled message, each with its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from guardcli.conversation import Conversation, Json, Key, Malformed, Message, Record
from guardcli.errors import InputError
from guardcli.evaluation.datasets.fields import (
    FieldSpec,
    has_field,
    missing_field_message,
    read_categories,
    read_label,
)
from guardcli.evaluation.datasets.ground_truth import GroundTruth
from guardcli.evaluation.datasets.schemas import DATASET_SCHEMAS, LabelTarget, ParsedSample, detect_schema

_LABEL_TARGETS: dict[Json, LabelTarget] = {"prompt": "user", "response": "assistant"}  # of a record's own `target`


@dataclass(frozen=True, slots=True)
class Sample:
    """A labeled record. `dataset_names` are the names under which a CategoryMap may have its data set: the record's own
    field `source`, and the file's name without endings."""

    record: Record | Malformed
    ground_truth: GroundTruth
    dataset_names: tuple[str, ...]

    @property
    def unsafe(self) -> bool:
        assert self.ground_truth.unsafe is not None  # records without a label make no samples
        return self.ground_truth.unsafe

    @property
    def key(self) -> Key:
        return self.record.key

    @property
    def fields(self) -> Mapping[str, Json]:
        return self.record.fields

    @property
    def text(self) -> str | None:
        """The labeled message; None if the record could not be read."""
        if isinstance(self.record, Malformed) or not self.record.conversation.messages:
            return None
        return self.record.conversation.messages[-1].content


@dataclass(frozen=True, slots=True)
class LabeledDataset:
    """The samples of one file or several.

    `unreadable` are records that cannot be read and have no label; with a label they are samples. `left_out` counts
    the other records without a sample by reason, `schemas` the records by the public data set that they were read as.
    """

    samples: tuple[Sample, ...]
    unreadable: tuple[Malformed, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    schemas: Counter[str] = field(default_factory=Counter)

    @property
    def num_unsafe(self) -> int:
        return sum(sample.unsafe for sample in self.samples)


def read_dataset(
    records: Iterable[Record | Malformed],
    spec: FieldSpec | None = None,
    *,
    label_target: LabelTarget | None = None,
    truncate: bool = True,
) -> LabeledDataset:
    """Make a sample of every record that has a label.

    Args:
        spec: where labels and categories are; detected where it says nothing.
        label_target: whose last message is judged, regardless of the records.
        truncate: end each conversation with the message that its label is about.

    Raises:
        InputError: a label means neither safe nor unsafe, a record does not have the schema that `spec` names, or no
            record has a field that `spec` names.
    """
    spec = spec or FieldSpec()
    named_fields = _NamedFields(spec)
    samples: dict[object, tuple[Sample, Counter[bool]]] = {}  # with the votes for unsafe and for safe
    left_out: Counter[str] = Counter()
    schemas: Counter[str] = Counter()
    unreadable: list[Malformed] = []
    for number, record in enumerate(records):
        named_fields.observe(record.fields)
        schema, parsed = _parse(record, spec, label_target)
        if isinstance(record, Malformed) and parsed.ground_truth.unsafe is None:
            unreadable.append(record)
            continue
        if schema is not None and spec.label is None:
            schemas[schema] += 1
        group = number if parsed.group_id is None else (record.key.source, parsed.group_id)
        if group not in samples:
            samples[group] = (_sample(record, schema, parsed, label_target, truncate=truncate), Counter())
        if parsed.ground_truth.unsafe is not None:
            samples[group][1][parsed.ground_truth.unsafe] += 1
    named_fields.check()
    labeled = []
    for sample, votes in samples.values():
        if votes[True] == votes[False]:
            left_out["without a label" if not votes else "with as many votes for either label"] += 1
        else:
            ground_truth = replace(sample.ground_truth, unsafe=votes[True] > votes[False])
            labeled.append(replace(sample, ground_truth=ground_truth))
    return LabeledDataset(tuple(labeled), tuple(unreadable), left_out, schemas)


class _NamedFields:
    """Checks that the fields which options name are in some record."""

    def __init__(self, spec: FieldSpec) -> None:
        self._missing: dict[str, str] = {}  # setting → path
        if spec.label is not None:
            self._missing["FieldSpec.label"] = spec.label.path
        if spec.categories is not None:
            self._missing["FieldSpec.categories"] = spec.categories
        self._first: Mapping[str, Json] = {}

    def observe(self, fields: Mapping[str, Json]) -> None:
        if self._missing and fields:
            self._first = self._first or fields
            self._missing = {option: path for option, path in self._missing.items() if not has_field(fields, path)}

    def check(self) -> None:
        """Raise InputError: no record has one of them. Says nothing where no record has any field at all."""
        for option, path in self._missing.items():
            if self._first:
                raise InputError(missing_field_message(option, path, self._first), code="option/field-not-found")


def _parse(
    record: Record | Malformed, spec: FieldSpec, label_target: LabelTarget | None
) -> tuple[str | None, ParsedSample]:
    """The name of the record's schema, and the record parsed by it. A label field in `spec` outranks the schema's."""
    fields = record.fields
    name = spec.schema or detect_schema(fields)
    try:
        if name is None:
            return None, _parse_fields(fields, spec)
        if spec.schema is not None and not DATASET_SCHEMAS[name].matches(fields):
            raise ValueError(f"it is not a record of {name}")
        if spec.label is not None:
            return name, _parse_fields(fields, spec)
        parsed = DATASET_SCHEMAS[name].parse(fields, label_target)
        if spec.categories is not None:
            annotations, exhaustive = read_categories(fields, spec.categories, spec.category_bound)
            ground_truth = GroundTruth(parsed.ground_truth.unsafe, annotations, exhaustive)
            parsed = replace(parsed, ground_truth=ground_truth)
        return name, parsed
    except ValueError as error:
        raise InputError(f"{record.key.location}: {error}", code="eval/invalid-label") from None


def _parse_fields(fields: Mapping[str, Json], spec: FieldSpec) -> ParsedSample:
    """Read a record of no known schema."""
    annotations, exhaustive = read_categories(fields, spec.categories, spec.category_bound)
    unsafe = read_label(fields, spec.label)
    if unsafe is None and spec.label is None and not exhaustive and annotations:
        unsafe = any(annotations.values())  # categories alone, such as a moderation service's
    target = fields.get("target")
    label_target = _LABEL_TARGETS.get(target) if isinstance(target, str) else None
    return ParsedSample(GroundTruth(unsafe, annotations, exhaustive), label_target=label_target)


def _sample(
    record: Record | Malformed, schema: str | None, parsed: ParsedSample, label_target: LabelTarget | None,
    *, truncate: bool,
) -> Sample:  # fmt: skip
    source = record.fields.get("source")
    file = PurePath(record.key.source or "").name.split(".")[0]
    dataset_names = (source, file) if isinstance(source, str) else (file,)
    messages = None if schema is None else DATASET_SCHEMAS[schema].messages
    if messages is not None:
        key = replace(record.key, id=record.key.id or parsed.id)
        record = Record(key, Conversation(messages(record.fields), key.id), record.fields)
    elif truncate and isinstance(record, Record):
        conversation = _truncate_to_target(record.conversation, label_target or parsed.label_target)
        record = replace(record, conversation=conversation)
    return Sample(record, parsed.ground_truth, dataset_names)


def _truncate_to_target(conversation: Conversation, label_target: LabelTarget | None) -> Conversation:
    """The conversation up to the last message of a role; all of it where that role says nothing."""
    messages: tuple[Message, ...] = conversation.messages
    ends = [end for end, message in enumerate(messages, start=1) if message.role == label_target]
    return replace(conversation, messages=messages[: ends[-1]]) if ends else conversation
