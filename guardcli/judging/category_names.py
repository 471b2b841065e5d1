"""The names and meanings of the categories in verdict rows, from the taxonomies that the rows were judged by.

A row has the label of a category and the digest of its taxonomy. The name is in the taxonomy itself: a bundled one,
or a file that the caller has loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guardcli.judging.verdict import Provenance
from guardcli.taxonomy import Category, Taxonomy, bundled_taxonomies


def categories_by_label(made_by: Iterable[Provenance], taxonomies: Sequence[Taxonomy] = ()) -> dict[str, Category]:
    """The categories of rows that were made so, by the label that the rows have.

    A taxonomy is one that the model read as the rows' own if their `prompt_digest` is the same. A label that means
    different things in two of them is left out.

    Args:
        taxonomies: Loaded files, which are searched before the bundled taxonomies.
    """
    digests = dict.fromkeys(by.prompt_digest for by in made_by)
    if not digests:
        return {}
    known = [*taxonomies, *map(Taxonomy.load, bundled_taxonomies())]
    categories: dict[str, Category] = {}
    ambiguous = set()
    for digest in digests:
        taxonomy = next((one for one in known if one.prompt_digest == digest), None)
        for category in taxonomy.categories if taxonomy else ():
            if categories.setdefault(category.label, category).name != category.name:
                ambiguous.add(category.label)
    return {label: category for label, category in categories.items() if label not in ambiguous}
