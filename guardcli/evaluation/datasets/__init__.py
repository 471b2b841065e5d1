"""What people say of a record: labelled data → items, each with its truth, and how their categories map to a policy's.

It reads the fields that records came with, knows the layouts of public evaluation sets by name, and no model.
"""

from __future__ import annotations

from guardcli.evaluation.datasets.category_map import Categories, Crosswalk
from guardcli.evaluation.datasets.dataset import Item, Labelled, read
from guardcli.evaluation.datasets.fields import Label, Where
from guardcli.evaluation.datasets.fields import absent as absent_field
from guardcli.evaluation.datasets.fields import at as field_at
from guardcli.evaluation.datasets.fields import has as has_field
from guardcli.evaluation.datasets.ground_truth import Truth
from guardcli.evaluation.datasets.label_values import Bound
from guardcli.evaluation.datasets.schemas import LAYOUTS

__all__ = [
    "LAYOUTS",
    "Bound",
    "Categories",
    "Crosswalk",
    "Item",
    "Label",
    "Labelled",
    "Truth",
    "Where",
    "absent_field",
    "field_at",
    "has_field",
    "read",
]
