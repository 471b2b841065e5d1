"""The records of the labeled data sets, with the hazards of Llama Guard 3 in place of their own categories."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import yaml

from guardcli import Conversation, Message
from guardcli.conversation import Role

Messages: TypeAlias = tuple[tuple[Role, str], ...]  # in the order of a conversation

HERE = Path(__file__).parent
HAZARDS = tuple(f"S{number}" for number in range(1, 15))
PARTIAL = "unclear"  # a category that no policy has, so that guard tune prepare keeps the others in every variant

# What a label is worth: a person's judgment of this very item, down to sets whose prompts are only presumed unsafe.
LABEL_WEIGHTS = {"human": 1.0, "human+model": 0.9, "construction": 0.8}
_WEAK_SETS = {"aart": 0.4, "airbench_auto_en": 0.5, "do_not_answer": 0.5}

# Messages are cut to so many characters; of those before the judged one the end is kept.
MAX_CHARS = 600
LONG_CHARS = 1500
LONG_SHARE = 0.12
_CONTEXT_CHARS = 250


@dataclass(frozen=True, slots=True)
class Record:
    """A labeled conversation; the label is about its last message.

    `native` is the set's own category, `hazards` are ids of Llama Guard 3, and `certain` says that the record violates
    no other. Records of the same `pair` have different labels.
    """

    messages: Messages
    unsafe: bool
    source: str
    weight: float
    native: str = ""
    hazards: tuple[str, ...] = ()
    certain: bool = True
    pair: str | None = None

    @property
    def text(self) -> str:
        return self.messages[-1][1]

    @property
    def conversation(self) -> Conversation:
        return Conversation(tuple(Message(role, text) for role, text in self.messages))

    def to_json(self, categories: Sequence[str] | None = None, *, unsafe: bool | None = None) -> str:
        """One line of JSON. Another policy's `categories` and label replace the record's own."""
        if categories is None:
            categories = (*self.hazards, *([] if self.certain else [PARTIAL]))
        unsafe = self.unsafe if unsafe is None else unsafe
        row: dict[str, Any] = {
            "messages": [{"role": role, "content": text} for role, text in self.messages],
            "label": "unsafe" if unsafe else "safe",
            "categories": list(categories) if unsafe else [],
            "source": self.source,
            "weight": round(self.weight, 3),
        }
        return json.dumps(row if self.pair is None else row | {"pair": self.pair}, ensure_ascii=False)


@cache
def read_yaml(name: str) -> Any:
    """The content of a YAML file of this folder, the same object each time. libyaml reads it ten times as fast."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((HERE / f"{name}.yaml").read_text("utf-8"), loader)


BENIGN_SETS = ("benign_self_instruct", "benign_gsm8k_1k", "benign_taskmaster4")
_NUM_BENIGN = 220


def evaluated_benign_rows(folder: Path) -> list[dict[str, Any]]:
    """The harmless rows beside SimpleSafetyTests on the card of the model that was shipped before, for comparison.

    That model held back the rows whose first message has a hash in a certain range, and took the first of them.
    """
    rows = [row for name in BENIGN_SETS for row in read_rows(folder, name) if 0.06 <= _hash(row) < 0.12]
    return rows[:_NUM_BENIGN]


def _hash(row: Mapping[str, Any]) -> float:
    text = " ".join(re.findall(r"\w+", row["messages"][0]["content"].strip().lower()))
    return int.from_bytes(sha256(f"{row['source']}/{text}".encode()).digest()[:4], "big") / 2**32


def read_rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a data set."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read_records(folder: Path, name: str, seed: int) -> Iterator[Record]:
    """The English records of a data set that have a label, cut to length.

    Unsafe records with a category that the map does not know are left out, and so are unsafe prompts that are too long:
    what is unsafe in them may be in the part that is cut off. Records of a set without categories have no hazards.
    """
    for row in read_rows(folder, name):
        if row["lang"] != "en" or row["label"] is None:
            continue
        unsafe = row["label"] == "unsafe"
        native = _native(row)
        hazards, certain = _hazards(name, row, native) if unsafe else ((), True)
        limit = LONG_CHARS if Random(f"{seed} {row['id']}").random() < LONG_SHARE else MAX_CHARS
        judged = row["messages"][-1]
        too_long = judged["role"] == "user" and len(judged["content"]) > 1.4 * limit
        if unsafe and (too_long or (native and not hazards)):
            continue
        messages = tuple((message["role"], message["content"].strip()) for message in row["messages"])
        yield Record(
            messages=_cut(messages, limit),
            unsafe=unsafe,
            source=name,
            weight=_WEAK_SETS.get(name, LABEL_WEIGHTS[row["label_basis"]]),
            native=native,
            hazards=hazards,
            certain=certain,
            pair=_pair(name, row),
        )


def _native(row: Mapping[str, Any]) -> str:
    """The finest category that a row has."""
    meta = row["meta"]
    if row["source"] == "airbench_auto_en":
        return f"{row['categories'][0]}: {meta['l4']}"
    if row["source"] == "do_not_answer":
        return str(meta["garak_intents"][0]) if meta["garak_intents"] else ""
    return str(meta.get("subcategory") or next(iter(row["categories"]), ""))


def _pair(name: str, row: Mapping[str, Any]) -> str | None:
    """Responses to the same prompt belong together: some are safe, and others are not."""
    if name == "gptfuzz_responses":
        return f"{name} {row['meta']['question']}"
    return f"{name} {row['messages'][0]['content']}" if name == "safetext" else None


@cache
def _category_map() -> dict[str, dict[str, str]]:
    value: dict[str, dict[str, Any]] = dict(read_yaml("categories"))
    questions = value["gptfuzz_responses"]
    value["gptfuzz_responses"] = {str(number): id_ for id_, numbers in questions.items() for number in numbers}
    return value


def _hazards(name: str, row: Mapping[str, Any], native: str) -> tuple[tuple[str, ...], bool]:
    """The hazards of an unsafe row, and whether they are all."""
    entries = _category_map().get(name, {})
    if name == "gptfuzz_responses":
        target: str | None = entries.get(row["meta"]["question"], "S2")
    else:
        top = native.split(":")[0] if name == "airbench_auto_en" else native
        target = entries.get(top)
    return () if target is None else (target.rstrip("?"),), bool(target) and not str(target).endswith("?")


def _cut(messages: Messages, limit: int) -> Messages:
    """Cut the judged message to its beginning, and those before it to their ends, of which the last three are kept."""
    *before, (role, text) = messages[-4:]
    shown = [(who, said if len(said) <= _CONTEXT_CHARS else f"…{said[-_CONTEXT_CHARS:]}") for who, said in before]
    if len(text) > limit:
        text = text[:limit].rsplit(maxsplit=1)[0]
    return (*shown, (role, text))
