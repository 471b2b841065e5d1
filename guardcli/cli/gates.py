"""The gates of an evaluation, for CI: the least and the most that figures may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from guardcli.cli.limits import CountOrFraction, CountOrFractionOption
from guardcli.cli.probability import Probability
from guardcli.evaluation import SystemResult

F = TypeVar("F", bound=Callable[..., Any])

_MIN_METRICS = {"auprc": "AUPRC", "auroc": "AUROC", "f1": "F1", "precision": "precision", "recall": "recall"}
_MAX_METRICS = {"fpr": "false positive rate"}
_NEEDED_LABELS = {  # which labels a figure is made of
    "auprc": (True, False), "auroc": (True, False), "f1": (True,), "precision": (True,), "recall": (True,),
    "fpr": (False,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gates:
    """`least` and `most` are limits of figures by name; `errors` is how many may be left unjudged, none if None.

    A gate without the labels that it is measured by is an error, and neither met nor missed: see `unmeasurable`.
    """

    least: dict[str, float]
    most: dict[str, float]
    errors: CountOrFraction | None

    def missed(self, result: SystemResult) -> Iterator[str]:
        """What a system misses, in words. A figure that there is none of misses its gate, such as the precision of a
        system that flags nothing."""
        for limits, words, sign in ((self.least, _MIN_METRICS, 1), (self.most, _MAX_METRICS, -1)):
            for name, limit in limits.items():
                figure = getattr(result.metrics, name)
                if figure is None:
                    yield f"{result.system.name}: there is no {words[name]}, and a gate asks for it"
                elif sign * figure.value < sign * limit:
                    side = "below" if sign > 0 else "above"
                    yield f"{result.system.name}: {words[name]} is {figure.value:.4f}, {side} {limit:g}"

    def unmeasurable(self, labels: Iterable[bool]) -> Iterator[str]:
        """The gates that cannot be measured on such labels, and why."""
        there = set(labels)
        for side, limits in (("min", self.least), ("max", self.most)):
            for name in limits:
                for label in _NEEDED_LABELS[name]:
                    if label not in there:
                        yield f"--{side}-{name} needs {'unsafe' if label else 'safe'} records, and there are none"

    def too_many_errors(self, result: SystemResult, unreadable: int) -> bool:
        """Whether more is left unjudged than may be, with records that could not even be read."""
        metrics = result.metrics
        return (self.errors or CountOrFraction(0)).is_exceeded(
            metrics.num_errors + unreadable, metrics.num_samples + unreadable
        )


def gate_options(command: F) -> F:
    """Give a command the gates as options; it gets them as `gates`."""

    @wraps(command)
    def with_gates(*args: Any, max_errors: CountOrFraction | None, **options: Any) -> Any:
        least = {name: limit for name in _MIN_METRICS if (limit := options.pop(f"min_{name}")) is not None}
        most = {name: limit for name in _MAX_METRICS if (limit := options.pop(f"max_{name}")) is not None}
        return command(*args, gates=Gates(least, most, max_errors), **options)

    wrapped: Any = with_gates
    wrapped = click.option(
        "--max-errors",
        type=CountOrFractionOption(),
        metavar="N|P%",
        help="Exit with 3 only if more could not be judged.",
    )(wrapped)
    for side, words in (("max", _MAX_METRICS), ("min", _MIN_METRICS)):
        for name, word in reversed(words.items()):
            help_ = f"Exit with 1 if a system's {word} is {'lower' if side == 'min' else 'higher'}."
            wrapped = click.option(f"--{side}-{name}", type=Probability(), metavar="P", help=help_)(wrapped)
    gated: F = wrapped
    return gated
