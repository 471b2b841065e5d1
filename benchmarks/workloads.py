"""The five kinds of work that are measured, made of real messages: what is judged, under which policy, in which order.

A workload is a list of conversations. For contenders that know only prompts, each comes with the tokens of the prompts
that judge it; for `guard` it is a conversation, and finding out what can be shared is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from guardcli import Conversation, Message, Taxonomy, formats
from guardcli.conversation import Record
from guardcli.judging.truncation import PromptEncoder
from guardcli.models import Vocab
from guardcli.models.vocab import TokenIds
from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.turns import Target, judged, turns

TEMPLATE = "llama-guard-3-8b"
FULL = "name: full\nextends: llama-guard-3\ndetail: full\n"
TURNS, OPENINGS = 20, 5
LONGEST = 4000  # characters of a message: longer ones make rounds uneven


@dataclass(frozen=True)
class Prompt:
    """The tokens of a prompt up to where the verdict is read.

    A random model's word means nothing, so which prompts are unsafe is settled once for all contenders.
    """

    tokens: TokenIds
    prefix_len: int
    unsafe: bool = False


@dataclass(frozen=True)
class Item:
    """One conversation, and the prompts that judge it."""

    conversation: Conversation
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Workload:
    """`target` and `taxonomy` (as YAML) are how its conversations are judged."""

    name: str
    conversations: Callable[[Iterator[str]], Iterator[Conversation]]
    target: Target = "last"
    taxonomy: str = "name: names\nextends: llama-guard-3\n"

    def policy(self) -> Taxonomy:
        return Taxonomy.from_yaml(self.taxonomy)

    def items(self, texts: Sequence[str], vocab: Vocab, count: int) -> list[Item]:
        """The first `count` conversations that the texts make, over and over if they are few."""
        encoder = PromptEncoder(Renderer(TEMPLATES[TEMPLATE], self.policy()), vocab, 8000)
        kept = [text.strip() for text in texts if text.strip() and len(text) <= LONGEST]
        endless = (text for _ in iter(int, 1) for text in kept)
        return [self._item(conversation, encoder) for conversation in islice(self.conversations(endless), count)]

    def _item(self, conversation: Conversation, encoder: PromptEncoder) -> Item:
        all_turns = turns(conversation)
        encoded = encoder.conversation(all_turns.shown)
        places = [all_turns.shown.index(turn) for turn in judged(all_turns, self.target, encoder.judges)]
        prompts = [prompt for at in places for prompt in encoder.fit(encoded, at).prompts]
        return Item(conversation, tuple(Prompt(prompt.tokens, prompt.prefix_len) for prompt in prompts))


def _flat(texts: Iterator[str]) -> Iterator[Conversation]:
    for text in texts:
        yield _said(text)


def _pairs(texts: Iterator[str]) -> Iterator[Conversation]:
    """Prompts alone, and prompts with a response: the two prefixes take turns."""
    for number, text in enumerate(texts):
        yield _said(text, next(texts)) if number % 2 else _said(text)


def _turns(texts: Iterator[str]) -> Iterator[Conversation]:
    while True:
        yield _said(*(text[:300] for text in islice(texts, TURNS)))


def _openings(texts: Iterator[str]) -> Iterator[Conversation]:
    """Conversations that begin like some other one, as those of one bot, or of one prompt tried with many models."""
    openings = [(next(texts), next(texts)) for _ in range(OPENINGS)]
    for number, text in enumerate(texts):
        yield _said(*openings[number * 7 % OPENINGS], text)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("flat", _flat),
        Workload("pairs", _pairs),
        Workload("turns", _turns, target="any"),
        Workload("openings", _openings),
        Workload("long-heads", _pairs, taxonomy=FULL),
    )
}


def marked(items: Sequence[Item], scores: Sequence[float], *, share: float) -> tuple[list[Item], float]:
    """The items with the highest-scoring share of their prompts unsafe, and the threshold that makes them so.

    `scores` has one for each prompt, in order.
    """
    threshold = sorted(scores)[-max(1, round(share * len(scores)))]
    unsafe = iter(score >= threshold for score in scores)
    found = [replace(item, prompts=tuple(replace(p, unsafe=next(unsafe)) for p in item.prompts)) for item in items]
    return found, threshold


def read_texts(source: str) -> list[str]:
    """The last message of every conversation of a source."""
    records = [record for record in formats.ReadOptions().read([source]) if isinstance(record, Record)]
    shown = (turns(record.conversation).shown for record in records)
    return [found[-1].text for found in shown if found]


def distinct(prompts: Sequence[Sequence[int]]) -> int:
    """Nodes of the prefix tree over prompts of token ids: in sorted order each adds what its neighbour lacks."""
    order = sorted(map(list, prompts))
    return len(order[0]) + sum(len(b) - _common(a, b) for a, b in pairwise(order)) if order else 0


def depth(prompts: Sequence[Prompt]) -> int:
    """How many tokens stand, on average, before those that are evaluated."""
    every = [list(prompt.tokens) for prompt in prompts]
    return max(0, (sum(map(len, every)) - distinct(every)) // len(every))


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _said(*texts: str) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(tuple(Message(roles[at % 2], text) for at, text in enumerate(texts)))  # type: ignore[arg-type]
