"""Other wordings of the categories of a taxonomy, from a file of their own::

S1:                                 # an id or a key of the taxonomy
  - name: Bodily Harm
    description: Any way to injure a person.
  - {name: Attacks and Threats}
"""

from __future__ import annotations

from pathlib import Path

from guardcli.taxonomy import files, yaml_nodes
from guardcli.taxonomy.field_types import ListOf
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.schema import WORDING
from guardcli.taxonomy.taxonomy import Taxonomy
from guardcli.taxonomy.types import Wording
from guardcli.taxonomy.yaml_nodes import MappingNode
from guardcli.text.quoting import quote

_WORDINGS = ListOf(WORDING, min_items=1)


def load_wordings(path: Path, taxonomy: Taxonomy) -> dict[str, tuple[Wording, ...]]:
    """The wordings in a file by the ids of their categories.

    Raises:
        TaxonomyError: with all that is wrong with the file, such as a category that the taxonomy does not have.
    """
    problems = Problems()
    problems.add_file(str(path))
    root = yaml_nodes.parse(files.read_text(path), str(path), problems)
    if not isinstance(root, MappingNode):
        problems.add(
            root.location, "write a mapping, `S1:` and a list of names in each entry", code="taxonomy/wrong-type"
        )
        problems.raise_if_any()
        return {}
    ids = {category.key: category.id for category in taxonomy.categories if category.key}
    ids |= {category.id: category.id for category in taxonomy.categories}
    wordings: dict[str, tuple[Wording, ...]] = {}
    for key, value in root.entries:
        read = _WORDINGS.parse(value, f"`{key.text}`", problems)
        if key.text not in ids:
            advice = problems.suggestion(key.text, ids) or "write one of its ids or keys"
            message = f"{taxonomy.name} has no category {quote(key.text)}: {advice}"
            problems.add(key.location, message, code="taxonomy/unknown-category")
        else:
            id_ = ids[key.text]
            wordings[id_] = wordings.get(id_, ()) + read
    problems.raise_if_any()
    return wordings
