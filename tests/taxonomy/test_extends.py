"""A taxonomy that starts from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Place, Taxonomy, shipped
from tests.taxonomy.broken import complaints

PARENT = """\
name: parent
detail: full
threshold: 0.4
categories:
  - {id: S1, name: Hate, key: hate, can: [Discuss history.], threshold: 0.2}
  - {id: S2, name: Crimes, key: crimes}
  - {id: S3, name: Elections}
tests:
  - {name: t, prompt: p, expect: unsafe, categories: [S3]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    return tmp_path


def write(folder: Path, text: str, name: str = "t.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def problems(path: Path) -> list[str]:
    """`file:line:column: message`, without the folder."""
    with pytest.raises(TaxonomyError) as caught:
        Taxonomy.load(path)
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


def test_override_drop_and_append(folder: Path) -> None:
    child = write(
        folder,
        "name: child\n"
        "extends: parent.yaml\n"
        "drop: [S3]\n"
        "categories:\n"
        "  - {id: S9, name: Spam}\n"
        "  - {id: S1, threshold: 0.9, can: []}\n",
    )
    taxonomy = Taxonomy.load(child)
    assert (taxonomy.name, taxonomy.detail, taxonomy.threshold) == ("child", "full", 0.4)
    assert taxonomy.tests == ()
    assert [(c.id, c.name, c.label, c.can, c.threshold) for c in taxonomy.categories] == [
        ("S1", "Hate", "hate", (), 0.9),
        ("S2", "Crimes", "crimes", (), None),
        ("S9", "Spam", "S9", (), None),
    ]
    assert [c.place for c in taxonomy.categories] == [
        Place(str(child), 6, 5),
        Place(str(folder / "parent.yaml"), 6, 5),
        Place(str(child), 5, 5),
    ]


def test_given_values_replace_inherited_ones(folder: Path) -> None:
    child = write(folder, "name: child\nextends: ./parent.yaml\ndetail: names\nthreshold: 0\n")
    taxonomy = Taxonomy.load(child)
    assert (taxonomy.detail, taxonomy.threshold) == ("names", 0.0)
    assert taxonomy.categories == Taxonomy.parse(PARENT).categories


def test_a_key_may_move_within_a_file(folder: Path) -> None:
    child = write(folder, "name: c\nextends: parent.yaml\ncategories: [{id: S1, key: crimes}, {id: S2, key: hate}]\n")
    assert [c.label for c in Taxonomy.load(child).categories] == ["crimes", "hate", "S3"]


def test_tests_may_name_inherited_categories() -> None:
    taxonomy = Taxonomy.parse(
        "name: a\nextends: llama-guard-3\ntests: [{name: t, prompt: p, expect: unsafe, categories: [S14]}]\n"
    )
    assert taxonomy.tests[0].categories == ("S14",)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("drop: [S1, S8]\n", ["3:12: `S8` cannot be dropped: `parent.yaml` has only S1, S2, S3"]),
        ("drop: [S1, S2, S3]\n", ["3:8: nothing is left after `drop`: keep or add at least one category"]),
        (
            "drop: [S1]\ncategories: [{id: S1, name: Hats}]\n",
            ["3:8: `S1` is both dropped and defined here: do one of the two"],
        ),
        (
            "categories: [{id: S4}]\n",
            ["3:14: `name` is missing: `S4` is new here, so add `name: …`"],
        ),
        (
            "categories: [{id: S3, key: hate}]\n",
            ["3:28: the key `hate` is already that of S1: choose another"],
        ),
        (
            "drop: [S3]\ntests: [{name: t, prompt: p, expect: unsafe, categories: [S3]}]\n",
            ["4:59: there is no category `S3`: known are hate, crimes"],
        ),
    ],
)
def test_against_the_parent(folder: Path, lines: str, expected: list[str]) -> None:
    child = write(folder, f"name: child\nextends: parent.yaml\n{lines}")
    assert problems(child) == [f"t.yaml:{complaint}" for complaint in expected]


