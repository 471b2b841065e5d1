"""New ids for categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from guardcli.taxonomy.types import Category


def number_from_one(categories: Sequence[Category]) -> tuple[Category, ...]:
    """Give the categories new ids, counted from 1, with the letter of the first one: S4, S2 become S1, S2."""
    letter = categories[0].id[0]
    return tuple(replace(category, id=f"{letter}{number}") for number, category in enumerate(categories, start=1))
