"""The tables of docs/families.md. `python -m tests.families_page` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.families import BASE
from guardcli.models.quantization import UNQUANTIZED
from guardcli.models.registry import REGISTRY, RegisteredModel
from guardcli.prompts import TEMPLATES, Template
from guardcli.prompts.llama_guard import LLAMA_GUARD
from guardcli.prompts.smol_guard import SMOL_GUARD, SMOL_GUARD_2
from guardcli.prompts.turns import ROLES
from guardcli.report.model_report import format_gb
from guardcli.taxonomy import Taxonomy
from tests.generated import cell, replace_generated_parts

PAGE = Path(__file__).parent.parent / "docs" / "families.md"
RESULTS = PAGE.parent.parent / "benchmarks" / "results" / "families-2-cores.json"
_BITS = 4.85  # of a weight in Q4_K_M

OTHERS = [template for template in TEMPLATES.values() if template not in (*LLAMA_GUARD, SMOL_GUARD, SMOL_GUARD_2)]


def generated() -> str:
    """Return the table of templates, that of models, and what is unverified of each template."""
    templates = _table(
        ("template", "license, gate", "judges", "reads of a policy", "messages in a prompt", "score", "categories"),
        map(_template_row, OTHERS),
    )
    models = _table(("model", "template", "parameters", "languages", "memory"), map(_model_row, _models()))
    names: dict[str, list[str]] = {}
    for template in OTHERS:
        names.setdefault(template.unverified, []).append(f"`{template.name}`")
    unverified = "".join(f"- {', '.join(of)}: {text}.\n" for text, of in names.items() if text)
    return (
        f"{templates}\n{models}\n{_costs()}\nUnverified of the wording, because no source settles it:\n\n{unverified}"
    )


def _models() -> list[RegisteredModel]:
    names = [template.name for template in OTHERS]
    return sorted((one for one in REGISTRY.values() if one.family in names), key=lambda one: names.index(one.family))


def _template_row(template: Template) -> tuple[str, ...]:
    family = template.name.removesuffix("-loose")
    model = next(model for model in REGISTRY.values() if model.family == family)
    answer = template.answer
    unsafe, safe = (", ".join(f"`{word}`" for word in words) for words in (answer.unsafe, answer.safe))
    gate = "gated" if model.gate else "no gate"
    return (
        f"`{template.name}`", f"{model.license}, {gate}", " and ".join(f"{ROLES[one]}s" for one in template.judges),
        template.policy, template.reads, f"{unsafe} against {safe}", _categories(template),
    )  # fmt: skip


def _categories(template: Template) -> str:
    if template.asks_by_category:
        return "one question each"
    if template.listed is None:
        return "not named"
    categories = Taxonomy.load(template.taxonomy).categories
    listed = template.listed(categories[0]).strip()
    if not listed:
        return f"one: {categories[0].name.lower()}"
    return f"{len(categories)} of its own, listed by {'id' if listed == categories[0].id else 'name'}"


def _model_row(model: RegisteredModel) -> tuple[str, ...]:
    sizes = [n_bytes for name, n_bytes in model.sizes.items() if name not in UNQUANTIZED]
    memory = format_gb(model.memory(min(sizes))) if sizes else f"about {format_gb(model.memory(_estimated(model)))}"
    return (
        f"`{model.name}`", f"`{model.family}`", f"{model.n_weights / 1e9:.3g} B", model.languages or "not known", memory
    )  # fmt: skip


def _costs() -> str:
    """What a message costs by the shape of a family's prompt, as benchmarks/families.py measured it."""
    measured = json.loads(RESULTS.read_text("utf-8"))
    machine, (user, assistant) = measured["machine"], measured["messages"]["words"]
    headings = ("template", "architecture", "prompts a message", "tokens a message", "messages/s", f"time, {BASE} = 1")
    rows = (
        (f"`{name}`", one["architecture"], str(one["prompts_a_message"]), f"{one['evaluated_a_message']:.0f}",
         f"{one['messages_per_cpu_second']:.1f}", f"{one['times_the_base']:.2f}")
        for name, one in measured["families"].items()
    )  # fmt: skip
    return (
        f"What a message of {assistant} words costs that answers one of {user}, by the shape of the prompt alone: "
        "random weights, all models of one size (13 M parameters without the embedding, Q8_0) with the vocabulary of "
        "Llama 3. Each family is asked about its own taxonomy, which is in the cache already. Tokens are those that "
        f"are evaluated; messages/s are of CPU time of one thread of {machine['processor']} with {machine['cores']} "
        "cores, on which other work ran, so that only the last column means something elsewhere "
        f"(`benchmarks/families.py`).\n\n{_table(headings, rows)}"
    )


def _estimated(model: RegisteredModel) -> float:
    return model.n_weights * _BITS / 8


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(map(cell, row)) for row in (headings, *rows)]
    return "".join((lines[0], f"|{'---|' * len(headings)}\n", *lines[1:]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    replace_generated_parts(PAGE, [generated()])
