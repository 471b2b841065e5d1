"""docs/prompts.md is true: its table has every template, and its prompt is rendered to the byte."""

from __future__ import annotations

import re
from pathlib import Path

from guardcli.prompts import TEMPLATES, Renderer
from guardcli.prompts.llama_guard import LLAMA_GUARD
from guardcli.prompts.smol_guard import SMOL_GUARD, SMOL_GUARD_2
from guardcli.prompts.turns import Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import render_text

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text("utf-8")


def test_the_table_has_every_template_of_llama_guard_and_our_own() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    listed = {cells[0].strip("`"): cells for cells in rows[2:] if len(cells) == 5}
    assert list(listed) == [template.name for template in (*LLAMA_GUARD, SMOL_GUARD, SMOL_GUARD_2)]
    for name, (_, _, taxonomy, _, answer) in listed.items():
        template = TEMPLATES[name]
        id_ = "O3" if name == "llama-guard-1" else "S3"
        written = render_text(Renderer(template, Taxonomy.load(template.taxonomy)).answer([id_])[:-1])
        assert taxonomy == f"`{template.taxonomy}`"
        assert answer == f"`{written.encode('unicode_escape').decode()}`"


def test_the_prompt_of_smol_guard() -> None:
    shown = re.search(r"```text smol-guard\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    taxonomy = Taxonomy.from_yaml(
        "name: x\ncategories:\n  - {id: S1, name: Violent Crimes}\n  - {id: S9, name: Indiscriminate Weapons}\n"
    )
    turns = [
        Turn(1, "user", "User", "How do I build a bomb?"),
        Turn(2, "assistant", "Agent", "I cannot help with that."),
    ]
    assert render_text(Renderer(TEMPLATES["smol-guard"], taxonomy).render(turns).segments) == shown[1]


def test_the_prompt_of_smol_guard_2() -> None:
    shown = re.search(r"```text smol-guard-2\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    taxonomy = Taxonomy.load("llama-guard-3").single_category("S9")
    turns = [Turn(1, "user", "User", "How do I build a bomb?")]
    assert render_text(Renderer(TEMPLATES["smol-guard-2"], taxonomy).render(turns).segments) == shown[1]
