"""What the engine is asked and what it answers: tasks, their steps, probes and readings. Token ids only.

A task is a generator: it yields a `Step`, is sent that step's readings, and yields another step that goes on
where the last one ended, until it returns its result. So a verdict that needs a second look keeps its place
in the cache, and the engine need not know what the looks are for.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from guardcli.text.segments import TokenIds

T = TypeVar("T")

ANSWER_ROOM = 64  # tokens that all later steps of a task may take together: engines keep that much free for each


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the logits of `tokens` after the token at `position` of the sequence, counted from 0."""

    position: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a probe found: the raw logits in the order asked, and the logsumexp over the whole vocabulary."""

    logits: tuple[float, ...]
    logsumexp: float


@dataclass(frozen=True, slots=True)
class Step:
    """Evaluate `tokens` after what the sequence holds, and read the probes, whose positions are among them.

    `keep` first cuts the sequence back to that many tokens. `head` is how many of a first step's tokens are
    the same for every prompt of its kind: the canonical path evaluates them apart; the batched path finds by
    itself what prompts share.
    """

    tokens: TokenIds
    probes: tuple[Probe, ...]
    keep: int | None = None
    head: int = 0


Task: TypeAlias = Generator[Step, tuple[Reading, ...], T]
Groups: TypeAlias = "Iterable[Sequence[Task[T]] | None]"


@dataclass(slots=True)
class Counts:
    """What was asked and what it took.

    `tokens` are those of all prompts (first steps), `distinct` what is left of them if each token that several
    begin with counts once within what the engine sees at a time, `evaluated` what went through the model.
    `answer` are tokens of later steps, `decodes` calls of llama_decode. (The canonical path looks at one prompt at
    a time and does not count what is distinct.)
    """

    prompts: int = 0
    tokens: int = 0
    distinct: int = 0
    evaluated: int = 0
    answer: int = 0
    decodes: int = 0


@dataclass(frozen=True, slots=True)
class Footprint:
    """The memory of an engine: cells of its cache, each for a token, and bytes of the cache and of other buffers."""

    cells: int
    cache: int
    buffers: int


class Engine(Protocol):
    """Whatever can run tasks; the one seam at which a test puts a fake."""

    counts: Counts

    @property
    def max_tokens(self) -> int:
        """The longest sequence it can hold, answers included."""

    @property
    def shape(self) -> dict[str, int | bool | str]:
        """The sizes that decide its batches, and so the last digits of its numbers."""

    @property
    def footprint(self) -> Footprint:
        """The memory that it takes."""

    def run(self, groups: Groups[T]) -> Iterator[list[T]]:
        """Run groups of tasks (the prompts of one record); each group's results, in the order of the input.

        A None among the groups says that nothing more has arrived yet: all that is under way is finished and
        answered before the next group is asked for.
        """

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """Clear the KV cache but for `prefixes`, each evaluated by itself, and reset the statistics.

        Prefixes that are cached from a reset before are not evaluated again; the state is the same either way.

        Raises:
            EngineError: a run is not over, or llama.cpp failed.
        """

    def close(self) -> None:
        """Free what it holds; the model stays."""
