"""Warn of parts of a policy that will not have the effect that their author may expect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from guardcli.errors import Problem
from guardcli.prompts.template import Template
from guardcli.prompts.templates import TEMPLATES
from guardcli.taxonomy import Category, Taxonomy
from guardcli.taxonomy.files import bundled_name
from guardcli.text.lists import join_words
from guardcli.text.quoting import quote

_DEFINING_FIELDS = ("description", "should_not", "can", "should")  # what is read with `detail: full` only
_ANY_ID = "Z999"  # an id that only families without ids of their own can write
_MAX_NAMED = 4  # categories that a message names
_WORD = re.compile(r"[a-z]{3,}")
_STEM = 5  # letters
_GENERIC_WORDS = frozenset({"abuse", "advice", "content", "crime", "crimes", "other", "speech", "unsafe", "and", "the"})


def policy_warnings(taxonomy: Taxonomy, template: Template, *, per_category: bool = False) -> list[Problem]:
    """What will surprise the author of a taxonomy that models of a template judge by, in the order of the file.

    Args:
        taxonomy: A taxonomy that the template's models can be asked about (`Template.check`).
        template: The models' template.
        per_category: Whether one prompt for each category is asked for anyway.
    """
    return _in_order(
        [
            *_unread_definitions(taxonomy),
            *_known_ids(taxonomy, [template]),
            *([] if per_category else _category_threshold(taxonomy, [template])),
        ]
    )


def policy_warnings_without_model(taxonomy: Taxonomy) -> list[Problem]:
    """The warnings of a taxonomy whose model is not known yet.

    Its model is taken to be one that was trained on the bundled taxonomy that it is or extends, or else any.
    """
    templates = [template for template in TEMPLATES.values() if template.taxonomy in taxonomy.bundled_parents]
    if not templates and not taxonomy.bundled_parents:
        templates = list(TEMPLATES.values())
    return _in_order(
        [
            *_unread_definitions(taxonomy),
            *_known_ids(taxonomy, templates),
            *_unwritable_ids(taxonomy, templates),
            *_category_threshold(taxonomy, templates),
        ]
    )


def _in_order(warnings: Iterable[Problem]) -> list[Problem]:
    return sorted(warnings, key=lambda warning: (warning.line, warning.column))


def _unread_definitions(taxonomy: Taxonomy) -> Iterator[Problem]:
    """Definitions that the file itself gives, and of which the model reads none."""
    if taxonomy.detail == "full":
        return
    unread = {category.id: _given_definition(category) for category in _own_categories(taxonomy)}
    unread = {id: names for id, names in unread.items() if names}
    if not unread:
        return
    fields = [quote(name) for name in _DEFINING_FIELDS if any(name in names for names in unread.values())]
    named = join_words(fields, limit=len(_DEFINING_FIELDS), conjunction="or")
    first = next(category for category in taxonomy.categories if category.id in unread)
    yield first.location.warning(
        f"the model reads the name of a category, and not {named} ({_list(unread)}): write `detail: full` if it should",
        code="taxonomy/description-not-read",
    )


def _own_categories(taxonomy: Taxonomy) -> list[Category]:
    """The categories that the taxonomy's own file defines or changes; none of a bundled taxonomy."""
    path = taxonomy.location.path
    if bundled_name(path) is not None:
        return []
    return [category for category in taxonomy.categories if category.location.path == path]


def _given_definition(category: Category) -> list[str]:
    return [name for name in _DEFINING_FIELDS if name in category.own_fields and getattr(category, name)]


def _known_ids(taxonomy: Taxonomy, templates: Sequence[Template]) -> Iterator[Problem]:
    """Ids that models of the first template that knows ids know as another category."""
    template = next((template for template in templates if template.knows_ids), None)
    if template is None or template.taxonomy == bundled_name(taxonomy.location.path):
        return
    known = {category.id: category.name for category in Taxonomy.load(template.taxonomy).categories}
    others = [
        category
        for category in taxonomy.categories
        if category.id in known and not _is_same_hazard(category.name, known[category.id], known.values())
    ]
    if not others:
        return
    named = [f"{category.id} for {known[category.id]} (here {category.name})" for category in others]
    yield others[0].location.warning(
        f"models of {template.name} were trained to write {_list(named)}: choose an id that they do not know, such "
        f"as {_unknown_id(taxonomy, known)}, and test that they list it",
        code="taxonomy/id-of-other-category",
    )


def _is_same_hazard(name: str, known: str, names: Collection[str]) -> bool:
    """Whether a name is another wording of the known one: they share a word that says something.

    >>> _is_same_hazard("Violence", "Violent Crimes", []), _is_same_hazard("Refund Fraud", "Violent Crimes", [])
    (True, False)
    """
    if name.lower() == known.lower():
        return True
    return name.lower() not in map(str.lower, names) and bool(_stems(name) & _stems(known))


def _stems(name: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(name.lower()) if word not in _GENERIC_WORDS}


def _unknown_id(taxonomy: Taxonomy, known: Collection[str]) -> str:
    """The id after the last one that is taken or known."""
    taken = [*known, *(category.id for category in taxonomy.categories)]
    letter = next(iter(known))[0]
    return f"{letter}{max(int(id[1:]) for id in taken if id[0] == letter) + 1}"


def _unwritable_ids(taxonomy: Taxonomy, templates: Sequence[Template]) -> Iterator[Problem]:
    """Ids that no family with ids of a form of its own can write, but only those that write any."""
    own_form = [template for template in templates if not template.ids.fullmatch(_ANY_ID)]
    unwritable = [
        category
        for category in taxonomy.categories
        if own_form and not any(template.ids.fullmatch(category.id) for template in own_form)
    ]
    if unwritable:
        forms = dict.fromkeys(template.id_description for template in own_form)
        yield unwritable[0].location.warning(
            f"models of {_list([template.name for template in own_form])} cannot write "
            f"{_list([category.id for category in unwritable])}: their ids are {', or '.join(forms)}",
            code="taxonomy/not-for-model",
        )


def _category_threshold(taxonomy: Taxonomy, templates: Sequence[Template]) -> Iterator[Problem]:
    """What it costs that a category has a threshold, with models that could be asked about all categories at once."""
    if all(template.asks_by_category for template in templates):
        return
    first = next((category for category in taxonomy.categories if category.threshold is not None), None)
    number = len(taxonomy.categories)
    if first is not None and number > 1:
        is_for_some = any(template.asks_by_category for template in templates)
        where = " with a model that reads all of them in one prompt" if is_for_some else ""
        yield first.location.warning(
            f"{first.id} has a threshold of its own, so each of the {number} categories is judged by a prompt of its "
            f"own, which takes about {number} times the tokens{where}: set one `threshold` for the policy, or accept "
            "that with JudgeConfig.per_category",
            code="taxonomy/per-category",
        )


def _list(words: Iterable[str]) -> str:
    return join_words(words, limit=_MAX_NAMED, conjunction="and")
