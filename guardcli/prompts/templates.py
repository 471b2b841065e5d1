"""The prompt templates of the guard models, and how a model's template is detected.

The wording is what the models were trained on and is kept to the byte; each entry names its source, and NOTICE the
licenses. A new generation is one more entry of `TEMPLATES`: its prompt, how its models are recognized, the category ids
that they can write, and their own taxonomy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Category, Example, Taxonomy
from guardcli.text.segments import Segment

SAFE, UNSAFE = "safe", "unsafe"  # the two verdicts; each is a single token in every generation
SEPARATOR = ","  # between the listed categories, without a space

_ASSESSMENT_1 = (
    "Provide your safety assessment for {speaker} in the above conversation:\n"
    "- First line must read 'safe' or 'unsafe'.\n"
    "- If unsafe, a second line must include a comma-separated list of violated categories."
)
_ASSESSMENT_2 = (
    "Provide your safety assessment for ONLY THE LAST {speaker} message in the above conversation:\n"
    " - First line must read 'safe' or 'unsafe'.\n"
    " - If unsafe, a second line must include a comma-separated list of violated categories."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The prompt template of one generation of models.

    `source` says where the wording is from, and `taxonomy` is the bundled one that the models were trained on. A model
    is of this generation if its chat template holds all `chat_template_marks`, or else if its name matches
    `model_name`.

    `opening` and `closing` are the special tokens (and the role names between them) around the text; `answer_prefix` is
    what the model writes before its verdict, and `end` the special token that it writes after it. `ids` matches the
    category ids that it can write. Llama Guard 1 and 2 were trained on shuffled categories and write whatever number
    stands before one (`renumbers`). Later ones were trained to write the numbers of their own hazards: ids stay with
    their categories, in training as in a check, unless somebody asks for the paper's way.
    """

    name: str
    source: str
    chat_template_marks: tuple[str, ...]
    model_name: re.Pattern[str]
    taxonomy: str
    opening: tuple[Segment, ...]
    before_task: str
    policy: str
    category: Callable[[Category], str]
    before_messages: str
    after_message: str
    assessment: str
    closing: tuple[Segment, ...]
    answer_prefix: str
    end: Segment
    ids: re.Pattern[str]
    id_description: str
    renumbers: bool = False

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


def category_block(template: Template, taxonomy: Taxonomy) -> str:
    """The categories between their markers, each by its name, or with `detail: full` by all that defines it.

    Examples stand behind what else there is of their category, inside the block, as in the paper (arXiv 2312.06674,
    few-shot); how one reads is our own, for no vendor's wording is public.
    """
    lines = []
    for category in taxonomy.categories:
        lines.append(template.category(category) if taxonomy.detail == "names" else _full(template, category))
        if category.examples:
            lines += ["Examples", *map(_example, category.examples)]
    listed = "".join(f"{line}\n" for line in lines)
    return f"<BEGIN UNSAFE CONTENT CATEGORIES>\n{listed}<END UNSAFE CONTENT CATEGORIES>"


def _full(template: Template, category: Category) -> str:
    title = template.category(category)
    if category.description and not title.endswith(" "):
        title += " "  # Meta's builder puts a space between the name and a description on the next line
    parts = [title] + ([category.description] if category.description else [])
    for heading, bullets in (
        ("Should not", category.should_not),
        ("Can", category.can),
        ("Should", category.should),
    ):
        if bullets:
            parts += [heading, *(f"- {bullet}" for bullet in bullets)]
    return "\n".join(parts)


def _example(example: Example) -> str:
    said = [f"- User: {example.user}"] + ([f"  Agent: {example.assistant}"] if example.assistant else [])
    return "\n".join([*said, f"  Assessment: {example.verdict}"])


def _title(category: Category, *, after: str = "") -> str:
    return f"{category.id}: {category.name}.{after}"


def _title_1(category: Category) -> str:
    """The published template of Llama Guard 1 has one stray space, after its first category."""
    title = _title(category)
    return f"{title} " if title == "O1: Violence and Hate." else title


def _special(name: str, *, implicit: bool = False) -> Segment:
    return Segment(name, special=True, implicit=implicit)


def _header(role: str, start: str, end: str) -> tuple[Segment, ...]:
    return _special(start), Segment(role), _special(end)


_CODES = re.compile(r"S[1-9][0-9]{0,2}")
_CODES_IN_WORDS = "S and a number of up to three digits (S1, S14)"

