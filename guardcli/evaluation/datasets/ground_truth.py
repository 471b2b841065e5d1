"""The Truth: what annotators said of one message, of all and by category, and what they did not say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Truth:
    """`unsafe` is None where nobody said. `flags` are categories by their native names: True applies, False does not.

    `listed`: the categories came as a list, so that one that is missing does not apply; else it is not annotated.
    """

    unsafe: bool | None
    flags: Mapping[str, bool] = field(default_factory=dict)
    listed: bool = True

    def holds(self, names: Collection[str]) -> bool | None:
        """Whether one of several native categories applies; None where that is not annotated. None does to the safe:
        some sets file their benign prompts under the category that they look like."""
        if self.unsafe is not False and any(self.flags.get(name) for name in names):
            return True
        if self.listed:  # an unsafe item that lists nothing tells nothing about categories
            return False if self.unsafe is False or any(self.flags.values()) else None
        return False if names and all(name in self.flags for name in names) else None
