"""The records of a run in blocks: a function of the input and the limits alone, wherever a run is resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from guardcli.conversation import Malformed, Record, characters
from guardcli.journal import Guilty

BLOCK_RECORDS, BLOCK_CHARACTERS = 512, 1 << 19  # a block ends with the record that reaches either

GUILTY = "judging this record ended the process: it is left out"

Item: TypeAlias = Record | Malformed


@dataclass(frozen=True, slots=True)
class Limits:
    """A block ends with the record that reaches one of these."""

    records: int = BLOCK_RECORDS
    characters: int = BLOCK_CHARACTERS


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one unit, the line of it where the next block begins, and how far the inputs are read then: a number
    of bytes as they are on disk, which is not exact."""

    unit: int
    items: Sequence[Item]
    next_line: int
    position: int = field(default=0, compare=False)

    @property
    def size(self) -> int:
        """The bytes of its records in the input, unpacked."""
        return sum(
            len(item.before) + (len(item.raw) if isinstance(item, Record) and not item.more else 0)
            for item in self.items
        )


def blocks(unit: int, items: Iterable[Item], limits: Limits = Limits()) -> Iterator[Block]:
    """The records of a unit in blocks. What stands on one line is never parted."""
    block: list[Item] = []
    size = 0
    for item in items:
        full = len(block) >= limits.records or size >= limits.characters
        if full and item.key.line != block[-1].key.line:
            yield Block(unit, block, item.key.line)
            block, size = [], 0
        block.append(item)
        size += characters(item)
    if block:
        yield Block(unit, block, block[-1].key.line + 1)


def without_guilty(block: Block, guilty: Sequence[Guilty]) -> list[Item]:
    """The items of a block, those that are guilty replaced by an error."""
    left_out = {(one.line, one.part) for one in guilty if one.unit == block.unit}
    return [
        Malformed(item.key, GUILTY, item.fields, item.before) if (item.key.line, item.key.part) in left_out else item
        for item in block.items
    ]
