"""Whether a model answers with verdicts at all: judged by its first prompts, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.judging.assembly import LOW_MASS
from guardcli.judging.scoring import PromptScore

FIRST_PROMPTS, MIN_PROMPTS = 16, 4  # over how many it is made sure; and the least


@dataclass(slots=True)
class AnswerCheck:
    """What a model answered to its first prompts."""

    path: Path
    template: str
    num_prompts: int = 0
    low: int = 0
    mass: float = 1.0

    def observe(self, outcomes: Sequence[PromptScore]) -> None:
        """Raise ModelError as soon as most of a few prompts were about to be answered with something else."""
        for outcome in outcomes:
            if self.num_prompts < FIRST_PROMPTS and outcome.error is None:
                self.num_prompts += 1
                if outcome.mass < LOW_MASS:
                    self.low, self.mass = self.low + 1, outcome.mass
        if self.num_prompts >= MIN_PROMPTS:
            self.finish()

    def finish(self) -> None:
        """The same, however few prompts there were."""
        if 2 * self.low > self.num_prompts:
            raise ModelError(
                f"{self.path} does not answer with a verdict: P(safe) + P(unsafe) is {self.mass:.2g} where "
                f"{self.template} writes one. It is another model, or needs another --template; "
                "--force judges all the same."
            )
