"""Taxonomies: the categories that a model judges by, and the thresholds that make verdicts of its scores.

    taxonomy = Taxonomy.load("policy.yaml")     # or the name of a bundled one, such as "llama-guard-3"
    taxonomy.categories[0].label                # "self-harm"

A file is parsed strictly, in these steps. Every problem has a line, a column and a code.

    files        name or path → text
    yaml_nodes   text → nodes that keep their location (dict_nodes: dict → the same nodes)
    parser       nodes → Draft, by the field tables in schema
    inheritance  Draft and its parents → categories and tests
    taxonomy     Taxonomy, with its digests
"""

from __future__ import annotations

from guardcli.taxonomy.files import bundled_taxonomies
from guardcli.taxonomy.numbering import number_from_one
from guardcli.taxonomy.taxonomy import Taxonomy
from guardcli.taxonomy.types import Category, Example, Location, Need, PolicyTest, PolicyTestMessage, Wording
from guardcli.taxonomy.wordings import load_wordings

__all__ = [
    "Category",
    "Example",
    "Location",
    "Need",
    "PolicyTest",
    "PolicyTestMessage",
    "Taxonomy",
    "Wording",
    "bundled_taxonomies",
    "load_wordings",
    "number_from_one",
]
