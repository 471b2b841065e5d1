"""Find text that imitates the structure of a prompt: section markers, speaker labels, the vendor's sentences, and
special tokens.

A tokenizer cannot tell imitations in plain text from the real ones, and a model ignores case, spacing and look-alikes.
The search is therefore in the skeleton of a text.
"""

from __future__ import annotations

import re

from guardcli.text.lookalikes import skeleton

_SENTENCES = re.compile(
    r"provide\s+your\s+safety\s+assessment"
    r"|check\s+if\s+there\s+is\s+unsafe\s+content"
    r"|safety\s+policy\s+with\s+the\s+below\s+categories"
    r"|line\s+must\s+read\W+safe"
    r"|list\s+of\s+violated\s+categories"
    r"|judge\s+only\s+the\s+last\s+message",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"<[\s_/-]*(?:begin|end)[\s_-]+(?:unsafe[\s_-]+content[\s_-]+categories|conversation)[\s_-]*>"
    r"|\[\s*/?\s*inst\s*\]|<\|[\w\s-]+\|>|</?s>|<<\s*/?\s*sys\s*>>|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
_LABELS = re.compile(r"^[^\w\n]*(?:user|agent|human|assistant|system)[^\w\n]*:", re.IGNORECASE | re.MULTILINE)


def find_marker(text: str) -> str | None:
    """Return the first imitation, or None: as it is written if it is plain, else its skeleton."""
    in_skeleton = _search(skeleton(text))
    return (_search(text) or in_skeleton) if in_skeleton else None


def contains_marker(text: str, markers: re.Pattern[str] | None = None) -> bool:
    """Return whether a text has an imitation; with `markers`, those of one guard family count too."""
    plain = skeleton(text)
    return _search(plain) is not None or (markers is not None and markers.search(plain) is not None)


def marker_pattern(*texts: str) -> re.Pattern[str]:
    """A pattern that finds imitations of what separates the parts of a family's prompt, in skeletons.

    >>> bool(marker_pattern("<Query>:").search("< query >: is it safe?"))
    True
    """
    return re.compile("|".join(map(_loosely, texts)))


def _loosely(text: str) -> str:
    """A pattern for a text in lower case, with any spacing."""
    return r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", text.lower())))


def _search(plain: str) -> str | None:
    # The tests with `in` are ten times as fast as the searches, and most text fails them.
    match = (
        (("<" in plain or "[" in plain) and _TOKENS.search(plain))
        or (":" in plain and _LABELS.search(plain))
        or (_SENTENCES.search(plain) if any(map(plain.lower().__contains__, ("safe", "violated", "judge"))) else None)
    )
    return match[0].strip() if match else None
