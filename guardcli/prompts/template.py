"""What every guard family says of its models: how a prompt is laid out, and how the answer is read.

A family is one file: it makes a `Template` for each of its generations, and `templates.py` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from guardcli.errors import TaxonomyError
from guardcli.prompts.turns import Speaker, Turn
from guardcli.taxonomy import Taxonomy
from guardcli.text.segments import Segment

Segments: TypeAlias = tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFormat:
    r"""What a model writes after its prompt: `prefix`, then `safe`, or `unsafe` and the violated categories::

        \n\n unsafe \n S1,S9 <|eot_id|>
        prefix ▲       ids   end

    Attributes:
        prefix: what the model writes before its verdict; it is evaluated with the prompt.
        safe: the word for a message that violates nothing. In the vocabularies of the family's models its first token
            is another one than that of `unsafe`.
        unsafe: the word for a message that violates a category.
        separator: what stands between two ids.
        end: the special token after the answer.
    """

    prefix: str = ""
    safe: str = "safe"
    unsafe: str = "unsafe"
    separator: str = ","
    end: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The prompt template of one generation of a guard family.

    `source` says where the wording is from, and `taxonomy` is the bundled one that the models were trained on. A model
    is of this generation if its chat template holds all `chat_template_marks` (where there are any), or else if its
    name matches `model_name`.

    A prompt is `prefix`, each `turn`, and `suffix`: the functions get the taxonomy and whose message is judged. Each of
    the three ends with a blank line, or has a special token at its end or at the beginning of what follows, so that no
    vocabulary has a token across such a boundary.

    `ids` matches the category ids that the models can write. Those of a family that `renumbers` were trained on
    shuffled categories and write whatever number stands before one. Others were trained to write the numbers of their
    own hazards: ids stay with their categories, in training as in a check, unless somebody asks for the paper's way.
    Where that makes an id mean its hazard whatever name it has in a policy, `knows_ids` is true.
    """

    name: str
    source: str
    chat_template_marks: tuple[str, ...] = ()
    model_name: re.Pattern[str]
    taxonomy: str
    prefix: Callable[[Taxonomy, Speaker], Segments]
    turn: Callable[[Turn], Segments]
    suffix: Callable[[Speaker], Segments]
    answer: AnswerFormat
    ids: re.Pattern[str]
    id_description: str
    renumbers: bool = False
    knows_ids: bool = False

    def check(self, taxonomy: Taxonomy) -> None:
        """Raise TaxonomyError: models of this generation cannot write some of the ids."""
        if wrong := [category for category in taxonomy.categories if not self.ids.fullmatch(category.id)]:
            named = ", ".join(category.id for category in wrong)
            raise TaxonomyError(
                wrong[0].location.problem(
                    f"the template {self.name} cannot write {named}: its ids are {self.id_description}; "
                    f"choose another template, or a taxonomy with such ids, as {self.taxonomy} has",
                    code="taxonomy/not-for-model",
                )
            )

    def matches_chat_template(self, chat_template: str) -> bool:
        """Whether a model with this chat template is of this generation."""
        return bool(self.chat_template_marks) and all(mark in chat_template for mark in self.chat_template_marks)


def special_token(name: str, *, implicit: bool = False) -> Segment:
    """A special token by its name. `implicit`: the vendor's tokenizer prepends it, and the rendering lacks it."""
    return Segment(name, special=True, implicit=implicit)
