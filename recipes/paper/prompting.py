"""Adapting by prompting: OpenAI's categories, without and with examples, on OpenAI's moderation set."""

from __future__ import annotations

from guardcli.evaluation.datasets.schemas import OPENAI_CATEGORIES
from guardcli.taxonomy import Taxonomy
from recipes.paper.few_shot import SHOTS, write_with_examples
from recipes.paper.workspace import Row, Workspace, differences, interval, shuffled, system_figures, write_rows
from recipes.smol.records import read_rows

_SET, _OWN, _TARGET = "openai_mod", "llama-guard-3", "openai-moderation"
_FEW_SHOT_SHARE = 0.4  # of the judged rows: prompts with examples are long


def zero_shot(workspace: Workspace) -> Row:
    """The guard's own policy beside OpenAI's categories, which it was not trained on."""
    records = write_rows(workspace.out / "zero-shot.jsonl", _rows(workspace)[: workspace.rows])
    names = ("zero-shot/own", "zero-shot/openai")
    evaluations = [
        workspace.evaluate(name, records, "-t", policy) for name, policy in zip(names, (_OWN, _TARGET), strict=True)
    ]
    both = workspace.compare("zero-shot/both", records, names)
    systems = dict(zip((_OWN, _TARGET), (system_figures(one["systems"][0]) for one in evaluations), strict=True))
    categories = {
        label: {
            "unsafe": one["unsafe"],
            "all": interval(one["auprc_one_vs_all"]),
            "benign": interval(one["auprc_one_vs_benign"]),
        }
        for label, one in evaluations[1]["systems"][0]["categories"].items()
    }
    return {
        "unsafe": evaluations[0]["data"]["unsafe"], "systems": systems, "differences": differences(both),
        "categories": categories,
    }  # fmt: skip


def few_shot(workspace: Workspace) -> Row:
    """OpenAI's categories with no, two and four examples each, which are rows that are not judged."""
    rows = _rows(workspace)
    judged = rows[: round(_FEW_SHOT_SHARE * workspace.rows)]
    records = write_rows(workspace.out / "few-shot.jsonl", judged)
    ids = {category.label: category.id for category in Taxonomy.load(_TARGET).categories}
    natives = {ids[name]: native for native, name in OPENAI_CATEGORIES.items()}
    policy = write_with_examples(_TARGET, rows[workspace.rows :], natives, workspace.out / "few-shot.yaml")
    names = [f"few-shot/{shots}" for shots in (0, *SHOTS)]
    evaluations = [
        workspace.evaluate(name, records, "-t", policy, "--shots", shots)
        for name, shots in zip(names, (0, *SHOTS), strict=True)
    ]
    every = workspace.compare("few-shot/all", records, names)
    return {
        "unsafe": every["data"]["unsafe"],
        "systems": {str(n): system_figures(one["systems"][0]) for n, one in zip((0, *SHOTS), evaluations, strict=True)},
        "differences": differences(every),
    }


def _rows(workspace: Workspace) -> list[Row]:
    return shuffled(read_rows(workspace.data, _SET), workspace.seed)
