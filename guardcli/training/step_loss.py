"""The loss of a step: which tokens of an answer count how much, and the means that the log shows.

::

    answer      \n\n   unsafe   \n S 9 , S 1 <|eot_id|>
    weight      ids    verdict  ids …                       each times the weight of the example

The loss is the mean cross-entropy of these tokens, weighted so. With weights of 1 it is their plain mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guardcli.training.config import TrainConfig
from guardcli.training.tokenizer import TokenizedExample


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """What a token of an answer counts: the weight of its example, and whether it is of the verdict."""

    example_weight: float
    is_verdict: bool

    def loss_weight(self, config: TrainConfig) -> float:
        """The factor of this token's cross-entropy in the loss of its step."""
        return self.example_weight * (config.verdict_weight if self.is_verdict else config.ids_weight)


def answer_tokens(example: TokenizedExample) -> list[AnswerToken]:
    """The tokens of an example's answer, in order."""
    verdict = range(example.verdict_index, example.verdict_index + example.verdict_length)
    return [AnswerToken(example.weight, at in verdict) for at in range(example.prompt_length, len(example.tokens))]


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The mean cross-entropy of a step's answers in nats a token.

    `verdict` is that of the verdicts' tokens and `ids` that of all others, weighted by their examples. `total`, which
    training minimizes, has both by the weights of the configuration.
    """

    total: float
    verdict: float
    ids: float

    @classmethod
    def from_tokens(cls, tokens: Iterable[tuple[AnswerToken, float]], config: TrainConfig) -> StepLoss:
        """The means over tokens, each with its cross-entropy."""
        losses = list(tokens)
        return cls(
            total=_mean((token.loss_weight(config), loss) for token, loss in losses),
            verdict=_mean((token.example_weight, loss) for token, loss in losses if token.is_verdict),
            ids=_mean((token.example_weight, loss) for token, loss in losses if not token.is_verdict),
        )


def _mean(weighted: Iterable[tuple[float, float]]) -> float:
    """The weighted mean of values, given as (weight, value); 0 without values."""
    total = total_weight = 0.0
    for weight, value in weighted:
        total += weight * value
        total_weight += weight
    return total / total_weight if total_weight else 0.0
