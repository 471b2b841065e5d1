"""The gates of `guard eval` for CI: bounds on metrics, such as `--min-auprc 0.9` and `--max-fpr 0.05`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from guardcli.cli.limits import CountOrFraction, CountOrFractionOption
from guardcli.cli.probability import Probability
from guardcli.evaluation import GateResult, SystemResult
from guardcli.evaluation.gates import GateSide
from guardcli.evaluation.metrics import Interval

F = TypeVar("F", bound=Callable[..., Any])

_MIN_METRICS = {"auprc": "AUPRC", "auroc": "AUROC", "f1": "F1", "precision": "precision", "recall": "recall"}
_MAX_METRICS = {"fpr": "false positive rate"}
_NEEDED_LABELS = {  # True is unsafe; without a sample of these labels the metric is undefined
    "auprc": (True, False),
    "auroc": (True, False),
    "f1": (True,),
    "precision": (True,),
    "recall": (True,),
    "fpr": (False,),
}


@dataclass(frozen=True, slots=True)
class Gates:
    """Bounds that each system must meet.

    Without the labels that a metric needs, its gate is neither met nor missed: that is an error, see
    `find_unmeasurable`.

    Attributes:
        minima: The lower bounds by metric.
        maxima: The upper bounds by metric.
        max_errors: How many samples may be left unjudged; none if None.
    """

    minima: dict[str, float]
    maxima: dict[str, float]
    max_errors: CountOrFraction | None

    def check(self, result: SystemResult) -> Iterator[GateResult]:
        """Check each gate for a system."""
        sides: tuple[tuple[GateSide, dict[str, float], dict[str, str]], ...] = (
            ("min", self.minima, _MIN_METRICS),
            ("max", self.maxima, _MAX_METRICS),
        )
        for side, limits, words in sides:
            for name, limit in limits.items():
                interval: Interval | None = getattr(result.metrics, name)
                yield GateResult(
                    system=result.system.name,
                    metric=words[name],
                    side=side,
                    limit=limit,
                    value=None if interval is None else interval.value,
                )

    def find_unmeasurable(self, labels: Iterable[bool]) -> Iterator[str]:
        """Describe each gate whose metric is undefined because these labels are all safe, or all unsafe."""
        present = set(labels)
        for side, limits in (("min", self.minima), ("max", self.maxima)):
            for name in limits:
                for label in _NEEDED_LABELS[name]:
                    if label not in present:
                        yield f"--{side}-{name} needs {'unsafe' if label else 'safe'} records, but there are none"

    def exceeds_max_errors(self, result: SystemResult, num_unreadable: int) -> bool:
        """Return whether more records are unjudged or unreadable than `max_errors` allows."""
        metrics = result.metrics
        return (self.max_errors or CountOrFraction(0)).is_exceeded(
            metrics.num_errors + num_unreadable, metrics.num_samples + num_unreadable
        )


def gate_options(command: F) -> F:
    """Add the options of gates; the command gets them as `gates`."""

    @wraps(command)
    def with_gates(*args: Any, max_errors: CountOrFraction | None, **options: Any) -> Any:
        minima = {name: limit for name in _MIN_METRICS if (limit := options.pop(f"min_{name}")) is not None}
        maxima = {name: limit for name in _MAX_METRICS if (limit := options.pop(f"max_{name}")) is not None}
        return command(*args, gates=Gates(minima, maxima, max_errors), **options)

    wrapped: Any = with_gates
    wrapped = click.option(
        "--max-errors",
        type=CountOrFractionOption(),
        metavar="N|P%",
        help="Exit with 3 if more records could not be judged.  [default: 0]",
    )(wrapped)
    for side, words in (("max", _MAX_METRICS), ("min", _MIN_METRICS)):
        for name, word in reversed(words.items()):
            help_ = f"Exit with 1 if the {word} is {'lower' if side == 'min' else 'higher'}."
            wrapped = click.option(f"--{side}-{name}", type=Probability(), metavar="P", help=help_)(wrapped)
    decorated: F = wrapped
    return decorated
