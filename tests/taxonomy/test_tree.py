"""YAML's own traps."""

from __future__ import annotations

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy
from tests.taxonomy.broken import WHOLE, complaints

EMPTY = "1:1: the file is empty: write `name`, and `categories` or `extends`"
DEEP = "more than 20 levels deep, or an alias within itself: remove brackets, or the alias"
LARGE = "is not valid YAML: the number in an escape or directive is too large"
SECOND = "a second document starts here: a file holds one taxonomy; remove the `---`"


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n", "---\n...\n", "null\n"])
def test_empty(text: str) -> None:
    assert complaints(text) == [EMPTY]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{WHOLE}---\nname: b\n", f"5:1: {SECOND}"),
        (f"---\n{WHOLE}---\n", f"6:1: {SECOND}"),
        (
            "name: Hate: and threats\n",
            "1:11: is not valid YAML (mapping values are not allowed here): "
            "quote text that contains `: `, and check the indentation",
        ),
        (
            "name: a\n\tcategories: []\n",
            "2:1: is not valid YAML (while scanning for the next token, found character '\\t' that cannot "
            "start any token): write spaces instead of the tab",
        ),
        (
            "name: @home\n",
            "1:7: is not valid YAML (while scanning for the next token, found character '@' that cannot "
            "start any token): quote text that starts with this character",
        ),
        (
            "name: *bold*\n",
            "1:12: is not valid YAML (while scanning an alias, expected alphabetic or numeric character, but "
            "found '*'): quote text that starts with `*`",
        ),
        (
            "name: *bold\n",
            "1:7: is not valid YAML (found undefined alias 'bold'): quote text that starts with `*`, "
            "or define it before with `&`",
        ),
        (
            "name: &\n",
            "1:8: is not valid YAML (while scanning an anchor, expected alphabetic or numeric character, but "
            "found '\\n'): quote text that starts with `&`",
        ),
        (
            'name: "open\n',
            "1:7: is not valid YAML (while scanning a quoted scalar, found unexpected end of stream): "
            "this quote is not closed: close it",
        ),
        (
            "drop: [S1\n",
            "1:7: is not valid YAML (while parsing a flow sequence, expected ',' or ']', but got "
            "'<stream end>'): this bracket is not closed: close it",
        ),
        (
            "name: a\ncategories\n",
            "2:1: is not valid YAML (while scanning a simple key, could not find expected ':'): "
            "add `: ` after the key, or indent the line further",
        ),
        (
            "can:\n  - a\n - b\n",
            "3:2: is not valid YAML (while parsing a block mapping, expected <block end>, but found "
            "'<block sequence start>'): indent the line like the one above it",
        ),
        (
            "tests: [{prompt: How?, name: a}]\n",
            "1:21: is not valid YAML (while parsing a flow mapping, expected ',' or '}', but got '?'): "
            "quote text that holds a question mark",
        ),
        (
            '- "a" b\n',
            "1:7: is not valid YAML (while parsing a block collection, expected <block end>, but found "
            "'<scalar>'): quote the whole text; inside quotes write \\\" for \", or '' for '",
        ),
        ("name: a\x00b\n", "1:8: there is a null character: is this a text file? save it as UTF-8"),
        ("name: a\nkey: \x1b\n", "2:6: the character `\\x1b` is not allowed in YAML: remove it"),
        ('name: "\\U00110000"\n', f"1:10: {LARGE}"),
        ('name: "\\UFFFFFFFF"\n', f"1:10: {LARGE}"),
        (
            "%YAML 2.0\n---\nname: a\n",
            "1:1: is not valid YAML (found incompatible YAML document (version 1.* is required)): remove the line",
        ),
    ],
)
def test_no_tree(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 2000, "- " * 3000, "? " * 3000])
def test_nesting_that_would_end_the_recursion(text: str) -> None:
    [complaint] = complaints(text)
    assert complaint.endswith(DEEP)


def test_nesting() -> None:
    assert complaints(f"a: {'[' * 30}{']' * 30}\n") == [f"1:24: {DEEP}"]


def test_an_alias_within_itself() -> None:
    assert complaints("a: &a [*a]\n") == [f"1:4: {DEEP}"]


def test_an_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    [complaint] = complaints("\n".join(lines))
    assert complaint.endswith("more than 100,000 values, those of aliases included: remove some")


def test_aliases_are_read_where_they_are_used() -> None:
    taxonomy = Taxonomy.parse(
        "name: a\n"
        "categories:\n"
        "  - {id: S1, name: Hate, can: &can [Discuss history.]}\n"
        "  - {id: S2, name: Violence, can: *can}\n"
    )
    assert [category.can for category in taxonomy.categories] == [("Discuss history.",)] * 2


def test_a_problem_in_an_alias_is_reported_once() -> None:
    text = "name: a\ncategories:\n  - &c {id: S1, name: no}\n  - *c\n"
    assert complaints(text) == [
        "3:13: `S1` is already the category in line 3: rename one",
        "3:23: `no` is read as a boolean: quote it",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("name: b\n", "4:1: `name` is given twice (first in line 1): keep one"),
        ("categories: []\n", "4:1: `categories` is given twice (first in line 2): keep one"),
        ("? [a]\n: b\n", "4:3: a key must be plain text: quote text that starts with `[` or `{`"),
        (
            "<<: {detail: full}\n",
            "4:1: merge keys (`<<`) are not supported: write the fields out",
        ),
        (
            "description: !!python/object/apply:os.system [ls]\n",
            "4:14: the tag `!!python/object/apply:os.system` is not supported: remove it, or quote text that starts "
            "with `!`",
        ),
        (
            "description: !secret x\n",
            "4:14: the tag `!secret` is not supported: remove it, or quote text that starts with `!`",
        ),
        (
            "description: !!binary aGVsbG8=\n",
            "4:14: the tag `!!binary` is not supported: remove it, or quote text that starts with `!`",
        ),
        ("tests: !!set []\n", "4:8: the tag `!!set` is not supported: remove it, or quote text that starts with `!`"),
    ],
)
def test_keys_and_tags(lines: str, expected: str) -> None:
    assert expected in complaints(WHOLE + lines)


@pytest.mark.parametrize("tagged", ["!!str no", '"no"', "'no'", "|\n  no", ">\n  no\n"])
def test_text_that_says_so(tagged: str) -> None:
    assert Taxonomy.parse(WHOLE.replace("name: a", f"name: {tagged}")).name == "no"


def test_a_message_is_one_printable_line() -> None:
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.parse(f'{WHOLE}"\\e[2J\\nok{"x" * 100}": 1\n', "t.yaml")
    known = "name, extends, drop, detail, threshold, description, categories, tests"
    shown = f"\\x1b[2J\\nok{'x' * 53}…"
    assert str(caught.value) == f"t.yaml:4:1: unknown key `{shown}`: known are {known}"
