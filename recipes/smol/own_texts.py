"""Records of our own: contrast pairs, harmless look-alikes, everyday requests and prose, many of them by templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, product
from random import Random
from typing import Any

from guardcli.conversation import Role
from recipes.smol.records import Messages, Record, read_yaml

SOURCE = "own"
PASSAGES = "passages"  # a source
_PASSES = 2  # of each filling, under another template
_DRAWS = 64  # of each everyday template that has two places to fill
_DRAWS_OF_GENRE = 110  # of prose
_MAX_SENTENCES = 4
_SPEAKERS: tuple[Role, Role] = ("user", "assistant")


def own_records(seed: int) -> Iterator[Record]:
    """All records of lookalikes.yaml, prose.yaml, contrasts.yaml and passages.yaml, in random order of fillings."""
    texts: dict[str, Any] = read_yaml("lookalikes")
    random = Random(seed)
    for number, pair in enumerate(texts["pairs"]):
        yield from _pairs(number, pair, random)
    for text in _fill_each(texts["harmless"]):
        yield _safe(_said(text))
    for template in texts["everyday"]:
        for text in _fill_at_random(template, random):
            yield _safe(_said(text))
    for genre in read_yaml("prose"):
        yield from _prose(genre, random)
    for number, item in enumerate(read_yaml("contrasts")):
        yield from _contrast(f"{SOURCE} contrast {number}", item)
    for number, item in enumerate(read_yaml("passages")):
        for record in _contrast(f"{PASSAGES} {number}", item):
            yield replace(record, source=PASSAGES)


def _contrast(pair: str, item: dict[str, Any]) -> Iterator[Record]:
    """One or two sides of a contrast, or an exchange of a user and an assistant, whose last message is labeled."""
    category = item.get("category", "")
    if "exchange" in item:
        messages = tuple(zip(cycle(_SPEAKERS), item["exchange"], strict=False))
        yield _safe(messages) if item["label"] == "safe" else _unsafe(messages, category)
        return
    name = pair if {"safe", "unsafe"} <= item.keys() else None
    if "safe" in item:
        yield _safe(_said(item["safe"]), name)
    if "unsafe" in item:
        yield _unsafe(_said(item["unsafe"]), category, name)


def _prose(genre: dict[str, Any], random: Random) -> Iterator[Record]:
    """Texts of a genre, each once."""
    fill, category = genre.get("fill", {}), genre.get("category")
    texts = set()
    for _ in range(_DRAWS_OF_GENRE):
        sentences = random.sample(genre["sentences"], random.randint(1, _MAX_SENTENCES))
        texts.add(" ".join(_filled(sentence, fill, random) for sentence in sentences))
    for text in sorted(texts):
        if category is None:
            yield _safe(_said(text))
        else:
            yield _unsafe(_said(text), category)


def _filled(sentence: str, fill: dict[str, list[str]], random: Random) -> str:
    """A sentence with its places filled; braces that hold more than a name stay."""
    return re.sub(r"\{(\w+)\}", lambda match: random.choice(fill[match[1]]), sentence)


def _pairs(number: int, pair: dict[str, Any], random: Random) -> Iterator[Record]:
    """Both sides of a template: safe and unsafe fillings in turn, those of one template as a pair."""
    safe, unsafe = (random.sample(pair[side], len(pair[side])) for side in ("safe", "unsafe"))
    for turn in range(min(_PASSES, len(pair["of"]))):
        for at in range(max(len(safe), len(unsafe))):
            template = pair["of"][(at + turn) % len(pair["of"])]
            name = f"{SOURCE} {number}.{turn}.{at}"
            if at < len(safe):
                yield _safe(_said(template.format(x=safe[at])), name)
            if at < len(unsafe):
                yield _unsafe(_said(template.format(x=unsafe[at])), pair["category"], name)


def _fill_each(templates: Sequence[dict[str, Any]]) -> Iterator[str]:
    for template in templates:
        of = template["of"]
        for at, filling in enumerate(template["x"]):
            for turn in range(min(_PASSES, len(of))):
                yield of[(at + turn) % len(of)].format(x=filling)


def _fill_at_random(template: dict[str, Any], random: Random) -> Iterator[str]:
    places = [name for name in template if name != "of"]
    every = list(product(template["of"], *(template[name] for name in places)))
    wanted = _DRAWS if len(places) > 1 else 2 * len(template[places[0]])
    for of, *fillings in random.sample(every, min(wanted, len(every))):
        yield of.format(**dict(zip(places, fillings, strict=True)))


def _said(text: str) -> Messages:
    return (("user", text),)


def _safe(messages: Messages, pair: str | None = None) -> Record:
    return Record(messages, False, SOURCE, 1.0, pair=pair)


def _unsafe(messages: Messages, category: str, pair: str | None = None) -> Record:
    return Record(messages, True, SOURCE, 1.0, category, (category,), pair=pair)
