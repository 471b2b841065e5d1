"""Temperature scaling (Guo et al., 2017): the log-odds of a score are divided by a temperature, fitted on labels.

    calibrated = sigmoid(logit(score) / temperature)

A temperature above 1 takes confidence away, one below 1 adds some. The order of scores stays, and so does 0.5.

There is one parameter, and no bias as in Platt scaling (a + b · logit). A bias would mostly learn how many of the
labeled records are unsafe, which is a property of the sample: labeled sets are often balanced, and chats are not. Where
to cut is the threshold's part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0

_MAX_LOG_ODDS = 36.0  # a larger score is rounded to 1 in float64, and would have infinite log-odds
_STEPS = 40  # of a bisection that ends within 2e-11 of 1 / temperature
_DIGITS = 6  # of a fitted temperature


def log_odds(probability: float) -> float:
    """The logit of a probability; infinite for 0 and 1."""
    if 0 < probability < 1:
        return math.log(probability) - math.log1p(-probability)
    return math.inf if probability >= 1 else -math.inf


def apply_temperature(score: float, temperature: float) -> float:
    """The calibrated score, in [0, 1] like `score`. A temperature of 1 changes no bit."""
    return score if temperature == 1 else _sigmoid(log_odds(score) / temperature)


def log_loss(labels: Sequence[bool], scores: Sequence[float], *, temperature: float = 1.0) -> float:
    """The mean negative log-likelihood, in nats, of labels (n,) by the calibrated scores (n,); True is unsafe."""
    odds = _clipped_log_odds(scores)
    return math.fsum(
        _softplus((-one if unsafe else one) / temperature) for one, unsafe in zip(odds, labels, strict=True)
    ) / len(odds)


def fit_temperature(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """The temperature that minimizes the log-loss of labels (n,), True is unsafe, by scores (n,) in [0, 1].

    The loss is convex in 1 / temperature, so it is lowest where its derivative changes its sign. That is found by
    bisection between MIN_TEMPERATURE and MAX_TEMPERATURE, and rounded to six digits: equal data, equal temperature.

    Raises:
        ValueError: there is no such temperature: labels of one kind only, scores that do not separate them, or
            scores that are all on the right side of 0.5.
    """
    num_unsafe = sum(labels)
    if num_unsafe in (0, len(labels)):
        raise ValueError(f"expected safe and unsafe records, got {len(labels) - num_unsafe:,} and {num_unsafe:,}")
    odds = _clipped_log_odds(scores)

    def slope(inverse: float) -> float:
        """n times the derivative of the log-loss by 1 / temperature."""
        return math.fsum(one * (_sigmoid(one * inverse) - unsafe) for one, unsafe in zip(odds, labels, strict=True))

    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    if slope(low) >= 0:
        raise ValueError("the scores do not tell unsafe records from safe ones")
    if slope(high) <= 0:
        raise ValueError("the scores are right about all records, or almost: any more confidence would fit better")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(f"{2 / (low + high):.{_DIGITS}g}")


def _sigmoid(odds: float) -> float:
    # Of the two forms of the logistic function, the one that cannot overflow.
    return 1 / (1 + math.exp(-odds)) if odds >= 0 else math.exp(odds) / (1 + math.exp(odds))


def _softplus(value: float) -> float:
    """log(1 + exp(value)), without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _clipped_log_odds(scores: Sequence[float]) -> list[float]:
    return [min(max(log_odds(score), -_MAX_LOG_ODDS), _MAX_LOG_ODDS) for score in scores]
