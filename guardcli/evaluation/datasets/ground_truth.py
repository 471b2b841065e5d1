"""What annotators said of one message: unsafe or not, and which categories apply."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The labels of one sample.

    `unsafe` is None where nobody labeled the message. `annotations` are categories by the data set's own names: True
    applies, False does not.

    `exhaustive`: the categories came as a list, so a category that is missing does not apply. Otherwise a missing
    category was not annotated, and nothing is known of it.
    """

    unsafe: bool | None
    annotations: Mapping[str, bool] = field(default_factory=dict)
    exhaustive: bool = True

    def applies(self, names: Collection[str]) -> bool | None:
        """Whether one of several native categories applies; None where that is not annotated.

        No category applies to a safe message: some sets file benign prompts under the category that they look like.
        """
        if self.unsafe is not False and any(self.annotations.get(name) for name in names):
            return True
        if self.exhaustive:  # an unsafe sample that lists nothing says nothing about categories
            return False if self.unsafe is False or any(self.annotations.values()) else None
        return False if names and all(name in self.annotations for name in names) else None
