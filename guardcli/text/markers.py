"""Text that imitates the prompt's own structure: markers, labels of speakers, the vendor's sentences, special tokens.

No tokenizer can tell the plain-text ones from the real ones, and a model reads over case, spacing and look-alikes: they
are sought in the skeleton of a text.
"""

from __future__ import annotations

import re

from guardcli.text.lookalikes import skeleton

_SENTENCES = re.compile(
    r"provide\s+your\s+safety\s+assessment"
    r"|check\s+if\s+there\s+is\s+unsafe\s+content"
    r"|safety\s+policy\s+with\s+the\s+below\s+categories"
    r"|line\s+must\s+read\W+safe"
    r"|list\s+of\s+violated\s+categories",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"<[\s_/-]*(?:begin|end)[\s_-]+(?:unsafe[\s_-]+content[\s_-]+categories|conversation)[\s_-]*>"
    r"|\[\s*/?\s*inst\s*\]|<\|[\w\s-]+\|>|</?s>|<<\s*/?\s*sys\s*>>|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
_LABELS = re.compile(r"^[^\w\n]*(?:user|agent|human|assistant|system)[^\w\n]*:", re.IGNORECASE | re.MULTILINE)


def marker(text: str) -> str | None:
    """The first imitation, as it is written where it is written plainly."""
    plain = skeleton(text)
    found = _search(plain)
    return (_search(text) or found) if found else None


def imitates_marker(text: str) -> bool:
    """Whether a text imitates a marker."""
    return _search(skeleton(text)) is not None


def _search(plain: str) -> str | None:
    # A search takes ten times as long as to see that what it needs is not there.
    found = (
        (("<" in plain or "[" in plain) and _TOKENS.search(plain))
        or (":" in plain and _LABELS.search(plain))
        or (_SENTENCES.search(plain) if any(map(plain.lower().__contains__, ("safe", "violated"))) else None)
    )
    return found[0].strip() if found else None
