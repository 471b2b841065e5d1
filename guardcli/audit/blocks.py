"""The records of a run in blocks: a function of the input and the limits alone, wherever a run is resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from guardcli.audit.journal import Guilty
from guardcli.conversation import Malformed, Record

BLOCK_RECORDS = 512

_MOST_TOKENS, _LEAST_TOKENS = 1 << 17, 1 << 12  # of a block
_LEAST_TOKENS_OF_A_PROMPT = 1 << 11  # where categories are asked about one by one: each has a prefix to evaluate
_BYTE_TOKENS = 7 * 10**12  # bytes of the model times tokens: what two CPU cores do in some 30 seconds
_GPU = 32  # so much more does a GPU
_TOKEN_BYTES, _MESSAGE_TOKENS = 4, 8  # UTF-8 bytes that make a token, and tokens around a message, about

GUILTY = "judging this record ended the process: it is left out"

Item: TypeAlias = Record | Malformed


@dataclass(frozen=True, slots=True)
class Limits:
    """A block ends with the record that reaches so many records or prompt tokens, in so many `prompts` a record."""

    records: int = BLOCK_RECORDS
    tokens: int = _MOST_TOKENS
    prompts: int = 1


def block_tokens(model_bytes: int, *, prompts: int = 1, offloaded: bool = False) -> int:
    """How many tokens a block may take: about 30 seconds of work for two CPU cores, within bounds.

    >>> block_tokens(1_300_000_000)  # Llama Guard 3 1B in Q8_0
    5384
    """
    work = _BYTE_TOKENS * (_GPU if offloaded else 1) // max(1, model_bytes)
    least = max(_LEAST_TOKENS, _LEAST_TOKENS_OF_A_PROMPT * prompts if prompts > 1 else 0)
    return min(max(work, least), max(_MOST_TOKENS, least))


def tokens(item: Item) -> int:
    """About how many tokens the text of a record takes, counted from its bytes; 0 if it cannot be judged."""
    if isinstance(item, Malformed):
        return 0
    texts = [message.content.encode("utf-8", "replace") for message in item.conversation.messages]
    return sum(_MESSAGE_TOKENS + len(text) // _TOKEN_BYTES for text in texts)


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
        full = len(block) >= limits.records or size >= limits.tokens
        if full and item.key.line != block[-1].key.line:
            yield Block(unit, block, item.key.line)
            block, size = [], 0
        block.append(item)
        size += limits.prompts * tokens(item)
    if block:
        yield Block(unit, block, block[-1].key.line + 1)


def without_guilty(block: Block, guilty: Sequence[Guilty]) -> list[Item]:
    """The items of a block, those that are guilty replaced by an error."""
    left_out = {(one.line, one.part) for one in guilty if one.unit == block.unit}
    return [
        Malformed(item.key, GUILTY, item.fields, item.before) if (item.key.line, item.key.part) in left_out else item
        for item in block.items
    ]
