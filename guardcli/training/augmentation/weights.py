"""The weights of examples: read from a field of their record, and balanced between the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from guardcli.conversation import Json
from guardcli.errors import InputError
from guardcli.evaluation.datasets import get_field
from guardcli.evaluation.datasets.label_values import abbreviate, is_missing, parse_number
from guardcli.training.augmentation.example import TrainingExample


def read_weight(fields: Mapping[str, Json], path: str) -> float:
    """The weight at a path of a record; 1 if the record has none.

    Raises:
        ValueError: the value is not a finite number greater than 0.
    """
    value = get_field(fields, path)
    if is_missing(value):
        return 1.0
    weight = parse_number(value)
    if weight is None or weight <= 0:
        raise ValueError(f"its {path} is {abbreviate(value)}: expected a number greater than 0")
    return weight


def balance_labels(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    """Scale the weights so that safe and unsafe examples have the same sum. The sum of all weights stays.

    Three safe examples and one unsafe one, each of weight 1, get 2/3, 2/3, 2/3 and 2.

    Raises:
        InputError: all examples have one label.
    """
    sums = {"safe": 0.0, "unsafe": 0.0}
    for example in examples:
        sums[example.label] += example.weight
    if examples and not all(sums.values()):
        raise InputError(
            f"all {len(examples):,} examples are {examples[0].label}: PrepareConfig.balance needs safe and unsafe ones",
            code="eval/one-class",
        )
    total = sum(sums.values())
    return [replace(example, weight=example.weight * total / (2 * sums[example.label])) for example in examples]
