"""A taxonomy that starts from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Location, Taxonomy, bundled_taxonomies
from guardcli.text.quoting import quote
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
    assert [c.location for c in taxonomy.categories] == [
        Location(str(child), 6, 5),
        Location(str(folder / "parent.yaml"), 6, 5),
        Location(str(child), 5, 5),
    ]


def test_given_values_replace_inherited_ones(folder: Path) -> None:
    child = write(folder, "name: child\nextends: ./parent.yaml\ndetail: names\nthreshold: 0\n")
    taxonomy = Taxonomy.load(child)
    assert (taxonomy.detail, taxonomy.threshold) == ("names", 0.0)
    assert taxonomy.categories == Taxonomy.from_yaml(PARENT).categories


def test_a_key_may_move_within_a_file(folder: Path) -> None:
    child = write(folder, "name: c\nextends: parent.yaml\ncategories: [{id: S1, key: crimes}, {id: S2, key: hate}]\n")
    assert [c.label for c in Taxonomy.load(child).categories] == ["crimes", "hate", "S3"]


def test_tests_may_name_inherited_categories() -> None:
    taxonomy = Taxonomy.from_yaml(
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
    assert problems(child) == [f"t.yaml:{last_error}" for last_error in expected]


def test_the_problems_of_the_parent_follow_with_its_path(folder: Path) -> None:
    write(folder, "name: parent\ncategories:\n  - {id: S1, name: no}\n  - {id: 2, name: Hate}\n", "parent.yaml")
    child = write(folder, "name: child\nextends: parent.yaml\ndetail: ful\ndrop: [S2]\n")
    assert problems(child) == [
        "t.yaml:3:9: `detail` is `ful`: write names or full",
        "parent.yaml:3:20: `no` is read as a boolean: quote it",
        "parent.yaml:4:10: `2` is not a category id: write a capital letter and a number from 1 to 999; "
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
        (b"name: b: c\n", "parent.yaml:1:8: is not valid YAML (mapping values are not allowed here)"),
        (b"- a: b: c\n", "parent.yaml:1:7: is not valid YAML: quote text that contains `: `"),
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
            "there is no taxonomy `llama-gard-3`: did you mean `llama-guard-3`? "
            f"built-in ones are {', '.join(bundled_taxonomies())}",
        ),
        (
            "acme",
            "there is no taxonomy `acme`: a file needs a path, such as ./policy.yaml; "
            f"built-in ones are {', '.join(bundled_taxonomies())}",
        ),
        ("acme.yaml", "there is no file `acme.yaml`: a path is relative to the folder of this file"),
        ("./", "`./` cannot be read: Is a directory"),
        ("no", "`no` is read as a boolean: quote it"),
        ("", "`extends` has no value: write text"),
    ],
)
def test_no_such_parent(extends: str, expected: str) -> None:
    location = "2:10" if extends else "2:9"
    assert complaints(f"name: a\nextends: {extends}\ndrop: [S77]\n") == [f"{location}: {expected}"]


def test_a_circle(folder: Path) -> None:
    write(folder, "name: b\nextends: t.yaml\n", "b.yaml")
    path = write(folder, "name: a\nextends: ./b.yaml\n")
    assert problems(path) == [
        "b.yaml:2:10: `extends` forms a loop: t.yaml → b.yaml → t.yaml; start from another taxonomy"
    ]


def test_a_file_that_extends_itself_through_a_link(folder: Path) -> None:
    path = write(folder, "name: a\nextends: link.yaml\n")
    (folder / "link.yaml").symlink_to(path)
    assert problems(path) == ["t.yaml:2:10: `extends` forms a loop: t.yaml → link.yaml; start from another taxonomy"]


def chain(folder: Path, files: int) -> Path:
    write(folder, PARENT, "1.yaml")
    for number in range(2, files + 1):
        write(folder, f"name: a\nextends: {number - 1}.yaml\n", f"{number}.yaml")
    return folder / f"{files}.yaml"


def test_sixteen_files(folder: Path) -> None:
    assert Taxonomy.load(chain(folder, 16)).categories == Taxonomy.from_yaml(PARENT).categories


def test_seventeen_files(folder: Path) -> None:
    assert problems(chain(folder, 17)) == [
        "2.yaml:2:10: `extends` goes through more than 16 files: start from an earlier one"
    ]


OUTSIDE = (
    "{} is outside this file's folder: move it into the folder or one below, or allow the folder that it is in "
    "with Taxonomy.load(extends_root=…)"
)


@pytest.fixture
def inside(folder: Path) -> Path:
    """A folder below the one that holds `parent.yaml`."""
    (folder / "inside").mkdir()
    return folder / "inside"


def test_outside_of_the_folder_of_the_file(folder: Path, inside: Path) -> None:
    (inside / "link.yaml").symlink_to(folder / "parent.yaml")
    (inside / "linked").symlink_to(folder)
    outside = ["../parent.yaml", "../none.yaml", str(folder / "parent.yaml"), "link.yaml", "linked/parent.yaml", "../"]
    for extends in outside:
        path = write(inside, f"name: a\nextends: {extends}\n")
        assert problems(path) == [f"t.yaml:2:10: {OUTSIDE.format(quote(extends))}"]


def test_inside_of_the_folder_of_the_file(folder: Path, inside: Path) -> None:
    write(inside, PARENT, "parent.yaml")
    (folder / "link.yaml").symlink_to(inside / "parent.yaml")
    (folder / "linked").symlink_to(inside)
    expected = Taxonomy.from_yaml(PARENT).categories
    for extends in ["inside/parent.yaml", "inside/../parent.yaml", str(folder / "parent.yaml"), "link.yaml"]:
        assert Taxonomy.load(write(folder, f"name: a\nextends: {extends}\n")).categories == expected
    assert Taxonomy.load(write(folder, "name: a\nextends: linked/parent.yaml\n")).categories == expected


def test_a_policy_that_is_a_link_has_two_folders(folder: Path, inside: Path) -> None:
    """The one it is named in and the one it is kept in, as where a cluster mounts versions of its configuration."""
    kept = folder / "version-1"
    kept.mkdir()
    write(kept, PARENT, "parent.yaml")
    write(kept, "name: a\nextends: parent.yaml\n")
    for name in ("t.yaml", "parent.yaml"):
        (inside / name).symlink_to(kept / name)
    assert Taxonomy.load(inside / "t.yaml").categories == Taxonomy.from_yaml(PARENT).categories


def test_a_parent_is_held_to_its_own_folder(folder: Path, inside: Path) -> None:
    """A file is as valid by itself as it is as a parent."""
    write(inside, "name: b\nextends: ../parent.yaml\n", "b.yaml")
    alone, child = inside / "b.yaml", write(folder, "name: a\nextends: inside/b.yaml\n")
    assert problems(alone) == [f"b.yaml:2:10: {OUTSIDE.format(quote('../parent.yaml'))}"]
    assert problems(child) == [f"inside/b.yaml:2:10: {OUTSIDE.format(quote('../parent.yaml'))}"]
    assert Taxonomy.load(child, extends_root=folder).categories == Taxonomy.from_yaml(PARENT).categories


def test_outside_of_the_folder_that_is_allowed(folder: Path, inside: Path) -> None:
    path = write(inside, "name: a\nextends: ../parent.yaml\n")
    assert Taxonomy.load(path, extends_root=folder).parent(extends_root=folder) == Taxonomy.load(folder / "parent.yaml")
    with pytest.raises(TaxonomyError, match="is outside this file's folder"):
        Taxonomy.load(path, extends_root=inside)


def test_a_policy_without_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is parsed is in the current folder, and one that comes through a pipe is in none."""
    monkeypatch.chdir(folder)
    text = "name: a\nextends: {}\n"
    assert Taxonomy.from_yaml(text.format("./parent.yaml")).categories == Taxonomy.from_yaml(PARENT).categories
    with pytest.raises(TaxonomyError, match="is outside this file's folder"):
        Taxonomy.from_yaml(text.format("/dev/shm/parent.yaml"), "/dev/stdin")
    bundled = text.format("llama-guard-3")
    assert Taxonomy.from_yaml(bundled, "/dev/stdin") == Taxonomy.from_yaml(bundled)
