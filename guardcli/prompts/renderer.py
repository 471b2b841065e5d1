"""Render a taxonomy and the turns of a conversation as the prompt that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guardcli.conversation import Conversation
from guardcli.prompts.template import Template
from guardcli.prompts.turns import NO_REQUEST, ROLES, Speaker, Turn, find_request
from guardcli.taxonomy import Need, Taxonomy
from guardcli.text.segments import Segment


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in segments, and what of the model's answer is evaluated after it.

    The `prefix` is the same for all prompts in which this speaker is judged. The `answer_prefix` is what the model
    writes before its verdict (a blank line, or nothing).
    """

    prefix: tuple[Segment, ...]
    conversation: tuple[Segment, ...]
    suffix: tuple[Segment, ...]
    answer_prefix: str

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The vendor's rendering."""
        return self.prefix + self.conversation + self.suffix


class Renderer:
    """A template and a taxonomy, ready to render: a prefix, the turns, and a suffix.

    No vocabulary has a token across the boundary of two of them (see `Template`), so each may be encoded by itself.
    """

    def __init__(self, template: Template, taxonomy: Taxonomy) -> None:
        """Raises TaxonomyError if the template's models cannot write one of the taxonomy's ids."""
        template.check(taxonomy)
        self.template = template
        self._taxonomy = taxonomy

    @property
    def judges(self) -> tuple[Speaker, ...]:
        """The speakers whose messages the model judges, and about whose messages the category of a prompt is."""
        role = self._taxonomy.categories[0].role if self.template.asks_by_category else None
        return tuple(speaker for speaker in self.template.judges if role in (None, ROLES[speaker]))

    @property
    def needs(self) -> Need | None:
        """What a record must have beside its messages so that the one category of a prompt can be asked about."""
        return self._taxonomy.categories[0].needs if self.template.asks_by_category else None

    def lacks(self, conversation: Conversation) -> Need | None:
        """What a record lacks so that the category of a prompt can be asked about; None if it lacks nothing."""
        given = {"documents": conversation.documents, "tools": conversation.tools}
        return None if self.needs is None or given[self.needs] else self.needs

    def render(self, shown: Sequence[Turn], conversation: Conversation | None = None) -> Prompt:
        """The prompt in which the last of `shown` is judged; `conversation` has what the category needs beside them.

        Raises ValueError if there is no turn.
        """
        if not shown:
            raise ValueError("a prompt needs the turn that is judged")
        judged = shown[-1]
        beside = () if self.needs is None or conversation is None else self.beside(self.needs, conversation)
        before = [segment for turn in self._context(shown) for segment in self.turn(turn)]
        return Prompt(
            prefix=self.prefix(judged.speaker),
            conversation=(*beside, *before, *self.judged_turn(judged)),
            suffix=self.suffix(judged.speaker),
            answer_prefix=self.template.answer.prefix,
        )

    def prefix(self, speaker: Speaker) -> tuple[Segment, ...]:
        """What comes before the conversation: the same for all in which this speaker is judged."""
        return self.template.prefix(self._taxonomy, speaker)

    def beside(self, need: Need, conversation: Conversation) -> tuple[Segment, ...]:
        """What comes before the turns: the documents or the tools of a conversation."""
        return self.template.beside[need](conversation)

    def turn(self, turn: Turn) -> tuple[Segment, ...]:
        """One turn of the conversation, before the one that is judged."""
        return self.template.turn(turn)

    def judged_turn(self, turn: Turn) -> tuple[Segment, ...]:
        """The turn that is judged."""
        return (self.template.judged_turn or self.template.turn)(turn)

    def suffix(self, speaker: Speaker) -> tuple[Segment, ...]:
        """What comes after the conversation, up to where the model answers."""
        return self.template.suffix(self._taxonomy, speaker)

    def answer(self, violated: Sequence[str]) -> tuple[Segment, ...]:
        """What a model that is right answers, to its end: that these ids are violated, or that all is safe.

        Models that are asked about one category list none, and some others do not either.
        """
        answer = self.template.answer
        before = (Segment(answer.prefix),) if answer.prefix else ()
        lists_none = self.template.asks_by_category or self.template.listed is None
        listed = "" if lists_none else f"{answer.before_list}{answer.separator.join(violated)}"
        verdict = f"{answer.unsafe[0]}{listed}" if violated else answer.safe[0]
        return (*before, Segment(verdict), answer.end)

    def _context(self, shown: Sequence[Turn]) -> Sequence[Turn]:
        """The turns before the judged one, the last of `shown`, that its prompt has."""
        if self.template.reads == "conversation":
            return shown[:-1]
        if shown[-1].speaker == "User" or self.needs is not None:
            return ()
        request = find_request(shown, len(shown) - 1)
        return (NO_REQUEST if request is None else shown[request],)
