"""The fields of a taxonomy file: one table a mapping, each row with a name, a type and a description.

`parser` reads YAML by these tables, and `json_schema` makes the schema for editors of them. A field that is added here
is read, checked, suggested for a misspelt key, and completed by editors.

What no table can express is checked elsewhere: `parser` checks that names are unique, and `inheritance` that the
categories that a file names exist.
"""

from __future__ import annotations

from typing import Any, get_args

from guardcli.taxonomy.draft import Draft, DraftCategory, DraftMessage, DraftTest, example_from_fields
from guardcli.taxonomy.field_types import (
    Boolean,
    CategoryId,
    Choice,
    Field,
    FieldsCheck,
    ListOf,
    MappingOf,
    Number,
    Text,
    WithLocation,
)
from guardcli.taxonomy.files import bundled_taxonomies
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.rules import (
    ID,
    no_control_characters,
    no_hidden_characters,
    no_lookalike_letters,
    no_lookalike_letters_anywhere,
    no_marker,
    no_period,
    no_surrogates,
    not_like_a_verdict,
    one_line,
    one_word,
)
from guardcli.taxonomy.types import Detail, Label, Location, Need, Speaker, Wording
from guardcli.text.quoting import quote

# Types of text. Each has its rules, and a pattern for what of them a regular expression can say: that texts are not
# blank, have no line break, or do not end with a period.
_NOT_BLANK = r"\S"
_ONE_LINE = r"^\s*\S(?:[^\n\r\t]*\S)?\s*$"
_NO_PERIOD = r"^\s*(?:\S[^\n\r\t]*)?[^\s.]\s*$"
_ONE_WORD = r"^\s*[^\s,]*[^\s!-/:-@\[-`{-~][^\s,]*\s*$"  # with a character that is no punctuation
_LIKE_AN_ID = rf"^\s*{ID.pattern}\s*$"
_LIKE_A_VERDICT = r"^[\W_]*(?:[Ss][Aa][Ff][Ee]|[Uu][Nn][Ss][Aa][Ff][Ee]|[Ee][Rr][Rr][Oo][Rr])[\W_]*$"

# What people and models read is what people see: nothing hidden, nothing that poses as something else.
_AS_SEEN = (no_hidden_characters, no_lookalike_letters, no_marker)
_LINE = Text((no_control_characters, one_line, *_AS_SEEN), _ONE_LINE)
_PARAGRAPHS = Text((no_control_characters, *_AS_SEEN), _NOT_BLANK)
_CATEGORY_NAME = Text((no_control_characters, one_line, *_AS_SEEN, no_period), _NO_PERIOD)
_KEY = Text(
    (
        no_control_characters,
        no_hidden_characters,
        no_lookalike_letters_anywhere,
        no_marker,
        one_word,
        not_like_a_verdict,
    ),
    _ONE_WORD,
    excluded=(_LIKE_AN_ID, _LIKE_A_VERDICT),
)
_CONVERSATION = Text((no_surrogates,), _NOT_BLANK)  # may hold anything, markers too: that is what is judged

_CATEGORY_ID = CategoryId(
    "write a capital letter and a number from 1 to 999; ids reach the model unchanged, and Llama Guard writes S1, O3"
)
_VERDICT = Choice(get_args(Label))
_THRESHOLD = Number(minimum=0, maximum=1, example=0.5)

EXAMPLE = MappingOf(
    fields=(
        Field("user", _PARAGRAPHS, "What the user says.", required=True),
        Field("assistant", _PARAGRAPHS, "What the assistant answers."),
        Field("verdict", _VERDICT, "The verdict expected of the model.", required=True),
    ),
    from_fields=example_from_fields,
)

CATEGORY = MappingOf(
    fields=(
        Field("id", WithLocation(_CATEGORY_ID), "The code that the model writes, such as S11.", required=True),
        Field("name", _CATEGORY_NAME, "The name that the model reads, without a period at its end."),
        Field("key", WithLocation(_KEY), "What the output calls it, one word such as self-harm."),
        Field("description", _PARAGRAPHS, "For people, and for the model with `detail: full`."),
        Field("should_not", ListOf(_LINE), "What a model should not do, a line each."),
        Field("can", ListOf(_LINE), "What is allowed, as an exception."),
        Field("should", ListOf(_LINE), "What a model should do."),
        Field("threshold", _THRESHOLD, "A threshold of its own; each category is then scored by a prompt of its own."),
        Field(
            "role",
            Choice(get_args(Speaker)),
            "Whose messages it is about, if not everybody's; for families that ask one question a category.",
        ),
        Field(
            "needs", Choice(get_args(Need)), "What a record must have so that it is asked about; see docs/families.md."
        ),
        Field("examples", ListOf(EXAMPLE), "Few-shot examples, which the model reads after the category."),
    ),
    from_fields=DraftCategory.from_fields,
)

WORDING = MappingOf(
    fields=(
        Field("name", _CATEGORY_NAME, "Another name of a category, without a period at its end.", required=True),
        Field("description", _PARAGRAPHS, "The description that goes with it."),
    ),
    from_fields=lambda fields, _: Wording(fields.get("name", ""), fields.get("description")),
)


