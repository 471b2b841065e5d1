"""YAML's own traps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy, bundled_taxonomies, yaml_nodes
from guardcli.taxonomy.problems import Problems
from guardcli.taxonomy.yaml_nodes import SLOW_LIMIT
from tests.taxonomy.broken import WHOLE, complaints
from tests.taxonomy.test_broken_files import BROKEN

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
        (f"{WHOLE}---\nname: b\n", f"4:1: {SECOND}"),
        (f"---\n{WHOLE}---\n", f"5:1: {SECOND}"),
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
            "1:7: there is no anchor for this alias: quote text that starts with `*`, or define it before with `&`",
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
            "drop:\n  - a\n - b\n",
            "3:2: is not valid YAML (while parsing a block mapping, expected <block end>, but found "
            "'<block sequence start>'): indent the line like the one above it",
        ),
        (
            "tests: [{prompt: How?, name: a}]\n",
            "1:21: is not valid YAML (while parsing a flow mapping, expected ',' or '}', but got '?'): "
            "quote text that holds a question mark",
        ),
        (
            'name: "a" b\n',
            "1:11: is not valid YAML (while parsing a block mapping, expected <block end>, but found "
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
    [last_error] = complaints(text)
    assert last_error.endswith(DEEP)


def test_nesting() -> None:
    assert complaints(f"a: {'[' * 30}{']' * 30}\n") == [f"1:24: {DEEP}"]


def test_an_alias_within_itself() -> None:
    assert complaints("a: &a [*a]\n") == [f"1:4: {DEEP}"]


def test_an_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    [last_error] = complaints("\n".join(lines))
    assert last_error.endswith("more than 100,000 values, those of aliases included: remove some")


def test_aliases_are_read_where_they_are_used() -> None:
    taxonomy = Taxonomy.from_yaml(
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
    assert Taxonomy.from_yaml(WHOLE.replace("name: a", f"name: {tagged}")).name == "no"


def test_a_message_is_one_printable_line() -> None:
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.from_yaml(f'{WHOLE}"\\e[2J\\nok{"x" * 100}": 1\n', "t.yaml")
    known = "name, extends, drop, detail, threshold, description, categories, tests"
    shown = f"\\x1b[2J\\nok{'x' * 53}…"
    assert str(caught.value) == f"t.yaml:4:1: unknown key `{shown}`: known are {known}"


LONG = f"# {'x' * SLOW_LIMIT}\n"  # a first line that makes a text too long for the slow parser
libyaml = pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML has no libyaml")
TEXTS = {
    path.name: path.read_text("utf-8", "replace")
    for path in (
        *sorted(BROKEN.glob("*.yaml")),
        *(Path(Taxonomy.load(name).location.path) for name in bundled_taxonomies()),
    )
}
# What libyaml reads otherwise: it takes tabs between tokens, and `?` within braces; it refuses half an emoji at once;
# it points at the backslash, and at the end of a list that nobody closes; a directive must be in the first line.
OTHERWISE = {
    "tab_after_colon.yaml",
    "json_with_tabs.yaml",
    "question_in_braces.yaml",
    "half_emoji.yaml",
    "backslash_in_quotes.yaml",
    "unclosed_bracket_at_end.yaml",
    "directive_of_version_2.yaml",
}


def outcome(text: str) -> tuple[yaml_nodes.Node | None, list[tuple[int, int]]]:
    """The tree that a text makes, and the places of what is wrong with it."""
    problems = Problems()
    problems.add_file("t.yaml")
    value = None
    try:
        value = yaml_nodes.parse(text, "t.yaml", problems)
        problems.raise_if_any()
    except TaxonomyError as error:
        return value, [(problem.line, problem.column) for problem in error.problems]
    return value, []


@libyaml
@pytest.mark.parametrize("name", TEXTS.keys() - OTHERWISE)
def test_both_parsers_make_the_same_tree_and_point_at_the_same_place(name: str) -> None:
    assert yaml_nodes.loader_class(TEXTS[name], "t.yaml") is yaml.SafeLoader
    assert yaml_nodes.loader_class(LONG + TEXTS[name], "t.yaml") is yaml.CSafeLoader
    assert outcome(f"#\n{TEXTS[name]}") == outcome(LONG + TEXTS[name])


@libyaml
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 5000, f"2:1001: {DEEP}"),
        ("- " * 3000, f"2:43: {DEEP}"),
        (
            'name: "\\U00110000"\n',
            "2:10: is not valid YAML (while parsing a quoted scalar, found invalid Unicode character escape code): "
            "write the backslash twice, or use single quotes",
        ),
        ("name: a\0\n", "2:8: there is a null character: is this a text file? save it as UTF-8"),
        (
            "name: @b\n",
            "2:7: is not valid YAML (while scanning for the next token, found character that cannot start any token): "
            "quote text that starts with it, or write spaces instead of a tab",
        ),
    ],
)
def test_no_tree_of_a_long_text(text: str, expected: str) -> None:
    assert complaints(LONG + text) == [expected]


def test_a_long_text_without_libyaml() -> None:
    assert yaml_nodes.loader_class("x" * SLOW_LIMIT, "t.yaml", libyaml=None) is yaml.SafeLoader
    with pytest.raises(TaxonomyError) as caught:
        yaml_nodes.loader_class("x" * (SLOW_LIMIT + 1), "t.yaml", libyaml=None)
    assert str(caught.value) == (
        "t.yaml:1:1: has more than 65,536 characters, and PyYAML is installed without libyaml, which reads that many: "
        "share parts with `extends`, or install a wheel of PyYAML"
    )


def test_an_alias_counts_as_deep_as_what_it_names() -> None:
    """Ten levels named at the eleventh are twenty-one, and one less is the most."""
    nested = f"a: &a {'[' * 10}{']' * 10}\n"
    assert complaints(f"{nested}b: {'[' * 11}*a{']' * 11}\n") == [f"2:15: {DEEP}"]
    assert DEEP not in "".join(complaints(f"{nested}b: {'[' * 10}*a{']' * 10}\n"))
