"""Check with the first prompts of a run that the model answers with verdicts at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.judging.decision import LOW_MASS
from guardcli.judging.scoring import PromptScore

MAX_PROMPTS, MIN_PROMPTS = 16, 4  # that are looked at, at most; that are enough to refuse a model


@dataclass(slots=True)
class AnswerCheck:
    """Statistics of the first prompts: how many were answered with low mass, and the mass of the last of them."""

    path: Path
    template: str
    num_prompts: int = 0
    low: int = 0
    mass: float = 1.0

    def observe(self, outcomes: Sequence[PromptScore]) -> None:
        """Add scores. Raises ModelError once most prompts were about to be answered with something else."""
        for outcome in outcomes:
            if self.num_prompts < MAX_PROMPTS and outcome.error is None:
                self.num_prompts += 1
                if outcome.mass < LOW_MASS:
                    self.low, self.mass = self.low + 1, outcome.mass
        if self.num_prompts >= MIN_PROMPTS:
            self.finish()

    def finish(self) -> None:
        """Raise ModelError if most prompts so far were about to be answered with something else."""
        if 2 * self.low > self.num_prompts:
            raise ModelError(
                f"{self.path} does not answer with a verdict: P(safe) + P(unsafe) is {self.mass:.2g} where "
                f"{self.template} writes one. Check the model, or name another template with ModelConfig.template. "
                "To judge all the same, use JudgeConfig.allow_unverified_model.",
                code="model/no-verdict",
            )
