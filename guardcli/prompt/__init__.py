"""Taxonomy + turns → the prompt that a generation of Llama Guard was trained on.

It knows the wording (`templates`), and neither vocabulary nor model: llama_cpp is not needed to render.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from guardcli.prompt.templates import TEMPLATES, Template, category_block
from guardcli.segments import Segment
from guardcli.taxonomy import Taxonomy
from guardcli.taxonomy.wording import MARKER
from guardcli.turns import Speaker, Turn

__all__ = ["TEMPLATES", "Prompt", "Renderer", "Template", "imitates_marker"]

# Text that reads like the prompt's own plain-text structure. No tokenizer can tell it from the real thing, so
# it is flagged; any case and spacing, since a model reads over both.
_MARKERS = re.compile(
    MARKER.pattern + r"|provide\s+your\s+safety\s+assessment\s+for"
    r"|\n\s*\n(?:user|agent):\s",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: the vendor's rendering in segments, and what of the model's answer is evaluated after it.

    The first `head` segments are the same for every conversation with this taxonomy and judged speaker.
    `answer` is what the model writes before its verdict (a blank line, or nothing).
    """

    segments: tuple[Segment, ...]
    head: int
    answer: str


class Renderer:
    """A template and a taxonomy, ready to render: heads and tails are made once a speaker."""

    def __init__(self, template: Template, taxonomy: Taxonomy) -> None:
        """Raises TaxonomyError if the template's models cannot write one of the taxonomy's ids."""
        template.check(taxonomy)
        self.template = template
        self.taxonomy = taxonomy
        self.head = lru_cache(maxsize=None)(self._head)
        self.tail = lru_cache(maxsize=None)(self._tail)

    def render(self, shown: Sequence[Turn]) -> Prompt:
        """The prompt in which the last of `shown` is judged. Raises ValueError if there is none."""
        if not shown:
            raise ValueError("a prompt needs the turn that is judged")
        speaker = shown[-1].speaker
        template = self.template
        head = (*template.opening, Segment(self.head(speaker)))
        said = [segment for turn in shown for segment in self._said(turn)]
        tail = (Segment(self.tail(speaker)), *template.closing)
        return Prompt((*head, *said, *tail), len(head), template.answer)

    def _said(self, turn: Turn) -> tuple[Segment, ...]:
        label, text = Segment(f"{turn.speaker}: "), Segment(turn.text, untrusted=True)
        return label, text, Segment(self.template.after_message)

    def _head(self, speaker: Speaker) -> str:
        template = self.template
        return (
            f"{template.before_task}Task: Check if there is unsafe content in '{speaker}' messages in "
            f"conversations {template.policy} with the below categories.\n\n"
            f"{category_block(template, self.taxonomy)}\n\n<BEGIN CONVERSATION>{template.before_messages}"
        )

    def _tail(self, speaker: Speaker) -> str:
        return f"<END CONVERSATION>\n\n{self.template.assessment.format(speaker=speaker)}"


def imitates_marker(shown: Sequence[Turn]) -> bool:
    """Whether a message holds text that imitates the prompt's own plain-text markers."""
    return any(_MARKERS.search(turn.text) for turn in shown)
