"""Examples → batches: which rows, under which lists of categories, with what the model should answer.

An unsafe row is shown with and without its own category, under lists of equal length: a model that is shown lists of
different lengths learns to count them. It knows ids and targets, and no weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from guardcli.prompts.turns import SPEAKERS
from starter.data import HAZARDS, Floats
from starter.draws import Draws, Example
from starter.model import Batch
from starter.prompts import FULL, NUMBERS, Listed, Prompts

ELSEWHERE = HAZARDS + 1  # the line of what is in none
LIKELIER = 2.0  # the higher, the less it counts that an unlikelier hazard is listed


def listed_share(hazards: Floats, listed: Sequence[int]) -> float:
    """How much of what a text is stands in a list: by the likeliest hazard that is listed, beside the likeliest of all.

    Not by the sum of the listed: under half of a list, it calls whatever is unsure half as unsafe. And of two hazards
    in one text, either is enough.
    """
    highest = float(hazards.max())
    return (max(float(hazards[hazard - 1]) for hazard in listed) / highest) ** LIKELIER if highest > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What should come out, by row: P(unsafe) and the numbers under the list, P(unsafe) and hazards under all; of each
    token the hazard in whose line it stands, 0 for the first token, ELSEWHERE in no line (rows, head + body); how much
    the pointer should look at each of these, at the first token for what is not listed (rows, HAZARDS + 2)."""

    unsafe: Tensor
    numbers: Tensor
    all_unsafe: Tensor
    hazards: Tensor
    lines: Tensor
    look: Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """Shares of what is drawn at random, the tokens of a batch, and how many rows are drawn to be parted by length;
    `about` are those of the two hazards that a pair of lists differs in."""

    tokens: int = 3500
    pool: int = 160
    part_lists: float = 0.5
    about: float = 0.6
    context: float = 0.15
    noise: float = 0.1
    renumbered: float = 0.12
    shuffled: float = 0.3
    renamed: float = 0.15


@dataclass(frozen=True, slots=True)
class Answer:
    """To a row under a list: the ids that the model is shown of it, how much of what the row is stands in the list,
    P(unsafe), and P(answer) of the numbers, summing to that (answers)."""

    ids: list[int]
    share: float
    unsafe: float
    numbers: Floats


@dataclass(frozen=True, slots=True)
class Bodies:
    """What follows the categories, up to the verdict, of any rows: ids (rows, body), padded behind, true lengths,
    P(unsafe), P(hazard | unsafe) (rows, HAZARDS)."""

    ids: Tensor
    lengths: Tensor
    unsafe: Tensor
    hazards: Tensor