def test_the_problems_of_the_parent_follow_with_its_path(folder: Path) -> None:
    write(folder, "name: parent\ncategories:\n  - {id: S1, name: no}\n  - {id: 2, name: Hate}\n", "parent.yaml")
    child = write(folder, "name: child\nextends: parent.yaml\ndetail: ful\ndrop: [S2]\n")
    assert problems(child) == [
        "t.yaml:3:9: `detail` is `ful`: write names or full",
        "parent.yaml:3:20: `no` is read as a boolean: quote it",
        "parent.yaml:4:10: `2` is no category id: write a capital letter and a number from 1 to 999; "
        "ids reach the model unchanged, and Llama Guard writes S1, O3",
    ]


def test_a_problem_with_the_parent_comes_before_the_problems_of_the_parent(folder: Path) -> None:
    write(folder, PARENT.replace("0.4", "4"), "parent.yaml")
    child = write(folder, "name: child\nextends: parent.yaml\ndrop: [S9]\n")
    assert problems(child) == [
        "t.yaml:3:8: `S9` cannot be dropped: `parent.yaml` has only S1, S2, S3",
        "parent.yaml:3:12: `threshold` is `4`: write a number from 0 to 1, such as 0.5",
    ]


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (b"- a: b: c\n", "parent.yaml:1:7: is not valid YAML (mapping values are not allowed here)"),
        (b"", "parent.yaml:1:1: the file is empty"),
        (b"name: \xff\n", "t.yaml:2:10: `parent.yaml` is not UTF-8 in line 1: save it as UTF-8"),
    ],
)
def test_a_parent_that_cannot_be_read(folder: Path, parent: bytes, expected: str) -> None:
    (folder / "parent.yaml").write_bytes(parent)
    [problem] = problems(write(folder, "name: child\nextends: parent.yaml\ndrop: [S9]\n"))
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        (
            "llama-gard-3",
            f"there is no taxonomy `llama-gard-3`: did you mean `llama-guard-3`? shipped are {', '.join(shipped())}",
        ),
        (
            "acme",
            "there is no taxonomy `acme`: a file needs a path, such as ./policy.yaml; "
            f"shipped are {', '.join(shipped())}",
        ),
        ("acme.yaml", "there is no file `acme.yaml`: a path is relative to the folder of this file"),
        ("./", "`./` cannot be read: Is a directory"),
        ("no", "`no` is read as a boolean: quote it"),
        ("", "`extends` has no value: write text"),
    ],
)
def test_no_such_parent(extends: str, expected: str) -> None:
    place = "2:10" if extends else "2:9"
    assert complaints(f"name: a\nextends: {extends}\ndrop: [S77]\n") == [f"{place}: {expected}"]


def test_a_circle(folder: Path) -> None:
    write(folder, "name: b\nextends: t.yaml\n", "b.yaml")
    path = write(folder, "name: a\nextends: ./b.yaml\n")
    assert problems(path) == [
        "b.yaml:2:10: `extends` goes in a circle: t.yaml → b.yaml → t.yaml; start from another taxonomy"
    ]


def test_a_file_that_extends_itself_through_a_link(folder: Path) -> None:
    path = write(folder, "name: a\nextends: link.yaml\n")
    (folder / "link.yaml").symlink_to(path)
    assert problems(path) == [
        "t.yaml:2:10: `extends` goes in a circle: t.yaml → link.yaml; start from another taxonomy"
    ]


def chain(folder: Path, files: int) -> Path:
    write(folder, PARENT, "1.yaml")
    for number in range(2, files + 1):
        write(folder, f"name: a\nextends: {number - 1}.yaml\n", f"{number}.yaml")
    return folder / f"{files}.yaml"


def test_sixteen_files(folder: Path) -> None:
    assert Taxonomy.load(chain(folder, 16)).categories == Taxonomy.parse(PARENT).categories


def test_seventeen_files(folder: Path) -> None:
    assert problems(chain(folder, 17)) == [
        "2.yaml:2:10: `extends` goes through more than 16 files: start from an earlier one"
    ]
