"""A labeled sample of a data set as training needs it: its turns, and the ids of the policy that it violates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from guardcli.conversation import Key, Malformed, Role
from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, LabelTarget, Sample
from guardcli.prompts.turns import SPEAKERS, NothingToJudge, Speaker, Turn, judged, turns
from guardcli.taxonomy import Taxonomy


class UnusableSample(ValueError):
    """A sample cannot be trained on. The message gives the reason in words that many samples may share."""


@dataclass(frozen=True, slots=True)
class LabeledConversation:
    """A conversation whose last turn is judged, and the ids that it violates, in the policy's order; safe if none.

    `complete` says that each category of the sample has an id in the policy, so that the conversation violates nothing
    else. `weight` is what it counts in training, and `pair` names the contrast pair that it is of.
    """

    key: Key
    turns: tuple[Turn, ...]
    violated: tuple[str, ...]
    complete: bool = True
    weight: float = 1.0
    pair: str | None = None

    @classmethod
    def from_sample(
        cls,
        sample: Sample,
        taxonomy: Taxonomy,
        category_map: CategoryMap,
        *,
        target: LabelTarget | None = None,
        as_user: Collection[Role] = (),
        speakers: Collection[Speaker] = SPEAKERS,
        weight: float = 1.0,
        pair: str | None = None,
    ) -> LabeledConversation:
        """Take a sample up to the message that is judged.

        `target` says whose last message that is; None means the last message. Messages of the roles in `as_user` are
        read as a user's. `speakers` are those whose messages the model to train judges.

        Raises:
            UnusableSample: there is nothing to judge, or the sample is unsafe and the policy has none of its
                categories.
        """
        record = sample.record
        if isinstance(record, Malformed):
            raise UnusableSample(f"it cannot be read: {record.reason}")
        all_turns = turns(record.conversation, as_user)
        try:
            (turn,) = judged(all_turns, target or "last", speakers)
        except NothingToJudge as reason:
            raise UnusableSample(str(reason)) from None
        violated, complete = _violated(sample, taxonomy, category_map)
        shown = all_turns.shown
        return cls(record.key, shown[: shown.index(turn) + 1], violated, complete, weight, pair)


def _violated(sample: Sample, taxonomy: Taxonomy, category_map: CategoryMap) -> tuple[tuple[str, ...], bool]:
    """The ids that a sample violates, and whether they are all that it violates.

    A safe sample violates none, even if it names categories: some data sets file benign prompts under the category that
    they resemble.
    """
    if not sample.unsafe:
        return (), True
    categories = CategoryIndex.from_taxonomy(taxonomy)
    native_names = [name for name, applies in sample.ground_truth.annotations.items() if applies]
    group = category_map.dataset_key(sample.dataset_names)
    labels = [category_map.label(name, group, categories) for name in native_names]
    if not any(labels):
        raise UnusableSample(
            f"it is unsafe, and the policy has none of its categories: {', '.join(native_names) or 'it names none'}"
        )
    return tuple(category.id for category in taxonomy.categories if category.label in labels), None not in labels
