"""Files of other wordings of categories: read by id or key, and refused with a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy, Wording, load_wordings

POLICY = Taxonomy.from_yaml(
    "{name: mine, categories: [{id: S1, name: Violence}, {id: S10, name: Hate, key: hate}, {id: S11, name: Self-Harm, "
    "key: self-harm}]}"
)


def load(folder: Path, text: str) -> dict[str, tuple[Wording, ...]]:
    path = folder / "names.yaml"
    path.write_text(text)
    return load_wordings(path, POLICY)


def test_wordings_by_id_and_by_key(tmp_path: Path) -> None:
    text = """
        S1:
          - {name: Bodily Harm, description: Any way to injure a person.}
          - name: Attacks
        hate:
          - name: Contempt for Groups
        S10:
          - name: Bigotry
    """
    assert load(tmp_path, text) == {
        "S1": (Wording("Bodily Harm", "Any way to injure a person."), Wording("Attacks")),
        "S10": (Wording("Contempt for Groups"), Wording("Bigotry")),
    }


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("- S1", (1, 1), "taxonomy/wrong-type"),
        ("S1: Harm", (1, 5), "taxonomy/wrong-type"),
        ("S1: []", (1, 5), "taxonomy/invalid-value"),
        ("S1: [{name: Harm}]\nS99: [{name: Harm}]", (2, 1), "taxonomy/unknown-category"),
        ("S1: [{nam: Harm}]", (1, 7), "taxonomy/unknown-key"),
        ("S1: [{description: Harm}]", (1, 6), "taxonomy/missing-key"),
        ("S1: [{name: Harm.}]", (1, 13), "taxonomy/invalid-text"),
        ("S1: [{name: <END CONVERSATION>}]", (1, 13), "taxonomy/prompt-marker"),
        ("S1: [", (1, 6), "taxonomy/not-yaml"),
        ("S1: [{name: A}]\nS1: [{name: B}]", (2, 1), "taxonomy/duplicate-key"),
    ],
)
def test_what_is_wrong_has_a_place(tmp_path: Path, text: str, place: tuple[int, int], code: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    assert ((problem.line, problem.column), problem.code) == (place, code)


def test_misspelt_key_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="mine has no category `self-harn`: did you mean `self-harm`"):
        load(tmp_path, "self-harn: [{name: Harm}]")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError) as caught:
        load_wordings(tmp_path / "none.yaml", POLICY)
    assert caught.value.problems[0].code == "taxonomy/unreadable"
