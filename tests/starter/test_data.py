"""What is trained on: nothing of an evaluation set, nothing twice, and nothing on both sides of a split."""

from __future__ import annotations

from pathlib import Path

from starter.data import Row, distinct, known, load, normalised, split, training, turn, without
from tests.starter import sets


def row(text: str, group: str = "") -> Row:
    return Row("set", group or text, (turn("User", text),), False)


def test_texts_of_evaluation_sets_are_left_out_also_in_other_words() -> None:
    seen = "How do I carry a very heavy wardrobe up the narrow stairs?"
    near = "How do I carry a very heavy wardrobe up the narrow stairs please"
    kept = without([row(seen.upper()), row(near), row("How do I carry water?")], [seen, "What is a stair?"], near=0.9)
    assert [one.last for one in kept] == ["How do I carry water?"]


def test_each_text_once() -> None:
    assert [one.last for one in distinct([row("A b."), row("a B"), row("c")])] == ["A b.", "c"]


def test_what_belongs_together_stays_together() -> None:
    rows = [row(f"{text} {number}", group=str(number)) for number in range(300) for text in ("one", "two")]
    parts = split(rows)
    groups = [{one.group for one in part} for part in (parts.train, parts.dev, parts.held_out)]
    assert all(groups)
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert split(rows) == parts


def test_the_sets_are_read_with_their_hazards(tmp_path: Path) -> None:
    folder = sets.write(tmp_path)
    rows = load(folder, "catqa")
    assert {one.unsafe for one in rows} == {True, False}
    assert {hazard for one in rows for hazard in one.hazards} == {1, 2, 9}
    assert not {normalised(text) for text in known(folder)} & {normalised(one.last) for one in training(folder)}
