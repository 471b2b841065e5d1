"""Adapting to another taxonomy's data: fine-tuning on a part of it, beside prompting alone.

The data is ConvAbuse: what people write to chatbots, behind up to three messages. Fine-tuning starts from the small
guard, or from the base that it was made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipes.paper.few_shot import SHOTS, write_with_examples
from recipes.paper.workspace import Row, Training, Workspace, differences, shuffled, system_figures, write_rows
from recipes.smol.doubles import NearDoubles
from recipes.smol.evaluation_sets import trained_records
from recipes.smol.linear_baseline import LinearBaseline
from recipes.smol.records import HERE as SMOL
from recipes.smol.records import Record, read_rows
from recipes.smol.train import QUESTION

POLICY = Path(__file__).parent / "chatbot_abuse.yaml"
CATEGORY = "abuse"
_SET = "convabuse"
_NUM_TRAINED = 600
SHARES = (0.2, 0.5, 1.0)
BATCH_SIZE = 16
# A fresh adapter begins at zero and needs a higher learning rate.
_STARTS = {"base": (None, 1e-3), "smol": (SMOL / "adapter", 5e-4)}


def adapting(workspace: Workspace) -> Row:
    """AUPRC on rows that no model was trained on, with the tokens that each way evaluates."""
    train, test = split_rows(workspace.data, workspace.built, num_judged=workspace.rows, seed=workspace.seed)
    linear = {share: LinearBaseline([_record(row) for row in _part(train, share)]) for share in SHARES}
    scored = {share: model.scores([_record(row) for row in test]) for share, model in linear.items()}
    fields = {share: f"linear-{share:.0%}" for share in SHARES}
    rows = [row | {fields[share]: float(scored[share][at]) for share in SHARES} for at, row in enumerate(test)]
    records = write_rows(workspace.out / "adapting.jsonl", rows)
    policy = write_with_examples(POLICY, train, {"S1": CATEGORY}, workspace.out / "adapting.yaml")

    names: list[str] = []
    systems: dict[str, Row] = {}
    for shots in (0, *SHOTS):
        name = f"adapting/smol-{shots}-shot"
        (system,) = workspace.evaluate(name, records, "-t", policy, "--shots", shots)["systems"]
        names.append(name)
        systems[f"smol-{shots}-shot"] = system_figures(system) | {"trained_tokens": None}
    for start, (initial, learning_rate) in _STARTS.items():
        for share in SHARES:
            name = f"adapting/{start}-{share:.0%}".replace("%", "")
            part = write_rows(workspace.out / f"{name}.records.jsonl", _part(train, share))
            options = ("-t", POLICY, "--copies", 0, "--negatives", 1)
            examples = workspace.prepare(name, part, QUESTION, *options)
            training = Training(examples, BATCH_SIZE, learning_rate, initial=initial)
            adapter, evaluated = workspace.train(name, training)
            (system,) = workspace.evaluate(f"{name}-evaluated", records, "-t", POLICY, adapter=adapter)["systems"]
            names.append(f"{name}-evaluated")
            systems[name.removeprefix("adapting/")] = system_figures(system) | {"trained_tokens": evaluated}
    scores = [option for share in SHARES for option in ("--score-field", f"{fields[share]}={fields[share]}")]
    every = workspace.compare("adapting/all", records, names, *scores)
    for share, system in zip(SHARES, every["systems"][len(names) :], strict=True):
        systems[fields[share].replace("%", "")] = system_figures(system) | {"trained_tokens": None}
    return {
        "trained": len(train), "known": _num_known(train, workspace.built), "rows": len(test),
        "unsafe": every["data"]["unsafe"], "systems": systems,
        "differences": dict(zip([*systems][1:], differences(every), strict=True)),
    }  # fmt: skip


def split_rows(data: Path, built: Path, *, num_judged: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and rows of other splits to judge, each unsafe and safe in turn as long as there are both.

    No judged conversation is nearly the same as one that is trained on here, or that the small guard was trained on.
    """
    rows = shuffled(map(_with_category, read_rows(data, _SET)), seed)
    known = NearDoubles(" ".join(text for _, text in record.messages) for record in trained_records(built))
    test = _in_turn([row for row in rows if row["split"] != "train" and not known.has(_conversation(row))])[:num_judged]
    judged = NearDoubles(map(_conversation, test))
    train = _in_turn([row for row in rows if row["split"] == "train" and not judged.has(_conversation(row))])
    return train[:_NUM_TRAINED], test


def _num_known(rows: Sequence[Row], built: Path) -> int:
    """How many rows are nearly the same as one of the set that the small guard was trained on."""
    records = [record for record in trained_records(built) if record.source == _SET]
    known = NearDoubles(" ".join(text for _, text in record.messages) for record in records)
    return sum(known.has(_conversation(row)) for row in rows)


def _with_category(row: Row) -> Row:
    return row | {"categories": [CATEGORY] if row["label"] == "unsafe" else []}


def _in_turn(rows: Sequence[Row]) -> list[Row]:
    both = zip(*([row for row in rows if row["label"] == label] for label in ("unsafe", "safe")), strict=False)
    return [row for pair in both for row in pair]


def _conversation(row: Row) -> str:
    return " ".join(message["content"] for message in row["messages"])


def _part(rows: list[Row], share: float) -> list[Row]:
    return rows[: round(share * len(rows))]


def _text(row: Row) -> str:
    text: str = row["messages"][-1]["content"]
    return text


def _record(row: Row) -> Record:
    return Record((("user", _text(row)),), row["label"] == "unsafe", _SET, 1.0)
