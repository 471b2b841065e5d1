"""Long messages of both classes, made from records: of the labeled prompts, nearly all that are long are harmless.

A model that is trained on those alone takes a long message for a safe one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from recipes.smol.records import Record

ANSWERS, JOINED = "answers", "joined"  # sources
_MAX_PARTS = 4
_MAX_CHARS = 1200
_SEPARATORS = ("\n\n", "\n", " ")
_RESPONSE_SETS = ("aegis2_unsafe_900", "gptfuzz_responses")
_RESPONSE_WEIGHT = 0.7  # what was unsafe as an answer nearly always is as a message, but nobody has judged it as one
_REFUSALS = ("i'm sorry", "i\u2019m sorry", "sorry", "i cannot", "i can't", "as an ai", "i apologize", "i am not able")

_BIN_CHARS = (60, 120, 240, 480, 960)
_MAX_FACTOR = 3.0


def responses_as_messages(records: Sequence[Record]) -> Iterator[Record]:
    """Answers as messages of a user's own: prose, and longer than what people ask."""
    for record in records:
        answer = record.messages[-1][0] == "assistant" and record.source in _RESPONSE_SETS
        if answer and not record.text.lower().startswith(_REFUSALS):
            weight = _RESPONSE_WEIGHT * record.weight
            yield replace(record, messages=(("user", record.text),), source=ANSWERS, weight=weight, pair=None)


def joined_records(records: Sequence[Record], number: int, seed: int) -> Iterator[Record]:
    """Messages made of two to four others: every second holds one unsafe part among harmless ones, the rest none."""
    random = Random(f"joined {seed}")
    prompts = [record for record in records if len(record.messages) == 1 and record.messages[0][0] == "user"]
    safe = [record for record in prompts if not record.unsafe]
    unsafe = [record for record in prompts if record.unsafe and record.weight > 0.5]
    if len(safe) < _MAX_PARTS or not unsafe:
        return
    for at in range(number):
        parts = random.sample(safe, random.randint(2, _MAX_PARTS))
        if at % 2:
            parts[random.randrange(len(parts))] = random.choice(unsafe)
        while sum(len(part.text) for part in parts) > _MAX_CHARS and len(parts) > 1:
            parts.pop(max((k for k, part in enumerate(parts) if not part.unsafe), key=lambda k: len(parts[k].text)))
        text = random.choice(_SEPARATORS).join(part.text for part in parts)
        flagged = next((part for part in parts if part.unsafe), None)
        if flagged is None:
            yield Record((("user", text),), False, JOINED, 0.8)
        else:
            yield replace(flagged, messages=(("user", text),), source=JOINED, weight=0.8 * flagged.weight, pair=None)


def balanced_by_length(records: Sequence[Record]) -> list[Record]:
    """Weigh messages of users so that those of a length are as much safe as unsafe, within a factor of three."""
    weights: defaultdict[tuple[int, bool], float] = defaultdict(float)
    for record in records:
        if (bin_ := _length_bin(record)) is not None:
            weights[bin_, record.unsafe] += record.weight
    balanced = []
    for record in records:
        bin_ = _length_bin(record)
        if bin_ is None:
            balanced.append(record)
            continue
        both = weights[bin_, True] + weights[bin_, False]
        factor = both / (2 * weights[bin_, record.unsafe])
        balanced.append(replace(record, weight=record.weight * min(_MAX_FACTOR, max(1 / _MAX_FACTOR, factor))))
    return balanced


def _length_bin(record: Record) -> int | None:
    """Which lengths a user's message belongs to; none for answers."""
    if record.messages[-1][0] != "user":
        return None
    return sum(len(record.text) >= limit for limit in _BIN_CHARS)
