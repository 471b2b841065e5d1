"""Groups the examples of a step by their prefix, so that each prefix is evaluated once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from guardcli.training.config import TrainConfig
from guardcli.training.length_batches import split_by_length
from guardcli.training.sampler import sample_batches
from guardcli.training.tokenizer import TokenizedExample


@dataclass(frozen=True, slots=True)
class PrefixGroup:
    """Tokens that several examples begin with, and the batches of those examples, by index.

    The prefix is empty for examples that do not share one. The examples of a batch are of similar length.
    """

    prefix: tuple[int, ...]
    batches: tuple[tuple[int, ...], ...]


def prefix_labels(examples: Sequence[TokenizedExample]) -> list[int]:
    """A number for each example, the same for examples with the same prefix."""
    numbers: dict[tuple[int, ...], int] = {}
    return [numbers.setdefault(example.prefix, len(numbers)) for example in examples]


def pair_labels(examples: Sequence[TokenizedExample]) -> list[Hashable]:
    """A label for each example, the same for examples of one pair, and its own for one that is of none."""
    return [index if example.pair is None else example.pair for index, example in enumerate(examples)]


def group_by_prefix(examples: Sequence[TokenizedExample], batch_size: int) -> list[PrefixGroup]:
    """Group examples by their prefix, in the order of first appearance, in batches of up to `batch_size`.

    ::

        prefix + body      P+3  Q+9  P+1  P+2  R+4         5 examples, batch_size 2
        groups             P: [1] [2 3]   (): [R+4 Q+9]    Q and R begin one example each, so nothing is shared
    """
    by_prefix: dict[tuple[int, ...], list[int]] = {}
    for index, example in enumerate(examples):
        by_prefix.setdefault(example.prefix, []).append(index)
    groups: dict[tuple[int, ...], list[int]] = {}
    for prefix, indices in by_prefix.items():
        groups.setdefault(prefix if len(indices) > 1 else (), []).extend(indices)
    return [PrefixGroup(prefix, _batches(examples, indices, batch_size)) for prefix, indices in groups.items()]


def _batches(
    examples: Sequence[TokenizedExample], indices: Sequence[int], batch_size: int
) -> tuple[tuple[int, ...], ...]:
    rising = sorted(indices, key=lambda at: len(examples[at].tokens))
    batches = split_by_length([len(examples[at].tokens) for at in rising], batch_size)
    return tuple(tuple(rising[at] for at in batch) for batch in batches)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens of an epoch: in the prefixes of all examples, in what follows them, and how many are evaluated."""

    prefix: int
    body: int
    evaluated: int

    @property
    def total(self) -> int:
        """The tokens of all examples: those that would be evaluated if no prefix were shared."""
        return self.prefix + self.body

    @classmethod
    def from_examples(cls, examples: Sequence[TokenizedExample], config: TrainConfig) -> TokenCounts:
        """Count the tokens of the first epoch of a run. Padding is not counted."""
        num_left, evaluated = len(examples), 0
        sampled = sample_batches(
            prefix_labels(examples),
            pairs=pair_labels(examples),
            batch_size=config.effective_batch_size,
            epochs=1.0,
            seed=config.seed,
        )
        for indices in sampled:
            step = [examples[index] for index in indices[:num_left]]  # the last step crosses into the next epoch
            num_left -= len(step)
            for group in group_by_prefix(step, config.batch_size):
                bodies = [step[index].evaluated for batch in group.batches for index in batch]
                evaluated += len(group.prefix) + sum(len(tokens) - len(group.prefix) for tokens in bodies)
        prefix = sum(example.prefix_length for example in examples)
        return cls(prefix=prefix, body=sum(len(example.tokens) for example in examples) - prefix, evaluated=evaluated)
