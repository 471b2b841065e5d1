"""Labeled data sets: records → samples with their ground truth, and their categories → a policy's."""

from __future__ import annotations

from guardcli.evaluation.datasets.category_map import CategoryIndex, CategoryMap
from guardcli.evaluation.datasets.dataset import LabeledDataset, Sample, read_dataset
from guardcli.evaluation.datasets.fields import FieldSpec, LabelField, get_field, has_field, missing_field_message
from guardcli.evaluation.datasets.ground_truth import GroundTruth
from guardcli.evaluation.datasets.label_values import Bound
from guardcli.evaluation.datasets.schemas import DATASET_SCHEMAS, DatasetSchema, LabelTarget, detect_schema

__all__ = [
    "DATASET_SCHEMAS",
    "Bound",
    "CategoryIndex",
    "CategoryMap",
    "DatasetSchema",
    "FieldSpec",
    "GroundTruth",
    "LabelField",
    "LabelTarget",
    "LabeledDataset",
    "Sample",
    "detect_schema",
    "get_field",
    "has_field",
    "missing_field_message",
    "read_dataset",
]
