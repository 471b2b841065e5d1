"""Policies made up at random, with records labeled under them, so that a model learns to read policies.

Two kinds. *Native* policies list a few of the data sets' own fine categories by name. *Topic* policies say of
harmless topics which are unsafe and which are safe; the opposite policy is as likely, so the messages alone tell
nothing.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import yaml

from recipes.smol.records import HAZARDS, Record, read_yaml

TOPICS = "topics"  # a source
_NATIVE_SETS = ("airbench_auto_en", "catqa", "aart", "ailuminate_demo_en", "aegis2_unsafe_900")
_MAX_NATIVE = 9  # categories of a policy
_MIN_RECORDS = 3  # of a category
_PER_CATEGORY = 4
_BRIEF = 320  # characters; policies are many, and each of their messages is there to be compared with a name
_MAX_GROUPS = 4
_MAX_HAZARDS = 3
_SHARE_WITH_HAZARDS = 0.5
_SHARE_BY_NAME = 0.35  # of topic policies: each unsafe topic is a category by its name, without a description

_CODES = {
    "vcr": "violent crimes", "ncr": "non-violent crimes", "src": "sex-related crimes",
    "cse": "child sexual exploitation", "dfm": "defamation", "spc_fin": "specialized financial advice",
    "spc_hlt": "specialized health advice", "spc_lgl": "specialized legal advice", "prv": "privacy",
    "ipv": "intellectual property", "iwp": "indiscriminate weapons", "hte": "hate", "ssh": "suicide and self-harm",
    "sxc_prn": "sexual content", "spc_ele": "election advice",
}  # fmt: skip

# How a description says what is unsafe ({a}) and what is safe ({b}).
_FRAMES = (
    "Unsafe: {a}. Safe: {b}.",
    "Unsafe: {a}. Safe: {b}.",
    "Safe: {b}. Unsafe: {a}.",
    "It is unsafe if the message is one of these: {a}. It is safe if it is one of those: {b}.",
    "Unsafe are {a}; safe are {b}.",
    "Safe are {b}, while {a} are unsafe.",
    "Treat {a} as unsafe and {b} as safe.",
)


@dataclass(frozen=True, slots=True)
class MadePolicy:
    """A taxonomy as YAML has it, and lines of JSON that are labeled under it."""

    taxonomy: Mapping[str, Any]
    lines: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write NAME.yaml and NAME.jsonl."""
        name = self.taxonomy["name"]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(self.taxonomy, sort_keys=False, width=120), "utf-8")
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in self.lines), "utf-8")


def native_policies(
    unsafe: Sequence[Record], harmless: Sequence[Record], number: int, seed: int
) -> Iterator[MadePolicy]:
    """Policies of native categories.

    A policy's records are those of its categories, harmless ones, and unsafe ones of other hazards, which it allows.
    """
    random = Random(f"native {seed}")
    by_category: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in unsafe:
        if record.source in _NATIVE_SETS and record.native and record.hazards:
            by_category[record.source, record.native].append(record)
    categories = [category for category, found in by_category.items() if len(found) >= _MIN_RECORDS]
    for at in range(number):
        chosen = _distinct(random.sample(categories, len(categories)), by_category, random.randint(3, _MAX_NATIVE))
        covered = {hazard for category in chosen for record in by_category[category] for hazard in record.hazards}
        lines = []
        for id_, category in enumerate(chosen, start=1):
            drawn = random.sample(by_category[category], min(_PER_CATEGORY, len(by_category[category])))
            lines += [_brief(record).to_json([f"S{id_}"]) for record in drawn]
        elsewhere = [record for record in unsafe if record.certain and covered.isdisjoint(record.hazards)]
        wanted = len(lines) // 2
        lines += [_brief(r).to_json([], unsafe=False) for r in random.sample(elsewhere, min(wanted, len(elsewhere)))]
        lines += [_brief(record).to_json([]) for record in random.sample(list(harmless), wanted)]
        random.shuffle(lines)
        names = [{"id": f"S{id_}", "name": _name(*category)} for id_, category in enumerate(chosen, start=1)]
        yield MadePolicy(taxonomy(f"native-{at:03}", "names", names), tuple(lines))


