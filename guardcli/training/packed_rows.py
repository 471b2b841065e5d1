"""Puts the examples of a short prefix into one sequence with it, in which none of them sees another.

A prefix that many examples share is evaluated by itself (`guardcli.training.shared_prefix`). Where prefixes are many
and what follows is short, as with a message and a few questions about it, the calls for each prefix would cost more
than its tokens. There the examples are laid out in a row, and rows of similar length make a batch::

    row         message . . .   question 1   question 2
    position    0 1 2 3 4 5 6   7 8 9        7 8 9          each question follows the message
    sees        ◄── itself      message, and itself         question 2 does not see question 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guardcli.training.length_batches import split_by_length
from guardcli.training.padding import pad_rows
from guardcli.training.prefix_groups import PrefixGroup
from guardcli.training.tokenizer import TokenizedExample

MAX_ROW = 512  # tokens; attention within a row costs their square


@dataclass(frozen=True, slots=True)
class Row:
    """A prefix, and the examples that begin with it, by index.

    `length` is in tokens that are evaluated.
    """

    prefix: tuple[int, ...]
    examples: tuple[int, ...]
    length: int


def split_rows(
    examples: Sequence[TokenizedExample], groups: Sequence[PrefixGroup], batch_size: int, *, num_batches: int = 1
) -> tuple[list[PrefixGroup], list[tuple[Row, ...]]]:
    """Take the groups that are short enough to be rows, in batches of up to `batch_size` rows of similar length.

    There are at least `num_batches` if there are as many rows. Returns the other groups and these batches, of which
    those with the most tokens come first.
    """
    others: list[PrefixGroup] = []
    rows: list[Row] = []
    for group in groups:
        indices = tuple(index for batch in group.batches for index in batch)
        length = len(group.prefix) + sum(len(examples[index].evaluated) - len(group.prefix) for index in indices)
        if group.prefix and length <= MAX_ROW:
            rows.append(Row(group.prefix, indices, length))
        else:
            others.append(group)
    rows.sort(key=lambda row: row.length)
    batches = split_by_length([row.length for row in rows], min(batch_size, -(-len(rows) // num_batches)) or 1)
    batches.sort(key=lambda batch: len(batch) * rows[batch[-1]].length, reverse=True)
    return others, [tuple(rows[at] for at in batch) for batch in batches]


class PackedBatch:
    """Rows as tensors: ids, positions and segments (0 is the prefix), each (rows, tokens) and padded on the right.

    `examples` are the indices of all examples in the rows.
    """

    def __init__(self, llama: Any, rows: Sequence[Row], examples: Sequence[TokenizedExample]) -> None:
        self._llama = llama
        self.examples = [index for row in rows for index in row.examples]
        self._offsets: dict[int, tuple[int, int]] = {}  # by example: its row, and how far its tokens are shifted there
        ids, positions, segments = [], [], []
        for number, row in enumerate(rows):
            start = len(row.prefix)
            row_ids, row_positions, row_segments = list(row.prefix), list(range(start)), [0] * start
            for segment, index in enumerate(row.examples, start=1):
                body = examples[index].evaluated[start:]
                self._offsets[index] = number, len(row_ids) - start
                row_ids += body
                row_positions += range(start, start + len(body))
                row_segments += [segment] * len(body)
            ids.append(row_ids)
            positions.append(row_positions)
            segments.append(row_segments)
        self._ids, self._positions = pad_rows(ids, 0, llama), pad_rows(positions, 0, llama)
        self._segments = pad_rows(segments, -1, llama)

    def states(self) -> Any:
        """The last hidden states: (rows, tokens, width)."""
        segments = self._segments
        seen = (segments[:, :, None] == segments[:, None, :]) | (segments == 0)[:, None, :]
        return self._llama(
            input_ids=self._ids, position_ids=self._positions, attention_mask=seen.tril()[:, None], use_cache=False
        ).last_hidden_state

    def place(self, index: int, token: int) -> tuple[int, int]:
        """The row and the column of a token of an example, which is not one of its prefix."""
        row, shift = self._offsets[index]
        return row, token + shift
