"""A labelled item as it is trained on: the turns up to the judged one, and the policy's ids that it violates.

`guardcli.evaluation.datasets` finds the labels, and maps the categories of a data set to those of a policy. An item
that cannot be used is told with the reason; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from guardcli.conversation import Key, Malformed, Role
from guardcli.evaluation.datasets import Categories, Crosswalk, Item
from guardcli.evaluation.datasets.schemas import About
from guardcli.prompts.turns import NothingToJudge, Turn, judged, turns
from guardcli.taxonomy import Taxonomy


class Unusable(ValueError):
    """An item that is no training example; the message says why, in words that many items may share."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A conversation, of which the last of `shown` is judged, and the ids that it violates in the policy's order; none
    make it safe. `complete`: each of its categories has an id, so without those ids it violates nothing."""

    key: Key
    shown: tuple[Turn, ...]
    violated: tuple[str, ...]
    complete: bool = True

    @classmethod
    def of(
        cls,
        item: Item,
        taxonomy: Taxonomy,
        crosswalk: Crosswalk,
        *,
        about: About | None = None,
        as_user: Collection[Role] = (),
    ) -> Labelled:
        """`about` says whose last message is judged; None: the last of all, up to which the item goes.

        Raises:
            Unusable: there is nothing to judge, or no category that the policy has.
        """
        record = item.record
        if isinstance(record, Malformed):
            raise Unusable(f"it cannot be read: {record.reason}")
        all_turns = turns(record.conversation, as_user)
        try:
            (turn,) = judged(all_turns, about or "last")
        except NothingToJudge as reason:
            raise Unusable(str(reason)) from None
        violated, complete = _violated(item, taxonomy, crosswalk)
        shown = all_turns.shown
        return cls(record.key, shown[: shown.index(turn) + 1], violated, complete)


def _violated(item: Item, taxonomy: Taxonomy, crosswalk: Crosswalk) -> tuple[tuple[str, ...], bool]:
    """The ids that an item violates, and whether they are all that it violates. The safe may name categories: some sets
    file their benign prompts under the one that they look like."""
    if not item.unsafe:
        return (), True
    categories = Categories.of(taxonomy)
    native = [name for name, applies in item.truth.flags.items() if applies]
    found = [crosswalk.label(name, crosswalk.group(item.groups), categories) for name in native]
    if not any(found):
        raise Unusable(
            f"it is unsafe, and the policy has none of its categories: {', '.join(native) or 'it names none'}"
        )
    return tuple(category.id for category in taxonomy.categories if category.label in found), None not in found
