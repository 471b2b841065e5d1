"""A taxonomy: the categories a model judges by, and how a verdict is made of its scores.

Written as YAML by its user and read strictly, with every problem at its line. It knows neither prompts nor
models: which ids a generation can write, and how a category reads in its prompt, is decided above.
"""

from __future__ import annotations

from guardcli.taxonomy.files import bundled_taxonomies
from guardcli.taxonomy.taxonomy import Taxonomy
from guardcli.taxonomy.types import Category, Example, Location, PolicyTest

__all__ = ["Category", "Example", "Location", "PolicyTest", "Taxonomy", "bundled_taxonomies"]
