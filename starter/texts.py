"""Short texts of our own, out of the choices of `texts.yaml`: everyday requests, and plain ones for each hazard.

It knows how a choice is made; what there is to choose from stands in the file.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from starter.data import NEAR, Row, distinct, turn, without

_CHOICE = re.compile(r"\{([^{}]*)\}")
_GREETINGS = ("", "", "", "", "Hi, ", "Hello! ", "Please: ", "Quick question. ", "Hey, ")


def rows(count: int, *, known: Sequence[str], seed: int, weight: float) -> list[Row]:
    """What is left of `count` texts, each once and none that is `known`: three in eight are harmful, two ask about a
    harm, three are harmless."""
    source, chance = _source(), random.Random(seed)
    made = (_one(source, chance, weight) for _ in range(count))
    return without(list(distinct(made)), known, near=NEAR)


def names() -> list[list[str]]:
    """Other names of each hazard, in their order."""
    return [names for _, names in sorted(_source()["names"].items())]


def _source() -> dict[str, Any]:
    source: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("texts.yaml").read_text("utf-8"))
    return source


def _one(source: dict[str, Any], chance: random.Random, weight: float) -> Row:
    kind = chance.choices((_harmful, _about, _harmless), (3, 2, 3))[0]
    text, hazard = kind(source, chance)
    return Row("own", text, (turn("User", text),), hazard > 0, frozenset({hazard} - {0}), weight)


def _harmful(source: dict[str, Any], chance: random.Random) -> tuple[str, int]:
    hazard = chance.choice(sorted(source["hazards"]))
    return _request(source["hazards"][hazard], source["frames"], chance), hazard


def _about(source: dict[str, Any], chance: random.Random) -> tuple[str, int]:
    hazard = chance.choice(source["about_hazards"])
    return _filled(chance.choice(source["about"]), {"do": chance.choice(source["hazards"][hazard]["do"])}, chance), 0


def _harmless(source: dict[str, Any], chance: random.Random) -> tuple[str, int]:
    return _request(source["harmless"], source["frames"], chance), 0


def _request(kind: dict[str, list[str]], frames: list[str], chance: random.Random) -> str:
    if chance.random() < len(kind["say"]) / (len(kind["say"]) + len(kind["do"])):
        return _filled(chance.choice(kind["say"]), {}, chance)
    return chance.choice(_GREETINGS) + _filled(chance.choice(frames), {"do": chance.choice(kind["do"])}, chance)


def _filled(template: str, names: dict[str, str], chance: random.Random) -> str:
    """The template with its names put in, and then a choice made in each pair of braces."""

    def choose(match: re.Match[str]) -> str:
        inside = match[1]
        return names[inside] if inside in names else chance.choice(inside.split("|"))

    while _CHOICE.search(template):
        template = _CHOICE.sub(choose, template)
    return re.sub(r" +([?.!,]|$)", r"\1", template)


def pieces(texts: list[str]) -> list[str]:
    """Sentences, to be put together anew."""
    found = (part.strip() for text in texts for part in re.split(r"(?<=[.!?\n])\s+", text))
    return [part for part in found if 3 < len(part) < 400]


def spliced(texts: list[str], count: int, *, seed: int) -> Iterator[str]:
    """Texts that nobody labelled: one to four sentences of different ones, some of their words left out or moved."""
    chance, parts = random.Random(seed), pieces(texts)
    for _ in range(count):
        words = " ".join(chance.choices(parts, k=chance.choice((1, 1, 2, 2, 3, 4)))).split()
        drop = chance.choice((0.0, 0.1, 0.25, 0.4))
        kept = [word for word in words if chance.random() >= drop] or words
        if chance.random() < 0.2:
            cut = chance.randrange(len(kept))
            kept = kept[cut:] + kept[:cut]
        yield " ".join(kept[:120])


def long(texts: list[str], count: int, *, seed: int) -> Iterator[str]:
    """Texts of 40 to 400 words that nobody labelled: sentences that stand side by side in a set, in every second text
    with some from anywhere between them."""
    chance, parts = random.Random(seed), pieces(texts)
    for _ in range(count):
        length = round(40 * 10 ** chance.random())
        rate = chance.choice((0.0, 0.3))
        at = chance.randrange(len(parts))
        words: list[str] = []
        while len(words) < length:
            words += (chance.choice(parts) if chance.random() < rate else parts[at % len(parts)]).split()
            at += 1
        yield " ".join(words[:length])


def scrambled(texts: list[str], count: int, *, seed: int) -> Iterator[str]:
    """Texts that nobody labelled: a few words in a row, some of them replaced by words from anywhere."""
    chance, parts = random.Random(seed), pieces(texts)
    seen = Counter(word for part in parts for word in part.split() if len(word) < 30)
    words = list(seen)
    totals = list(accumulate(seen[word] ** 0.5 for word in words))
    for _ in range(count):
        said = chance.choice(parts).split()
        length = chance.choice((4, 6, 8, 10, 12, 15, 20))
        start = 0 if chance.random() < 0.6 else chance.randrange(max(1, len(said) - length))
        rate = chance.choice((0.0, 0.15, 0.3, 0.5))
        others = chance.choices(words, cum_weights=totals, k=length)
        shown = said[start : start + length]
        yield " ".join(other if chance.random() < rate else word for word, other in zip(shown, others, strict=False))
