"""Made-up policies that come with their opposite, so that the same words are once unsafe and once safe.

Each policy has a definition, "Unsafe: a. Safe: b.", and the same with a and b exchanged. A message about a or b
violates exactly one of them, so neither the message nor the subject of a definition tells the verdict, but only which
half the message belongs to.

Two things have to be learned for that: which half a message is about, and what stands before that half. Where both
halves are about the same group, both are hard. So the halves of every second policy are of two groups, where the first
is easy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

from guardcli import Taxonomy
from recipes.smol.made_policies import MadePolicy, capitalized, read_topics, taxonomy, topic_line

_SHARE_OF_TWO_GROUPS = 0.5
_SHARE_WITH_OTHER = 0.4  # of policies: a third definition, about neither half
_HELD_OUT_EVERY = 12  # a group in so many is not asked about, to tell whether definitions are read
_TEXTS = 6  # messages of a half, at most

# How a definition says what is unsafe ({a}) and what is safe ({b}), and how often.
_FRAMES = {
    "Unsafe: {a}. Safe: {b}.": 8,
    "Safe: {b}. Unsafe: {a}.": 4,
    "Unsafe are {a}; safe are {b}.": 1,
    "Safe are {b}, while {a} are unsafe.": 1,
    "Treat {a} as unsafe and {b} as safe.": 1,
    "Not allowed: {a}. Allowed: {b}.": 1,
    "Forbidden: {a}. Permitted: {b}.": 1,
    "{A} are unsafe, and {b} are safe.": 1,
    "Unsafe: {a}.": 1,
    "Safe: {b}. Everything else is unsafe.": 1,
    "Unsafe: everything but {b}.": 1,
}
_Group: TypeAlias = Mapping[str, Any]  # its name and its kinds
_Kind: TypeAlias = Mapping[str, Any]  # what its messages are, in several words, and their texts
_NAMES = ("Rule", "Scope", "House rule", "Limits", "Moderation", "What is asked here", "Topic", "Policy")


def definition_policies(number: int, seed: int) -> Iterator[MadePolicy]:
    """Policies of two opposite definitions, some with a third one about something else.

    Each kind of topic is a half of one policy, with another kind that is drawn, then of a second one, and so on.
    """
    random = Random(f"definitions {seed}")
    groups = [group for at, group in enumerate(read_topics()) if at % _HELD_OUT_EVERY]
    for at, (group, kind) in zip(range(number), _kinds_in_turn(groups, random), strict=False):
        partner = random.choice(groups) if random.random() < _SHARE_OF_TWO_GROUPS else group
        others = [other for other in partner["kinds"] if other is not kind]
        yield _policy(at, group["group"], kind, random.choice(others), random.choice(groups), random)


def held_out_definitions(seed: int) -> Iterator[tuple[str, Taxonomy]]:
    """Policies of one definition about the groups that no training asks about, with messages of both halves as tests.

    Each is named "one group" or "two groups", by what its halves are of.
    """
    random = Random(f"held-out definitions {seed}")
    groups = read_topics()[::_HELD_OUT_EVERY]
    for group in groups:
        one, two = random.sample(group["kinds"], 2)
        partner = random.choice([other for other in groups if other is not group])
        for name, kind in (("one group", two), ("two groups", random.choice(partner["kinds"]))):
            frame = random.choice(["Unsafe: {a}. Safe: {b}.", "Safe: {b}. Unsafe: {a}."])
            category = _define(group["group"], frame, random.choice(one["are"]), random.choice(kind["are"]))
            violating, allowed = one["texts"][:_TEXTS], kind["texts"][:_TEXTS]
            tests = [
                *({"name": text, "expect": "unsafe", "categories": ["S1"], "prompt": text} for text in violating),
                *({"name": text, "expect": "safe", "prompt": text} for text in allowed),
            ]
            yield name, Taxonomy.from_dict(taxonomy("held-out", "full", [{"id": "S1", **category}]) | {"tests": tests})


def _kinds_in_turn(groups: Sequence[_Group], random: Random) -> Iterator[tuple[_Group, _Kind]]:
    """All kinds with their groups, in random order, again and again."""
    while True:
        for group in random.sample(groups, len(groups)):
            for kind in random.sample(group["kinds"], len(group["kinds"])):
                yield group, kind


def _policy(
    number: int,
    group: str,
    one: _Kind,
    two: _Kind,
    elsewhere: _Group,
    random: Random,
) -> MadePolicy:
    frame = random.choices(list(_FRAMES), list(_FRAMES.values()))[0]
    a, b = random.choice(one["are"]), random.choice(two["are"])
    name = group if random.random() < 0.5 else random.choice(_NAMES)
    entries = [(_define(name, frame, a, b), one), (_define(name, frame, b, a), two)]
    if random.random() < _SHARE_WITH_OTHER:
        kinds: Sequence[_Kind] = random.sample(elsewhere["kinds"], 2)
        if one not in kinds and two not in kinds:
            c, d = (random.choice(kind["are"]) for kind in kinds)
            entries.append((_define(elsewhere["group"], "Unsafe: {a}. Safe: {b}.", c, d), {"texts": []}))
    random.shuffle(entries)
    lines = [
        topic_line(text, f"S{id_}")
        for id_, (_, kind) in enumerate(entries, start=1)
        for text in random.sample(kind["texts"], min(_TEXTS, len(kind["texts"])))
    ]
    random.shuffle(lines)
    categories = [{"id": f"S{id_}", **category} for id_, (category, _) in enumerate(entries, start=1)]
    return MadePolicy(taxonomy(f"definitions-{number:04}", "full", categories), tuple(lines))


def _define(name: str, frame: str, a: str, b: str) -> dict[str, str]:
    return {"name": name, "description": capitalized(frame.format(a=a, b=b, A=capitalized(a)))}
