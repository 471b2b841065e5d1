"""What the engine is asked, and what it answers: requests, their steps, logit queries and logits.

A request is a coroutine, written as a generator. It yields a `RequestStep`, is sent the logits that the step
asked for, and yields the next step or returns its result:

    def p_unsafe(prompt):
        (logits,) = yield RequestStep(prompt, (LogitQuery(len(prompt) - 1, (SAFE, UNSAFE)),))
        safe, unsafe = logits.values
        return 1 / (1 + exp(safe - unsafe))

Each step continues the sequence of the one before, so a verdict that needs a second look keeps its place in the
KV cache.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from guardcli.models.vocab import TokenIds

K = TypeVar("K")
T = TypeVar("T")

MAX_ANSWER_TOKENS = 64  # tokens of all steps after the first; engines reserve so many KV cells for each request


@dataclass(frozen=True, slots=True)
class LogitQuery:
    """Ask for the logits of `token_ids` after the token at `position` of the sequence, counted from 0."""

    position: int
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Logits:
    """The answer to a query: raw logits in the order of its `token_ids`, and the logsumexp over the vocabulary."""

    values: tuple[float, ...]
    logsumexp: float


@dataclass(frozen=True, slots=True)
class RequestStep:
    """Append `tokens` to the request's sequence, evaluate them, and answer the queries about their positions.

    With `keep_len` the sequence is first cut back to that many tokens. `prefix_len` says how many of a first step's
    tokens are the same for many requests (the taxonomy): they are worth a place in the prefix cache.
    """

    tokens: TokenIds
    queries: tuple[LogitQuery, ...]
    keep_len: int | None = None
    prefix_len: int = 0


LogitCoroutine: TypeAlias = Generator[RequestStep, tuple[Logits, ...], T]
RequestGroups: TypeAlias = "Iterable[tuple[K, Sequence[LogitCoroutine[T]]] | None]"


@dataclass(slots=True)
class EngineStats:
    """What the engine was asked since its last reset, and what it took.

    `prompt_tokens` are the tokens of all first steps. `unique_tokens` counts each of them once that several prompts
    share, as far as the engine looks ahead (0 from the deterministic engine, which looks at one prompt at a time).
    `prefill_tokens` of them went through the model. `decode_tokens` are the tokens of later steps; `batches` the
    calls of llama_decode.
    """

    prompts: int = 0
    prompt_tokens: int = 0
    unique_tokens: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """The memory of an engine: cells of its KV cache (a token each), bytes of the cache, bytes of other buffers."""

    cells: int
    cache_bytes: int
    buffer_bytes: int


class Engine(Protocol):
    """Runs requests. The fast and the deterministic engine implement it, and the fakes of tests."""

    stats: EngineStats

    @property
    def reproducible(self) -> bool:
        """Whether each prompt is evaluated by itself, so that its logits depend on nothing else to the bit."""

    @property
    def max_model_len(self) -> int:
        """The longest sequence in tokens, answers included."""

    @property
    def context_params(self) -> dict[str, int | bool | str]:
        """The sizes that decide how batches are made, and so the last digits of logits; as JSON, for manifests."""

    @property
    def memory_usage(self) -> MemoryUsage:
        """The memory that the engine takes, without the model's weights."""

    def run(self, groups: RequestGroups[K, T]) -> Iterator[tuple[K, list[T]]]:
        """Run groups of requests (the prompts of one record each); yield the results of each group, in order.

        A group comes with a key, any object, which is yielded with its results.

        A None among the groups says that nothing more has arrived yet: the engine finishes and yields all it has
        before it asks for the next group.

        Raises:
            EngineError: llama.cpp failed, a prompt is longer than the context, or another run is not over.
        """

    def reset(self, prefixes: Sequence[TokenIds] = ()) -> None:
        """Clear the KV cache but for `prefixes`, each evaluated by itself, and reset the statistics.

        Prefixes that are cached since an earlier reset are not evaluated again; the state is the same either way.

        Raises:
            EngineError: a run is not over, or llama.cpp failed.
        """

    def close(self) -> None:
        """Free the context; the model stays open."""
