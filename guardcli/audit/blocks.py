"""Split the records of a run into blocks, which depend on the input and the limits alone, wherever a run is resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from guardcli.audit.journal import PoisonRecord
from guardcli.conversation import Malformed, Record

BLOCK_RECORDS = 512

_MAX_TOKENS, _MIN_TOKENS = 1 << 17, 1 << 8  # of a block
_BYTES_TIMES_TOKENS = 25 * 10**11  # model bytes times tokens that two CPU cores process in 30 seconds, about
_GPU_SPEEDUP = 32
_BYTES_A_TOKEN = 4  # of UTF-8
_TOKENS_A_PROMPT = (
    72  # around a message: the label of its speaker, and the end of the prompt, which asks for the verdict
)

POISON_MESSAGE = "skipped: judging this record crashed the process"

Item: TypeAlias = Record | Malformed


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """The size of a block: it ends with the record that reaches `records`, or `tokens` in `prompts` for each record."""

    records: int = BLOCK_RECORDS
    tokens: int = _MAX_TOKENS
    prompts: int = 1


def choose_block_tokens(model_bytes: int, *, offloaded: bool = False) -> int:
    """Choose the tokens of a block: about 30 seconds of work for two CPU cores, within bounds.

    `python -m benchmarks.blocks` measures how long blocks take.

    >>> choose_block_tokens(1_300_000_000)  # Llama Guard 3 1B in Q8_0
    1923
    """
    work = _BYTES_TIMES_TOKENS * (_GPU_SPEEDUP if offloaded else 1) // max(1, model_bytes)
    return min(max(work, _MIN_TOKENS), _MAX_TOKENS)


def estimate_tokens(item: Item) -> int:
    """Estimate the tokens of a record's prompts from its UTF-8 bytes, the policy left out; 0 if it cannot be judged.

    Prompts of one conversation share its beginning, so each message counts once.
    """
    if isinstance(item, Malformed):
        return 0
    texts = [message.content.encode("utf-8", "replace") for message in item.conversation.messages]
    return sum(_TOKENS_A_PROMPT + len(text) // _BYTES_A_TOKEN for text in texts)


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one unit, and the line where the next block begins.

    `position` is about how many bytes of the inputs, as they are on disk, are read by then.
    """

    unit: int
    items: Sequence[Item]
    next_line: int
    position: int = field(default=0, compare=False)

    @property
    def size(self) -> int:
        """The bytes of its records in the input, unpacked."""
        return sum(
            len(item.before) + (len(item.raw) if isinstance(item, Record) and not item.has_next_part else 0)
            for item in self.items
        )


def split_into_blocks(unit: int, items: Iterable[Item], limits: BlockLimits = BlockLimits()) -> Iterator[Block]:
    """Split the records of a unit. Records of one line stay together."""
    block: list[Item] = []
    size = 0
    for item in items:
        full = len(block) >= limits.records or size >= limits.tokens
        if full and item.key.line != block[-1].key.line:
            yield Block(unit, block, item.key.line)
            block, size = [], 0
        block.append(item)
        size += limits.prompts * estimate_tokens(item)
    if block:
        yield Block(unit, block, block[-1].key.line + 1)


def replace_poison_records(block: Block, poison_records: Sequence[PoisonRecord]) -> list[Item]:
    """The items of a block, with an error in place of each poison record."""
    poison = {(record.line, record.part) for record in poison_records if record.unit == block.unit}
    return [
        Malformed(item.key, POISON_MESSAGE, "record/crashed", item.fields, item.before)
        if (item.key.line, item.key.part) in poison
        else item
        for item in block.items
    ]
