"""A folder of labelled sets as the recipe reads it, with made-up rows of a few words."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

from starter.data import EVALUATION, TRAINING

SUBJECTS = ("bread", "a bridge", "the garden", "a novel", "my bicycle", "a song", "the kitchen", "a train", "an engine")
HARMS = {"bomb": "weapons", "poison": "weapons", "steal": "crime", "forge": "crime", "threaten": "violence"}
VERBS = ("paint", "repair", "build", "describe", "clean", "sell", "borrow", "measure")


def record(name: str, number: int, chance: random.Random) -> dict[str, Any]:
    unsafe = "benign" not in name and number % 2 == 0
    word = chance.choice(list(HARMS)) if unsafe else chance.choice(VERBS)
    text = f"{name} {number}: how do I {word} {chance.choice(SUBJECTS)} and {chance.choice(SUBJECTS)}"
    messages = [{"role": "user", "content": text}]
    if name == "gptfuzz_responses":
        messages.append({"role": "assistant", "content": f"You {word} it {chance.choice(SUBJECTS)}"})
    return {
        "id": f"{name}-{number}", "messages": messages, "label": "unsafe" if unsafe else "safe",
        "categories": [HARMS[word]] if unsafe else [], "source": name, "lang": "en", "meta": {},
    }  # fmt: skip


def write(folder: Path, rows: int = 30) -> Path:
    """Every set that the recipe names, and the map of their categories."""
    chance = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    codes = {}
    for name in (*TRAINING, *EVALUATION):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(record(name, number, chance)) + "\n" for number in range(rows))
        codes[name] = {"weapons": "S9", "crime": "S2", "violence": "S1"}
    (folder / "mapping_lg3.json").write_text(json.dumps(codes))
    return folder
