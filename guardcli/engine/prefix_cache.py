"""What stands in the cache, and how long: heads, the sequence begun last, and those under way. It evaluates nothing.

The next sequence shares with the one begun last, by the order of the plan; a sequence is let go when it is neither
under way, nor that one, nor a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guardcli.engine.context import Context
from guardcli.engine.kv_cells import Cells
from guardcli.engine.plan import Entry, Tokens, common_prefix
from guardcli.engine.request_queue import Primed
from guardcli.engine.sequence import RunningSequence
from guardcli.errors import EngineError

HEAD_AGE = 512  # sequences begun since a head was last of use, after which it goes


@dataclass(frozen=True, slots=True)
class Shared:
    """With which sequence a new one can begin, and for how many tokens; what it has in common with the last one."""

    source: RunningSequence | None
    count: int
    in_common: int


class Held:
    """The sequences of a context. `cells` mirrors its cache, `numbers` are those that no sequence has."""

    def __init__(self, context: Context) -> None:
        self.cells = Cells(context.shape.cells)
        self.numbers = list(range(context.shape.sequences - 1, -1, -1))
        self.last: RunningSequence | None = None  # begun last: the next one shares with it
        self._context = context
        self._heads: list[RunningSequence] = []
        self._path: list[RunningSequence] = []  # the heads that `last` begins with, the shortest first
        self._begun = 0

    @property
    def known(self) -> list[Tokens]:
        """The tokens of each head."""
        return [head.tokens for head in self._heads]

    def holds(self, entry: Entry) -> bool:
        """Whether a head of the plan stands in the cache; if so it is the next one's to share with."""
        for head in self._heads:
            if head.tokens is entry.tokens:
                self.follow(head, common_prefix(head.tokens, self.last.tokens) if self.last else 0)
                if head not in self._path:
                    self._path.append(head)
                return True
        return False

    def shared(self, entry: Entry, primed: Primed[Any] | None) -> Shared:
        """What an entry can share: by the order of the plan with the last one, of which it may take no more than its
        `reach`. A new head may also be the beginning of an older, longer one, which stands after it in the order."""
        in_common = common_prefix(self.last.tokens, entry.tokens) if self.last else 0
        if primed is not None:
            return Shared(self.last if in_common else None, min(in_common, primed.prompt.reach), in_common)
        source, most = self.last, in_common
        for head in self._heads:
            if not head.open and (count := common_prefix(head.tokens, entry.tokens)) > most:
                source, most = head, count
        return Shared(source if most else None, most, in_common)

    def begin(self, entry: Entry, primed: Primed[Any] | None, shared: Shared) -> RunningSequence:
        """A new sequence, with what it shares; held as a head if it has no task."""
        sequence = RunningSequence(self.numbers.pop(), entry.tokens, primed)
        if shared.source is not None:
            self._share(shared.source, sequence, shared.count)
        self._begun += 1
        self.follow(sequence, shared.in_common)
        if primed is None:
            self._add_head(sequence)
        return sequence

    def follow(self, sequence: RunningSequence | None, shared: int) -> None:
        """Make a sequence the one that the next one shares with. It has `shared` tokens in common with the last one."""
        before, self.last = self.last, sequence
        self._path = [head for head in self._path if len(head.tokens) <= shared]
        for head in self._path:
            head.last_used = self._begun
        if before is not None:
            self.let_go(before)

    def let_go(self, sequence: RunningSequence) -> None:
        """Free a sequence's number and cells, unless it is still of use."""
        if sequence.active or sequence is self.last or sequence in self._heads:
            return
        self._context.remove(sequence.number)
        self.cells.drop(sequence.cells)
        self.numbers.append(sequence.number)

    def keep_only(self, prefixes: Sequence[Tokens]) -> bool:
        """Free all but the sequences of `prefixes`, with nothing under way; False if one of them is not cached.

        What depends on the past is set back as well, so that what follows does not.
        """
        cached = [head for head in self._heads if any(np.array_equal(head.tokens, prefix) for prefix in prefixes)]
        if len(cached) < len(prefixes):
            return False
        self.follow(None, 0)
        for head in list(self._heads):
            if head in cached:
                head.last_used = 0
            else:
                self._drop_head(head)
        self._begun = 0
        self.numbers.sort(reverse=True)
        return True

    def drop_old(self) -> None:
        """Let go of heads that have been of no use for long."""
        for head in list(self._heads):
            if self._begun - head.last_used > HEAD_AGE:
                self._drop_head(head)

    def make_room(self, entry: Entry) -> None:
        """Nothing is under way and the next entry does not fit: let go of what is held, the dearest last.

        Raises:
            EngineError: nothing is held.
        """
        others = [head for head in self._heads if head not in self._path]
        if others:
            self._drop_head(min(others, key=lambda head: head.last_used))
        elif self.last is not None and self.last not in self._path:
            head = self._path[-1] if self._path else None
            self.follow(head, len(head.tokens) if head else 0)
        elif self._path:
            self._drop_head(self._path[-1])
            self.follow(None, 0)
        else:
            raise EngineError(f"a prompt of {len(entry.tokens):,} tokens does not fit the cache: raise --ctx-size")

    def _share(self, source: RunningSequence, sequence: RunningSequence, count: int) -> None:
        """Let a new sequence begin with the first `count` tokens of another, stored or still in the batch."""
        sequence.stored = min(count, source.stored)
        if sequence.stored:
            self._context.copy(source.number, sequence.number, sequence.stored)
        sequence.rows = source.rows[: count - sequence.stored]
        self._context.tag(sequence.rows, sequence.number)
        sequence.cells = self.cells.share(source.cells[:count])

    def _add_head(self, head: RunningSequence) -> None:
        """Hold a new head, in place of the least recently used ones if they become too many or too long."""
        self._heads.append(head)
        self._path.append(head)
        head.last_used = self._begun
        others = sorted((h for h in self._heads if h not in self._path), key=lambda h: h.last_used)
        for other in others:
            held = sum(len(h.tokens) for h in self._heads)
            if len(self._heads) > self._context.shape.heads or held > self._context.shape.held:
                self._drop_head(other)

    def _drop_head(self, head: RunningSequence) -> None:
        self._heads.remove(head)
        if head in self._path:
            self._path.remove(head)
        self.let_go(head)
