"""What people say of a record: labelled data → items, each with its truth, and how their categories map to a policy's.

It reads the fields that records came with, knows the layouts of public evaluation sets by name, and no model.
"""

from __future__ import annotations

from guardcli.labels.crosswalk import Categories, Crosswalk
from guardcli.labels.items import Item, Labelled, read
from guardcli.labels.layouts import LAYOUTS
from guardcli.labels.places import Label, Where
from guardcli.labels.places import absent as absent_field
from guardcli.labels.places import at as field_at
from guardcli.labels.places import has as has_field
from guardcli.labels.truth import Truth
from guardcli.labels.values import Bound

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