def _check_expected_categories(fields: dict[str, Any], location: Location, problems: Problems) -> None:
    if fields.get("expect") == "safe" and fields.get("categories"):
        message = "a test that expects safe has no categories: remove them, or expect unsafe"
        problems.add(fields["categories"][0].location, message, code="taxonomy/contradiction")


def _check_message(fields: dict[str, Any], location: Location, problems: Problems) -> None:
    _check_expected_categories(fields, location, problems)
    if "categories" in fields and "expect" not in fields:
        problems.add(location, "`expect` is missing: add `expect: unsafe`", code="taxonomy/missing-key")


def _check_test(fields: dict[str, Any], location: Location, problems: Problems) -> None:
    _check_expected_categories(fields, location, problems)
    pair = {"prompt", "response"}.intersection(fields)
    if not pair and "messages" not in fields:
        message = "the test has no text: add `prompt`, `response` or both, or `messages`"
        problems.add(location, message, code="taxonomy/missing-key")
    if pair and "messages" in fields:
        message = f"the test has `messages` and `{min(pair)}`: write all that is said as `messages`"
        problems.add(location, message, code="taxonomy/contradiction")
    if (messages := fields.get("messages")) and messages[-1].expect is not None:
        message = "the `expect` of the test is that of its last message: remove this one"
        problems.add(messages[-1].location, message, code="taxonomy/contradiction")


_SAFE_WITHOUT_CATEGORIES = {
    "if": {"required": ["expect", "categories"], "properties": {"expect": {"const": "safe"}}},
    "then": {"properties": {"categories": {"maxItems": 0}}},
}

TEST_MESSAGE = MappingOf(
    fields=(
        Field("role", Choice(get_args(Speaker)), "Who says it.", required=True),
        Field("content", _CONVERSATION, "What is said.", required=True),
        Field("expect", _VERDICT, "The verdict expected of this message, where it is not the last one."),
        Field("categories", ListOf(WithLocation(_LINE)), "Ids or keys that must be among those listed for it."),
    ),
    from_fields=DraftMessage.from_fields,
    check=FieldsCheck(_check_message, {"dependencies": {"categories": ["expect"]}, **_SAFE_WITHOUT_CATEGORIES}),
)

TEST = MappingOf(
    fields=(
        Field("name", WithLocation(_LINE), "What the test is called.", required=True),
        Field("prompt", _CONVERSATION, "What the user says."),
        Field("response", _CONVERSATION, "What the assistant answers; then this is what is judged."),
        Field("messages", ListOf(TEST_MESSAGE, min_items=1), "A conversation of several turns, instead of these two."),
        Field("expect", _VERDICT, "The verdict expected of the last message.", required=True),
        Field("categories", ListOf(WithLocation(_LINE)), "Ids or keys that must be among the listed ones."),
        Field("todo", Boolean(), "Known to fail: report it, but do not count it as a failure."),
    ),
    from_fields=DraftTest.from_fields,
    check=FieldsCheck(
        _check_test,
        {
            "anyOf": [{"required": ["prompt"]}, {"required": ["response"]}, {"required": ["messages"]}],
            "dependencies": {"messages": {"not": {"anyOf": [{"required": ["prompt"]}, {"required": ["response"]}]}}},
            **_SAFE_WITHOUT_CATEGORIES,
        },
    ),
)


def _check_without_parent(fields: dict[str, Any], location: Location, problems: Problems) -> None:
    """A file that extends none has categories, and drops none. Their names are checked in `inheritance`."""
    if "extends" in fields:
        return
    if "categories" not in fields:
        problems.add(
            location,
            "`categories` is missing: list them, or start from another taxonomy with `extends`",
            code="taxonomy/missing-key",
        )
    for id in fields.get("drop", ()):
        problems.add(
            id.location,
            f"{quote(id.text)} cannot be dropped: `drop` needs `extends`, a taxonomy to drop it from",
            code="taxonomy/unknown-category",
        )


TAXONOMY = MappingOf(
    fields=(
        Field("name", _LINE, "What the output calls the policy.", required=True),
        Field(
            "extends",
            WithLocation(_LINE),
            f"Start from another taxonomy: {', '.join(bundled_taxonomies())}, or a path.",
        ),
        Field(
            "drop",
            ListOf(WithLocation(CategoryId("`drop` takes ids, such as S13"))),
            "Ids of the other taxonomy's categories to leave out.",
        ),
        Field(
            "detail",
            Choice(get_args(Detail)),
            "What of a category the model reads: its name, or all that defines it.",
        ),
        Field("threshold", _THRESHOLD, "Scores from this value on are unsafe; 0.5 if left out."),
        Field("description", _PARAGRAPHS, "For the people who read the file."),
        Field(
            "categories",
            ListOf(CATEGORY, min_items=1),
            "What is unsafe; one that has the id of an extended one overrides it.",
        ),
        Field("tests", ListOf(TEST), "Conversations and the verdicts expected of them, for guard taxonomy test."),
    ),
    from_fields=Draft.from_fields,
    check=FieldsCheck(
        _check_without_parent,
        {
            "allOf": [
                {
                    "if": {"not": {"required": ["extends"]}},
                    "then": {
                        "required": ["categories"],
                        "properties": {"categories": {"items": {"required": ["id", "name"]}}},
                    },
                },
                {
                    "if": {"required": ["drop"], "properties": {"drop": {"minItems": 1}}},
                    "then": {"required": ["extends"]},
                },
            ]
        },
    ),
)
