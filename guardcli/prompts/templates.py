"""The prompt templates that guard knows, and how a model's template is detected.

A new family is one more file beside this one, and its templates one more entry of `TEMPLATES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from guardcli.prompts.aegis import AEGIS
from guardcli.prompts.dyna_guard import DYNA_GUARD
from guardcli.prompts.granite_guardian import GRANITE_GUARDIAN
from guardcli.prompts.llama_guard import LLAMA_GUARD
from guardcli.prompts.md_judge import MD_JUDGE
from guardcli.prompts.nemo_guard import NEMO_GUARD
from guardcli.prompts.qwen3_guard import QWEN3_GUARD
from guardcli.prompts.shield_gemma import SHIELD_GEMMA
from guardcli.prompts.shieldstral import SHIELDSTRAL
from guardcli.prompts.smol_guard import SMOL_GUARD, SMOL_GUARD_2
from guardcli.prompts.template import Template
from guardcli.prompts.wild_guard import WILD_GUARD

_TEMPLATES = (
    *LLAMA_GUARD, SMOL_GUARD, SMOL_GUARD_2, *QWEN3_GUARD, *GRANITE_GUARDIAN, SHIELD_GEMMA, AEGIS, MD_JUDGE, WILD_GUARD,
    NEMO_GUARD, SHIELDSTRAL, DYNA_GUARD,
)  # fmt: skip
TEMPLATES = {template.name: template for template in _TEMPLATES}


def detect_template(chat_template: str, names: Iterable[str]) -> Template | None:
    """Return the template of a model by its chat template, or else by one of its `names`; None if nothing matches.

    Of templates that all match, the newest wins: what tells it apart is more specific.

    >>> detect_template("", ["Llama Guard 3 8B"]).name
    'llama-guard-3-8b'
    """
    newest_first = list(reversed(TEMPLATES.values()))
    for template in newest_first:
        if template.matches_chat_template(chat_template):
            return template
    slugs = [re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in names]
    matches = (template for slug in slugs for template in newest_first if _has_name(template, slug))
    return next(matches, None)


def _has_name(template: Template, slug: str) -> bool:
    return template.model_name is not None and template.model_name.search(slug) is not None