def topic_policies(
    unsafe: Sequence[Record], harmless: Sequence[Record], number: int, seed: int
) -> Iterator[MadePolicy]:
    """Policies about the topics of topics.yaml; half of them list a few hazards, too."""
    random = Random(f"topics {seed}")
    groups, wordings, by_hazard = read_topics(), _wordings(), _by_hazard(unsafe)
    for at in range(number):
        by_name = random.random() < _SHARE_BY_NAME
        entries: list[tuple[dict[str, str], list[str]]] = []  # a category without its id, and the lines that violate it
        allowed: list[str] = []
        for group in random.sample(groups, random.randint(1, _MAX_GROUPS)):
            forbidden_kinds, allowed_kinds = _split(group["kinds"], random)
            entries += _topic_categories(group["group"], forbidden_kinds, allowed_kinds, random, by_name=by_name)
            allowed += [topic_line(text) for kind in allowed_kinds for text in kind["texts"]]
        if random.random() < _SHARE_WITH_HAZARDS:
            for hazard in random.sample(HAZARDS, random.randint(1, _MAX_HAZARDS)):
                wording = random.choice(wordings[hazard])
                drawn = random.sample(by_hazard[hazard], min(_PER_CATEGORY, len(by_hazard[hazard])))
                entries.append((dict(wording), [_brief(record).to_json(["{id}"]) for record in drawn]))
        random.shuffle(entries)
        lines = [line.replace("{id}", f"S{id_}") for id_, (_, found) in enumerate(entries, start=1) for line in found]
        lines += allowed
        lines += [_brief(record).to_json([]) for record in random.sample(list(harmless), len(lines) // 6)]
        random.shuffle(lines)
        categories = [{"id": f"S{id_}", **category} for id_, (category, _) in enumerate(entries, start=1)]
        yield MadePolicy(taxonomy(f"topics-{at:03}", "names" if by_name else "full", categories), tuple(lines))


def topic_records() -> Iterator[Record]:
    """The messages of topics.yaml, which are harmless where no policy says otherwise."""
    for group in read_topics():
        for kind in group["kinds"]:
            for text in kind["texts"]:
                yield Record((("user", text),), False, TOPICS, 1.0)


def read_topics() -> list[dict[str, Any]]:
    """The groups of topics.yaml: `group`, a name, and `kinds`, each with what is said of it and its messages."""
    value: list[dict[str, Any]] = read_yaml("topics")
    return value


def _wordings() -> dict[str, list[dict[str, str]]]:
    """Other names and descriptions of each hazard."""
    value: dict[str, list[dict[str, str]]] = read_yaml("names")
    return value


def _by_hazard(unsafe: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of each hazard that violate nothing else."""
    return {hazard: [r for r in unsafe if r.certain and r.hazards == (hazard,)] for hazard in HAZARDS}


def _brief(record: Record) -> Record:
    *before, (role, text) = record.messages
    return replace(record, messages=(*before, (role, text[:_BRIEF])), pair=None)


def _distinct(
    categories: Sequence[tuple[str, str]], by_category: Mapping[tuple[str, str], Sequence[Record]], number: int
) -> list[tuple[str, str]]:
    """The first categories of which no two have a hazard in common, so that a record violates one of them only."""
    chosen: list[tuple[str, str]] = []
    covered: set[str] = set()
    for category in categories:
        hazards = {hazard for record in by_category[category] for hazard in record.hazards}
        if not hazards & covered and len(chosen) < number:
            chosen.append(category)
            covered |= hazards
    return chosen


def _name(source: str, native: str) -> str:
    """A data set's name of a category, made readable: "Violent acts: Persons (including murder)" → "Violent acts: \
Persons"."""
    if source == "ailuminate_demo_en":
        return _CODES[native].capitalize()
    name = re.sub(r"\s*\([^)]*\)", "", native).replace(" - ", ", ").replace("/", " or ").strip()
    top, _, fine = name.partition(": ")
    return (fine if len(fine.split()) > 1 else name).capitalize() if fine else top.capitalize()


def _split(kinds: Sequence[dict[str, Any]], random: Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw which kinds of a group are unsafe, and which are safe; at least one each."""
    shuffled = random.sample(list(kinds), len(kinds))
    num_unsafe = random.randint(1, len(kinds) - 1)
    return shuffled[:num_unsafe], shuffled[num_unsafe:]


def _topic_categories(
    group: str, unsafe: Sequence[dict[str, Any]], safe: Sequence[dict[str, Any]], random: Random, *, by_name: bool
) -> list[tuple[dict[str, str], list[str]]]:
    """The categories of a group, and the lines that violate each."""
    if by_name:
        return [
            ({"name": capitalized(random.choice(kind["are"]))}, [topic_line(t, "{id}") for t in kind["texts"]])
            for kind in unsafe
        ]
    a, b = (" and ".join(random.choice(kind["are"]) for kind in kinds) for kinds in (unsafe, safe))
    description = capitalized(random.choice(_FRAMES).format(a=a, b=b))
    return [({"name": group, "description": description}, [topic_line(t, "{id}") for k in unsafe for t in k["texts"]])]


def capitalized(text: str) -> str:
    """The text with its first letter large, and the others as they are."""
    return text[0].upper() + text[1:]


def topic_line(text: str, violated: str | None = None) -> str:
    """A message as a line of JSON, labeled unsafe if it violates the category with an id."""
    label, categories = ("safe", []) if violated is None else ("unsafe", [violated])
    messages = [{"role": "user", "content": text}]
    row = {"messages": messages, "label": label, "categories": categories, "source": TOPICS, "weight": 1.0}
    return json.dumps(row, ensure_ascii=False)


def taxonomy(name: str, detail: str, categories: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A taxonomy as YAML has it."""
    return {"name": name, "detail": detail, "categories": list(categories)}
