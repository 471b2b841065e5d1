"""Dropping categories in training: does a guard that was trained on varied lists read the list?

Both adapters start from the base, and see the same records twice: one under the whole list, the other once under the
whole list and once under a list from which categories were dropped, as the paper trained Llama Guard.
"""

from __future__ import annotations

from itertools import islice

from recipes.paper.workspace import Row, Training, Workspace, interval, system_figures
from recipes.smol.train import LIST

_NUM_RECORDS = 800
_BATCH_SIZE, _LEARNING_RATE = 32, 1e-3
_ARMS = {"whole lists": (0, 2.0), "dropped": (1, 1.0)}  # copies of a record beside it, and epochs


def dropping(workspace: Workspace) -> Row:
    """AUPRC under the whole list, and what becomes of verdicts when the list changes."""
    with (workspace.built / "train.jsonl").open(encoding="utf-8") as lines:
        records = workspace.out / "dropping.records.jsonl"
        records.write_text("".join(islice(lines, _NUM_RECORDS)), "utf-8")
    with (workspace.built / "held_out.jsonl").open(encoding="utf-8") as lines:
        held_out = workspace.out / "dropping.held-out.jsonl"
        held_out.write_text("".join(islice(lines, workspace.rows)), "utf-8")
    arms = {}
    for name, (copies, epochs) in _ARMS.items():
        key = f"dropping/{name.replace(' ', '-')}"
        options = ("--copies", copies, "--weight-field", "weight", "--pair-field", "pair")
        examples = workspace.prepare(key, records, LIST, *options)
        adapter, num_tokens = workspace.train(key, Training(examples, _BATCH_SIZE, _LEARNING_RATE, epochs))
        evaluation = workspace.evaluate(
            f"{key}-evaluated", held_out, "--steerability", "--target", "last", adapter=adapter
        )
        (system,) = evaluation["systems"]
        probes = {
            probe["policy"]: {
                "expected": probe["expected"], "records": probe["records"], "right": probe["right"],
                "share": interval(probe["share"]),
            }
            for probe in system["steerability"]["probes"] if probe["inapplicable"] is None
        }  # fmt: skip
        arms[name] = {"system": system_figures(system), "trained_tokens": num_tokens, "probes": probes}
    return {"records": _NUM_RECORDS, "arms": arms}
