"""The records that the small guard is evaluated on, uncut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from recipes.smol.doubles import NearDoubles
from recipes.smol.records import PARTIAL, Record, evaluated_benign_rows, read_rows

# The five sets whose AUPRC is averaged, and one of responses.
AVERAGED = ("openai_mod", "xstest", "jailbreakbench", "sst + benign", "held-out")
RESPONSES = "xstest_response"


def evaluation_sets(data: Path, built: Path, *, limit: int | None = None, seed: int = 0) -> dict[str, list[Record]]:
    """The records of every set by its name; of each no more than `limit`, drawn at random.

    `data` is the folder of the data sets, and `built` that of train.jsonl and held_out.jsonl. Harmless rows that stand
    beside SimpleSafetyTests are left out if they, or something near them, were trained on.
    """
    sets = {name: _records(read_rows(data, name)) for name in ("openai_mod", "xstest", "jailbreakbench", RESPONSES)}
    sets["sst + benign"] = _records(read_rows(data, "sst")) + mt_bench(data) + untrained_benign(data, built)
    sets["held-out"] = held_out(built)
    if limit is None:
        return sets
    return {name: Random(seed).sample(found, min(limit, len(found))) for name, found in sets.items()}


def mt_bench(data: Path) -> list[Record]:
    """The requests of MT-Bench, all of them harmless."""
    return _records(read_rows(data, "benign_mt_bench"))


def untrained_benign(data: Path, built: Path) -> list[Record]:
    """The harmless rows beside SimpleSafetyTests, without those that were trained on."""
    trained = NearDoubles(record.messages[-1][1] for record in trained_records(built))
    return [record for record in _records(evaluated_benign_rows(data)) if not trained.has(record.text)]


def trained_records(built: Path) -> list[Record]:
    """What was trained on as it is, from train.jsonl."""
    return _built(built / "train.jsonl")


def held_out(built: Path) -> list[Record]:
    """The held-out part of the training sets, from held_out.jsonl."""
    return _built(built / "held_out.jsonl")


def _built(path: Path) -> list[Record]:
    return _records(map(json.loads, path.read_text("utf-8").splitlines()))


def _records(rows: Iterable[Mapping[str, Any]]) -> list[Record]:
    return [_record(row) for row in rows if row["label"] is not None]


def _record(row: Mapping[str, Any]) -> Record:
    categories: Sequence[str] = row["categories"]
    return Record(
        messages=tuple((message["role"], message["content"]) for message in row["messages"]),
        unsafe=row["label"] == "unsafe",
        source=row["source"],
        weight=row.get("weight", 1.0),
        hazards=tuple(id_ for id_ in categories if id_ != PARTIAL),
        certain=PARTIAL not in categories,
    )