class Batches:
    """An endless stream of batches."""

    def __init__(
        self, examples: Sequence[Example], turns: Sequence[list[int]], prompts: Prompts, *, seed: int,
        renames: Sequence[Sequence[str]] = (), sampling: Sampling = Sampling(),
    ) -> None:  # fmt: skip
        self._prompts, self._turns, self._sampling, self._renames = prompts, turns, sampling, renames
        self._random = np.random.default_rng(seed)
        self._draws = [Draws([example for example in examples if example.speaker == speaker]) for speaker in SPEAKERS]
        weights = np.array([draws.weight for draws in self._draws])
        self._speakers = weights / weights.sum()

    def __iter__(self) -> Iterator[tuple[Batch, Targets]]:
        pool: list[tuple[Batch, Targets]] = []
        while True:
            if not pool:
                pool = [batch for _ in range(4) for batch in self._pool()]
                self._random.shuffle(pool)
            yield pool.pop()

    def bodies(self, count: int, *, longest: int) -> Iterator[Bodies]:
        """Endlessly, `count` rows of about the same length with no list before them, each in its `longest` last
        tokens, behind the marker and before what leads to the verdict."""
        random = self._random
        while True:
            drawn = random.choice(len(self._draws), size=4 * count, p=self._speakers)
            rows = [self._draws[at].any(random) for at in drawn]
            said = [self._shown(row)[-longest:] for row in rows]
            order = np.argsort([len(ids) for ids in said], kind="stable").reshape(4, count)
            for part in random.permutation(order):
                shown = [[self._prompts.marker, *said[at], *self._prompts.after(rows[at].speaker)] for at in part]
                hazards = torch.from_numpy(np.stack([rows[at].hazards for at in part]))
                yield Bodies(*padded(shown), torch.tensor([rows[at].unsafe for at in part]), hazards)

    def _pool(self) -> Iterator[tuple[Batch, Targets]]:
        """Batches of rows of about the same length; if under lists of a part of the categories, most of the rows are of
        the two that the lists differ in."""
        random, sampling = self._random, self._sampling
        draws = self._draws[int(random.choice(len(self._draws), p=self._speakers))]
        pair = draws.pair(random) if random.random() < sampling.part_lists else None
        rows = [
            draws.of(pair, random) if pair and random.random() < sampling.about else draws.any(random)
            for _ in range(sampling.pool)
        ]
        said = sorted(((self._shown(row), row) for row in rows), key=lambda shown: len(shown[0]))
        while said:
            listed = self._lists(*pair) if pair else [FULL]
            width = len(said[-1][0]) + 12
            count = max(4, sampling.tokens // (width * len(listed)))
            chosen, said = said[-count:], said[:-count]
            yield self.batch(chosen, listed)

    def _shown(self, example: Example) -> list[int]:
        """One of its variants, changed."""
        return self._noisy(self._in_context(example.said[self._random.integers(len(example.said))]))

    def _in_context(self, said: list[int]) -> list[int]:
        """Now and then with harmless turns before it."""
        if self._random.random() >= self._sampling.context:
            return said
        chosen = self._random.integers(len(self._turns), size=self._random.integers(1, 4))
        before = [token for number in chosen for token in self._turns[number]]
        return before[-150:] + said

    def _noisy(self, said: list[int]) -> list[int]:
        """Now and then with some tokens replaced by any others."""
        rate = self._random.choice((0.0, 0.5, 1.0, 2.0)) * self._sampling.noise
        ids = np.array(said)
        hit = self._random.random(len(ids)) < rate
        hit[:2] = False
        hit[-1] = False
        ids[hit] = self._random.integers(256, self._prompts.tokens.normal, size=int(hit.sum()))
        return [int(token) for token in ids]

    def _lists(self, first: int, second: int) -> list[Listed]:
        """Two lists of the same length, each with one of two hazards and without the other, and as different from one
        another as that length allows."""
        random = self._random
        length = HAZARDS - 1 if random.random() < 0.5 else int(random.integers(1, HAZARDS - 1))
        others = [hazard for hazard in range(1, HAZARDS + 1) if hazard not in (first, second)]
        order = np.array([first, *random.permutation(others), second])
        return [self._list(order[:length]), self._list(order[::-1][:length])]

    def _list(self, hazards: NDArray[np.int64]) -> Listed:
        random, sampling = self._random, self._sampling
        chosen = random.permutation(hazards) if random.random() < sampling.shuffled else np.sort(hazards)
        numbers = chosen
        if random.random() < sampling.renumbered:
            numbers = np.arange(1, len(chosen) + 1)
        names = None
        if self._renames and random.random() < sampling.renamed:
            names = tuple(str(random.choice(self._renames[hazard - 1])) for hazard in chosen)
        return Listed(tuple(map(int, numbers)), tuple(map(int, chosen)), names)

    def batch(self, said: Sequence[tuple[list[int], Example]], listed: Sequence[Listed]) -> tuple[Batch, Targets]:
        """The same rows under each list."""
        speaker = said[0][1].speaker
        heads, lines = zip(*(self._prompts.head(speaker, each) for each in listed), strict=True)
        answers = [self._answer(example, each) for each in listed for _, example in said]
        shown = [(ids, example, line) for line in lines for ids, example in said]
        after = self._prompts.after(speaker)
        body_ids, body_lengths = padded(
            [[*ids, *after, *answer.ids] for (ids, *_), answer in zip(shown, answers, strict=True)]
        )
        head_ids, head_lengths = padded(heads)
        shape = (len(listed), len(said))
        batch = Batch(head_ids, head_lengths, body_ids.view(*shape, -1), body_lengths.view(shape))
        rows = [(example, line, answer) for (_, example, line), answer in zip(shown, answers, strict=True)]
        return batch, _targets(rows, head_ids.shape[1] + body_ids.shape[1])

    def _answer(self, example: Example, listed: Listed) -> Answer:
        numbers = np.zeros(len(self._prompts.answers), np.float32)
        inside = 0.0
        for number, hazard in zip(listed.numbers, listed.hazards, strict=True):
            likely = float(example.hazards[hazard - 1])
            numbers[number - NUMBERS - 1] += likely
            inside += likely
        share = listed_share(example.hazards, listed.hazards)
        unsafe = example.unsafe * share
        said = listed.numbers[int(self._random.integers(len(listed.numbers)))]
        if inside > 0:
            said = int(numbers[-NUMBERS:].argmax()) + 1
            numbers /= inside
        return Answer(self._prompts.listing(said), share, unsafe, numbers * unsafe)


def _targets(rows: Sequence[tuple[Example, list[int], Answer]], length: int) -> Targets:
    """Targets of rows of at most `length` tokens, each with the hazards in whose lines its first tokens stand."""
    lines = torch.full((len(rows), length), ELSEWHERE)
    look = torch.zeros(len(rows), HAZARDS + 2)
    for row, (example, shown, answer) in enumerate(rows):
        lines[row, : len(shown)] = torch.tensor([hazard or ELSEWHERE for hazard in shown])
        lines[row, 0] = 0
        listed = sorted(set(shown) - {0})
        likely = torch.from_numpy(example.hazards)[[hazard - 1 for hazard in listed]]
        look[row, listed] = answer.share * likely / likely.sum().clamp(min=1e-6)
        look[row, 0] = 1 - answer.share
    return Targets(
        torch.tensor([answer.unsafe for _, _, answer in rows]),
        torch.from_numpy(np.stack([answer.numbers for _, _, answer in rows])),
        torch.tensor([example.unsafe for example, _, _ in rows]),
        torch.from_numpy(np.stack([example.hazards for example, _, _ in rows])),
        lines,
        look,
    )


def padded(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(ids) for ids in sequences])
    padded = torch.zeros(len(sequences), int(lengths.max()), dtype=torch.long)
    for row, ids in enumerate(sequences):
        padded[row, : len(ids)] = torch.tensor(ids)
    return padded, lengths
