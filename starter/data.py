"""Labelled conversations of the training and evaluation sets, and how they are parted.

It knows files, labels and hazard numbers; it knows neither tokens nor prompts.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from guardcli.prompts.turns import Speaker, Turn

HAZARDS = 14
NEAR = 0.9  # the cosine of two texts' words, weighted by rarity, from which on they count as the same
Turns = tuple[Turn, ...]
Floats = NDArray[np.float32]

# How often a row of a set is drawn, by how much its labels are worth: 1 is a person's label of an item.
TRAINING = {
    "aegis1_train_prompts_438": 2.0, "aegis2_unsafe_900": 1.5, "ailuminate_demo_en": 1.0, "catqa": 0.7,
    "cyberseceval_interpreter": 0.7, "cyberseceval_frr": 0.7, "gptfuzz_responses": 0.35, "hatemoji_build": 0.7,
    "surge_toxicity": 1.0, "convabuse": 0.6, "safetext": 0.5, "figstep_safebench": 1.0, "jailbreakv_600": 0.7,
    "airbench_auto_en": 0.35, "aart": 0.5, "do_not_answer": 0.3, "benign_self_instruct": 2.0,
    "benign_gsm8k_1k": 0.6, "benign_taskmaster4": 0.5,
}  # fmt: skip
CHOSEN_BY = "aegis1_train_prompts_438"  # left out of training: other people's texts, to choose a recipe by
EVALUATION = (
    "openai_mod", "xstest", "xstest_response", "jailbreakbench", "sst", "dices_350", "hatecheck", "benign_mt_bench",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation of which the last turn is labelled; `hazards` are from 1 to 14, empty where unknown."""

    source: str
    group: str
    turns: Turns
    unsafe: bool
    hazards: frozenset[int] = frozenset()
    weight: float = 1.0
    language: str = "en"

    @property
    def last(self) -> str:
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class Split:
    """The training sets in three parts, by group: to fit, to choose by, and to be looked at once at the end."""

    train: list[Row]
    dev: list[Row]
    held_out: list[Row]


def load(folder: Path, name: str, weight: float = 1.0) -> list[Row]:
    """The labelled rows of one set, in the order of the file."""
    codes = json.loads((folder / "mapping_lg3.json").read_text("utf-8")).get(name, {})
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [_row(record, name, codes, weight) for record in records if record["label"]]


def training(folder: Path) -> list[Row]:
    """All rows of the training sets that are not in an evaluation set, each text once."""
    rows = [row for name, weight in TRAINING.items() for row in load(folder, name, weight)]
    return list(distinct(without(rows, known(folder), near=NEAR)))


def known(folder: Path) -> list[str]:
    """Every text of the evaluation sets."""
    return [each.text for name in EVALUATION for row in load(folder, name) for each in row.turns]


def without(rows: Sequence[Row], known: Sequence[str], *, near: float) -> list[Row]:
    """The rows of which no user's turn and no judged turn is one of the known texts, or nearly so."""
    said = [(number, text) for number, row in enumerate(rows) for text in {row.turns[0].text, row.last}]
    exact = {normalised(text) for text in known}
    vectors = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True, dtype=np.float32)
    known_words = vectors.fit_transform(known).T.tocsc()
    words = vectors.transform([text for _, text in said])
    found = {number for number, text in said if normalised(text) in exact}
    for start in range(0, len(said), 1000):
        closest = (words[start : start + 1000] @ known_words).max(axis=1).toarray().ravel()
        found |= {said[start + at][0] for at in np.flatnonzero(closest >= near)}
    return [row for number, row in enumerate(rows) if number not in found]


def distinct(rows: Iterable[Row]) -> Iterator[Row]:
    """The first of each conversation."""
    seen = set()
    for row in rows:
        key = "\0".join(normalised(turn.text) for turn in row.turns[-2:])
        if key not in seen:
            seen.add(key)
            yield row


def split(rows: Iterable[Row], *, share: float = 0.06) -> Split:
    """Part rows by a hash of their group, so that what belongs together stays together."""
    parts: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for row in rows:
        at = int.from_bytes(hashlib.sha256(f"{row.source}/{row.group}".encode()).digest()[:4], "big") / 2**32
        parts[1 if at < share else 2 if at < 2 * share else 0].append(row)
    return Split(*parts)


def normalised(text: str) -> str:
    """Letters and digits only, in lower case."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _row(record: dict[str, Any], name: str, codes: dict[str, str | None], weight: float) -> Row:
    turns = tuple(
        turn("Agent" if message["role"] == "assistant" else "User", message["content"], number)
        for number, message in enumerate(record["messages"], start=1)
        if message["content"].strip()
    )
    found = {codes.get(category) for category in record["categories"] or ()}
    unsafe = record["label"] == "unsafe"
    hazards = frozenset(int(code[1:]) for code in found if code) if unsafe else frozenset()
    return Row(name, _group(record, name, turns), turns, unsafe, hazards, weight, record["lang"] or "en")


def turn(speaker: Speaker, text: str, number: int = 1) -> Turn:
    """A turn as guardcli would show it."""
    return Turn(number, "assistant" if speaker == "Agent" else "user", speaker, text.strip())


def _group(record: dict[str, Any], name: str, turns: Turns) -> str:
    """What must not be parted: a prompt and its response, answers to one question, paraphrases."""
    meta = record["meta"] or {}
    return str(meta.get("question") or meta.get("idx") or normalised(turns[0].text))
