"""What every guard family says of its models: how a prompt is laid out, and how the answer is read.

A family is one file: it makes a `Template` for each of its generations, and `templates.py` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

from guardcli.conversation import Conversation
from guardcli.errors import TaxonomyError
from guardcli.prompts.turns import Speaker, Turn
from guardcli.taxonomy import Category, Need, Taxonomy
from guardcli.taxonomy.rules import ID
from guardcli.text.segments import Segment

Segments: TypeAlias = tuple[Segment, ...]

Reads = Literal["conversation", "exchange"]
Policy = Literal["ids and names", "one criterion", "rules", "nothing"]


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """Another answer that a model gives before its verdict: one of `words`, and `after` it what leads to the next."""

    words: tuple[str, ...]
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFormat:
    r"""What a model writes after its prompt: `prefix`, then a word for safe, or one for unsafe and categories::

        \n\n unsafe \n S1,S9 <|eot_id|>               Safety:  Unsafe \nCategories:  Violent, PII \n
        prefix ▲  before_list    end                  prefix ▲      before_list                 list_ends

    About the messages of a speaker it may answer something else first::

        Harmful request:  no \nHarmful response:  yes
        prefix           word              after    ▲

    The score is the share of the words for unsafe among all the words of both kinds. In the vocabularies of the
    family's models, no word for safe begins with the same token as one for unsafe.

    Attributes:
        prefix: what the model writes first; it is evaluated with the prompt.
        earlier: the answers between `prefix` and the verdict, by whose message is judged. Of each, the most probable
            word is taken, as if the model wrote it.
        safe: the words for a message that violates nothing, the usual one first.
        unsafe: the words for a message that violates a category, the usual one first.
        before_list: what stands between the word for unsafe and the first category.
        separator: what stands between two categories.
        list_ends: text after the last category that ends the list before the answer ends.
        end: the special token after the answer.
    """

    prefix: str = ""
    earlier: Mapping[Speaker, tuple[EarlierAnswer, ...]] = field(default_factory=dict)
    safe: tuple[str, ...] = ("safe",)
    unsafe: tuple[str, ...] = ("unsafe",)
    before_list: str = "\n"
    separator: str = ","
    list_ends: tuple[str, ...] = ()
    end: Segment


def _id(category: Category) -> str:
    return category.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The prompt template of one generation of a guard family.

    `source` says where the wording is from, and `taxonomy` is the bundled one that the models were trained on. A model
    is of this generation if its chat template holds all `chat_template_marks` (where there are any), or else if its
    name matches `model_name` (where there is one). Models that were tuned from those of another template and still
    carry its chat template are told apart by their name: `carries_chat_template_of` names that template.

    A prompt is `prefix`, each `turn`, and `suffix`: the functions get the taxonomy and whose message is judged. The
    judged message may look different from earlier ones (`judged_turn`). Each of the three ends with a line break, or
    has a special token at its end or at the beginning of what follows, or a blank at the beginning of what follows if
    the vocabularies are byte-level, so that no vocabulary has a token across such a boundary. Where the prefix has the
    policy, that is evaluated once for many conversations; where the suffix has it, the questions about a conversation
    share the conversation.

    `ids` matches the category ids that the models can write. Those of a family that `renumbers` were trained on
    shuffled categories and write whatever number stands before one. Others were trained to write the numbers of their
    own hazards: ids stay with their categories, in training as in a check, unless somebody asks for the paper's way.
    Where that makes an id mean its hazard whatever name it has in a policy, `knows_ids` is true.

    Args:
        judges: whose messages the models were trained to judge, in the order of SPEAKERS. Those of others are context:
            whoever asks about one gets an error in place of a verdict (see `judged`).
        policy: what of a taxonomy the models read. With "one criterion" a prompt asks about one category, and each
            category has a prompt of its own; with "rules" a prompt numbers all categories; with "nothing" they know
            their own categories only, by name.
        policy_last: whether the policy is in the suffix, and the prefix is the same for every policy.
        reads: the messages of a conversation in a prompt: all up to the judged one, or an "exchange", which is a
            user's message, or an assistant's and the user's before it.
        listed: how the models write a category in the list after their verdict; None if they list none.
        beside: for what a category may need beside the messages, how that becomes the part of a prompt before them; the
            models read nothing else. It ends like a turn.
        markers: text that separates the parts of a prompt where no special token does: see `contains_marker`.
        unverified: what of the wording no source settles; "" if it is known to the byte.
    """

    name: str
    source: str
    chat_template_marks: tuple[str, ...] = ()
    carries_chat_template_of: str = ""
    model_name: re.Pattern[str] | None = None
    taxonomy: str
    prefix: Callable[[Taxonomy, Speaker], Segments]
    turn: Callable[[Turn], Segments]
    judged_turn: Callable[[Turn], Segments] | None = None
    suffix: Callable[[Taxonomy, Speaker], Segments]
    judges: tuple[Speaker, ...]
    policy: Policy = "ids and names"
    policy_last: bool = False
    reads: Reads = "conversation"
    answer: AnswerFormat
    listed: Callable[[Category], str] | None = _id
    ids: re.Pattern[str] = ID
    id_description: str = "a capital letter and a number of up to three digits (S1, O3)"
    renumbers: bool = False
    knows_ids: bool = False
    beside: Mapping[Need, Callable[[Conversation], Segments]] = field(default_factory=dict)
    markers: re.Pattern[str] | None = None
    unverified: str = ""

    @property
    def asks_by_category(self) -> bool:
        """Whether a prompt always asks about one category."""
        return self.policy == "one criterion"

    def check(self, taxonomy: Taxonomy) -> None:
        """Raise TaxonomyError: models of this generation cannot judge by some of the categories."""
        if wrong := [category for category in taxonomy.categories if not self.ids.fullmatch(category.id)]:
            named = ", ".join(category.id for category in wrong)
            raise _not_for_model(
                wrong[0],
                f"the template {self.name} cannot write {named}: its ids are {self.id_description}; "
                f"choose another template, or a taxonomy with such ids, as {self.taxonomy} has",
            )
        if self.policy == "nothing":
            self._check_names(taxonomy)
        for category in taxonomy.categories:
            if category.needs is not None and category.needs not in self.beside:
                raise _not_for_model(
                    category,
                    f"models of the template {self.name} read no {category.needs}, which {category.id} needs: leave it "
                    "out, or choose a model that does",
                )
            if category.role is not None and not self.asks_by_category:
                raise _not_for_model(
                    category,
                    f"{category.id} is only for messages of one role, and models of the template {self.name} are asked "
                    "about all categories at once: leave out `role`, or use two policies",
                )

    def _check_names(self, taxonomy: Taxonomy) -> None:
        """Raise TaxonomyError: a category is none of those that the models were trained on."""
        known = _names_in(self.taxonomy)
        if wrong := [category for category in taxonomy.categories if category.name not in known]:
            named = ", ".join(category.name for category in wrong)
            raise _not_for_model(
                wrong[0],
                f"models of the template {self.name} read no policy and do not know {named}: their "
                f"categories are those of {self.taxonomy}, of which `drop` leaves some out; use them, or a "
                "model that reads policies",
            )

    def matches_chat_template(self, chat_template: str) -> bool:
        """Whether a model with this chat template is of this generation."""
        return bool(self.chat_template_marks) and all(mark in chat_template for mark in self.chat_template_marks)


def _not_for_model(category: Category, message: str) -> TaxonomyError:
    return TaxonomyError(category.location.problem(message, code="taxonomy/not-for-model"))


@cache
def _names_in(taxonomy: str) -> frozenset[str]:
    """The names of the categories of a bundled taxonomy."""
    return frozenset(category.name for category in Taxonomy.load(taxonomy).categories)


def special_token(name: str, *, implicit: bool = False) -> Segment:
    """A special token by its name. `implicit`: the vendor's tokenizer prepends it, and the rendering lacks it."""
    return Segment(name, special=True, implicit=implicit)
