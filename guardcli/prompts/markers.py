"""Text of users that imitates the plain-text markers of a prompt."""

from __future__ import annotations

import re

from guardcli.taxonomy.wording import MARKER
from guardcli.text.lookalikes import skeleton

# Text that reads like the prompt's own structure, sought in its skeleton: a label of a speaker at the beginning of a
# line, the vendor's own sentences, special tokens (which stay text). No tokenizer can tell the plain-text ones from the
# real ones, and a model reads over case, spacing and look-alikes.
_SENTENCES = re.compile(r"provide\s+your\s+safety\s+assessment|check\s+if\s+there\s+is\s+unsafe\s+content")
_TOKENS = re.compile(
    MARKER.pattern + r"|<\|[\w\s-]+\|>|</?s>|<<\s*/?\s*sys\s*>>|<(?:start|end)_of_turn>",
)
_LABELS = re.compile(r"^[^\w\n]*(?:user|agent|human|assistant|system)[^\w\n]*:", re.MULTILINE)


def imitates_marker(text: str) -> bool:
    """Whether a message imitates the prompt's own plain-text markers."""
    plain = skeleton(text)
    # A search takes ten times as long as to see that what it needs is not there.
    return bool(
        (("<" in plain or "[" in plain) and _TOKENS.search(plain))
        or (":" in plain and _LABELS.search(plain))
        or (("provide" in plain or "check" in plain) and _SENTENCES.search(plain))
    )
