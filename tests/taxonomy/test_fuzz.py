"""A small part of what `python -m tests.taxonomy.fuzz` tries."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.errors import TaxonomyError
from guardcli.taxonomy import Taxonomy
from tests.taxonomy import fuzz


@pytest.mark.slow
def test_mutated_policies_do_no_more_than_be_refused(tmp_path: Path, most_seconds: float) -> None:
    tally = fuzz.run(range(80), 1, tmp_path, most=most_seconds)
    assert tally.failures == []
    assert tally.cases.total() == 80
    assert tally.cases.keys() == fuzz.MUTATIONS.keys()
    assert 0 < tally.valid.total() < 80


def test_a_failure_is_one(tmp_path: Path) -> None:
    """What is checked of an outcome can fail: of a problem that is nowhere, and of a policy that is not what it was."""
    path = tmp_path / "case.yaml"
    path.write_bytes(data := b"name: a\ncategories: [{id: S1, name: Hate}]\n")
    nowhere = Taxonomy.load(path).location.problem("is wrong", "taxonomy/wrong-type")
    with pytest.raises(AssertionError, match="not in the file"):
        fuzz._check(TaxonomyError(type(nowhere)(nowhere.path, 9, 1, "is wrong", "taxonomy/wrong-type")), path, data)
    with pytest.raises(AssertionError, match="102 problems"):
        fuzz._check(TaxonomyError(*[nowhere] * 102), path, data)
    with pytest.raises(AssertionError, match="libyaml reads another policy"):
        fuzz._check(Taxonomy.load(path), path, data.replace(b"Hate", b"Hats"))