_LLAMA_GUARD_1 = Template(
    name="llama-guard-1",
    source="chat template of meta-llama/LlamaGuard-7b",
    chat_template_marks=("UNSAFE CONTENT CATEGORIES", "[INST]", "O1: "),
    model_name=re.compile(r"llama-?guard(-7b|-1|$)"),
    taxonomy="llama-guard-1",
    opening=(_special("<s>", implicit=True),),
    before_task="[INST] ",
    policy="according our safety policy",
    category=_title_1,
    before_messages="\n\n",
    after_message="\n\n",
    assessment=f"{_ASSESSMENT_1} [/INST]",
    closing=(),
    answer_prefix="",
    end=_special("</s>"),
    ids=re.compile(r"O[1-9][0-9]{0,2}"),
    id_description="O and a number (O1, O6)",
    renumbers=True,
)

_LLAMA_GUARD_2 = Template(
    name="llama-guard-2",
    source="chat template of meta-llama/Meta-Llama-Guard-2-8B",
    chat_template_marks=("UNSAFE CONTENT CATEGORIES", "[INST]", "S1: "),
    model_name=re.compile(r"llama-?guard-?2"),
    taxonomy="llama-guard-2",
    opening=(_special("<|begin_of_text|>", implicit=True),),
    before_task="[INST] ",
    policy="according our safety policy",
    category=partial(_title, after=" "),
    before_messages="\n\n",
    after_message="\n\n",
    assessment=f"{_ASSESSMENT_2} [/INST]",
    closing=(),
    answer_prefix="",
    end=_special("<|end_of_text|>"),
    ids=_CODES,
    id_description=_CODES_IN_WORDS,
    renumbers=True,
)

_LLAMA_GUARD_3_8B = Template(
    name="llama-guard-3-8b",
    source="chat template of meta-llama/Llama-Guard-3-8B, without the stray space before its first token",
    chat_template_marks=("UNSAFE CONTENT CATEGORIES", "<|start_header_id|>"),
    model_name=re.compile(r"llama-?guard-?3"),
    taxonomy="llama-guard-3",
    opening=(_special("<|begin_of_text|>"), *_header("user", "<|start_header_id|>", "<|end_header_id|>")),
    before_task="\n\n",
    policy="according our safety policy",
    category=_title,
    before_messages="\n\n",
    after_message="\n\n",
    assessment=_ASSESSMENT_2,
    closing=(_special("<|eot_id|>"), *_header("assistant", "<|start_header_id|>", "<|end_header_id|>")),
    answer_prefix="\n\n",
    end=_special("<|eot_id|>"),
    ids=_CODES,
    id_description=_CODES_IN_WORDS,
)

_LLAMA_GUARD_3_1B = replace(
    _LLAMA_GUARD_3_8B,
    name="llama-guard-3-1b",
    source="chat template of meta-llama/Llama-Guard-3-1B",
    chat_template_marks=("UNSAFE CONTENT CATEGORIES", "<|start_header_id|>", "excluded_category_keys"),
    model_name=re.compile(r"llama-?guard-?3-(1b|11b)"),
    taxonomy="llama-guard-3-1b",
    assessment=f"{_ASSESSMENT_2} ",
)

_LLAMA_GUARD_4 = replace(
    _LLAMA_GUARD_3_1B,
    name="llama-guard-4",
    source="chat template of meta-llama/Llama-Guard-4-12B",
    chat_template_marks=("UNSAFE CONTENT CATEGORIES", "<|header_start|>"),
    model_name=re.compile(r"llama-?guard-?4"),
    taxonomy="llama-guard-4",
    opening=(_special("<|begin_of_text|>"), *_header("user", "<|header_start|>", "<|header_end|>")),
    policy="according to our safety policy",
    before_messages="\n",
    after_message="\\n\\n\n\n",  # the published template writes backslash-n twice, then two line breaks
    closing=(_special("<|eot|>"), *_header("assistant", "<|header_start|>", "<|header_end|>")),
    end=_special("<|eot|>"),
)

TEMPLATES = {
    template.name: template
    for template in (_LLAMA_GUARD_1, _LLAMA_GUARD_2, _LLAMA_GUARD_3_8B, _LLAMA_GUARD_3_1B, _LLAMA_GUARD_4)
}


def detect_template(chat_template: str, names: Iterable[str]) -> Template | None:
    """Return the template of a model by its chat template, or else by one of its `names`; None if nothing matches.

    Of templates that all match, the newest wins: what tells it apart is more specific.

    >>> detect_template("", ["Llama Guard 3 8B"]).name
    'llama-guard-3-8b'
    """
    newest_first = list(reversed(TEMPLATES.values()))
    for template in newest_first:
        if all(mark in chat_template for mark in template.chat_template_marks):
            return template
    slugs = [re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in names]
    matches = (template for slug in slugs for template in newest_first if template.model_name.search(slug))
    return next(matches, None)
