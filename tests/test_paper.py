"""The experiments of the paper: what they prompt with, what they train and judge, and how their figures are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from guardcli import Taxonomy
from recipes.paper import adapting, dropping
from recipes.paper.__main__ import main
from recipes.paper.few_shot import write_with_examples
from recipes.paper.page import parts, pictures
from recipes.paper.pictures import curves, intervals
from recipes.paper.workspace import Row
from tests import paper_page, tiny
from tests.generated import generated_parts
from tests.test_recipes import write_set

NATIVES = {category.id: category.label for category in Taxonomy.load("openai-moderation").categories}


def row(text: str, *categories: str) -> Row:
    label = "unsafe" if categories else "safe"
    return {"messages": [{"role": "user", "content": text}], "label": label, "categories": [*categories]}


def labeled_rows() -> list[Row]:
    unsafe = [row(f"bad {name} {number}", name) for name in NATIVES.values() for number in range(3)]
    return [*unsafe, row("x" * 500), *(row(f"fine\n {number}") for number in range(20))]


def test_half_of_the_examples_are_unsafe_and_none_is_shown_twice(tmp_path: Path) -> None:
    path = write_with_examples("openai-moderation", labeled_rows(), NATIVES, tmp_path / "policy.yaml")
    taxonomy = Taxonomy.load(path)
    assert definitions(taxonomy) == definitions(Taxonomy.load("openai-moderation"))
    shown = [example for category in taxonomy.categories for example in category.examples]
    assert [example.verdict for example in shown] == ["unsafe", "safe"] * 16
    assert len({example.user for example in shown}) == 32
    for category in taxonomy.categories:
        assert all(NATIVES[category.id] in one.user for one in category.examples if one.verdict == "unsafe")
    assert max(len(example.user) for example in shown) < 100
    assert "fine 0" in {example.user for example in shown}  # on one line


def test_examples_are_put_into_a_policy_of_a_file(tmp_path: Path) -> None:
    natives = {"S1": adapting.CATEGORY}
    rows = [row(f"bad {number}", adapting.CATEGORY) for number in range(2)] + [row("good"), row("fine")]
    taxonomy = Taxonomy.load(write_with_examples(adapting.POLICY, rows, natives, tmp_path / "policy.yaml"))
    assert definitions(taxonomy) == definitions(Taxonomy.load(adapting.POLICY))
    assert [example.user for example in taxonomy.categories[0].examples] == ["bad 0", "good", "bad 1", "fine"]


def definitions(taxonomy: Taxonomy) -> list[object]:
    """What of a policy the model reads, but for examples."""
    return [taxonomy.detail, *((one.id, one.name, one.description, one.can) for one in taxonomy.categories)]


def test_a_category_without_rows_is_an_error(tmp_path: Path) -> None:
    rows = [one for one in labeled_rows() if one["categories"] != ["violence"]]
    with pytest.raises(ValueError, match="too few rows of violence"):
        write_with_examples("openai-moderation", rows, NATIVES, tmp_path / "policy.yaml")


def test_the_policy_to_adapt_to_has_the_category_of_its_data() -> None:
    (category,) = Taxonomy.load(adapting.POLICY).categories
    assert category.label == adapting.CATEGORY


@pytest.fixture(scope="module")
def abuse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("abuse")
    rows = []
    for number in range(60):
        fields = {"label": "unsafe", "categories": ["sexist"] if number % 3 else []} if number % 2 else {}
        rows.append({"text": f"you {number} say that {number * 7} and {number * 13}", "split": "train"} | fields)
    rows += [{"text": f"{rows[1]['text']}!", "split": "test", "label": "unsafe"}]
    rows += [{"text": "something else entirely", "split": "valid"}, {"text": "one more of the safe", "split": "test"}]
    rows += [{"text": "a known text which was trained on", "split": "valid", "label": "unsafe"}]
    write_set(folder, "convabuse", rows)
    return folder


def test_what_is_judged_is_unlike_anything_that_was_trained_on(abuse: Path, tmp_path: Path) -> None:
    known = row("A known text, which was trained on.") | {"source": "a"}
    (tmp_path / "train.jsonl").write_text(json.dumps(known) + "\n")
    train, test = adapting.split_rows(abuse, tmp_path, num_judged=10, seed=0)
    assert [one["label"] for one in test] == ["unsafe", "safe"]
    assert test[0]["messages"][0]["content"] == "you 1 say that 7 and 13!"
    trained = [one["messages"][0]["content"] for one in train]
    assert "you 1 say that 7 and 13" not in trained
    assert [one["label"] for one in train[:4]] == ["unsafe", "safe"] * 2
    assert {(one["label"], *one["categories"]) for one in train} == {("unsafe", "abuse"), ("safe",)}
    assert len(trained) == len({*trained}) == 58  # as many of either label


def test_tables_have_a_row_for_each_system() -> None:
    shown = parts(paper_page.figures())
    assert len(shown) == 6
    for part in shown:
        lines = part.splitlines()
        assert len({line.count(" | ") for line in (lines[0], *lines[2:])}) == 1
    adapted, costs = shown[-2:]
    assert adapted.count("\n") == 2 + 3 + 3 * 3
    assert "fine-tuned from smol, 20%" in adapted
    assert "TF-IDF" not in costs  # it takes no tokens


def test_the_sentence_about_the_costs_follows_from_the_figures() -> None:
    """41 seconds once, and how many rows later the longer prompts have cost as much."""
    figures = paper_page.figures()
    costs, tokens = figures["costs"], figures["adapting"]["systems"]["smol-20"]["trained_tokens"]
    seconds = tokens / costs["tokens_a_second_of_training"]
    rows = seconds / (costs["seconds_a_row"]["4"] - costs["seconds_a_row"]["0"])
    page = paper_page.PAGE.read_text("utf-8")
    assert f"({seconds:.0f} seconds) has paid for itself after some {round(rows, -1):.0f} rows" in page
    assert f"and {figures['adapting']['known']} of these {figures['adapting']['trained']}" in page
    assert f"judged on {figures['adapting']['rows']} chats" in page


def test_pictures_are_to_scale() -> None:
    svg = ElementTree.fromstring(intervals("a & b", [("half", (0.5, 0.25, 0.75)), ("all", (1.0, 1.0, 1.0))]))
    half, whole = [float(one.attrib["cx"]) for one in svg.iter() if one.tag.endswith("circle")]
    ticks = {one.text: float(one.attrib["x"]) for one in svg.iter() if re.fullmatch(r"\d\.\d", one.text or "")}
    assert (half, whole) == (pytest.approx((ticks["0.4"] + ticks["0.6"]) / 2, abs=0.1), ticks["1.0"])
    (bar, _) = [one for one in svg.iter() if one.attrib.get("stroke-width") == "2"]
    assert float(bar.attrib["x2"]) - float(bar.attrib["x1"]) == pytest.approx(
        (ticks["1.0"] - ticks["0.0"]) / 2, abs=0.2
    )


def test_a_curve_rises_with_its_values() -> None:
    points = [(0.2, (0.6, 0.5, 0.7)), (1.0, (0.8, 0.7, 0.9))]
    svg = ElementTree.fromstring(curves("t", "share", {"a": points, "b": [(0.0, (0.5, 0.4, 0.6))]}, low=0.4))
    (line,) = [one.attrib["points"] for one in svg.iter() if one.tag.endswith("polyline")]
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.split())
    assert x1 < x2
    assert y1 > y2  # downwards is more
    assert {"a", "b", "0%", "20%", "100%"} <= {one.text for one in svg.iter()}


def test_every_picture_is_well_formed() -> None:
    drawn = pictures(paper_page.figures())
    assert [*drawn] == ["paper-prompting.svg", "paper-dropping.svg", "paper-adapting.svg"]
    for picture in drawn.values():
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def _labeled(number: int) -> Iterator[Row]:
    for at in range(number):
        unsafe = at % 2 == 1
        yield row(f"please {at} do {at * 3} things", *(["S1", "S9", "S10"][at % 3 : at % 3 + 1] if unsafe else []))


@pytest.mark.slow
def test_dropping_trains_judges_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(dropping, "_NUM_RECORDS", 64)
    base = tiny.write(tmp_path / "base.gguf", answers=True, chatml=True)
    out = tmp_path / "out"
    for name, number in (("train", 80), ("held_out", 30)):
        extra = {"source": "a", "weight": 1.0, "pair": None}
        lines = [json.dumps(one | extra) for one in _labeled(number)]
        (out / "data").mkdir(parents=True, exist_ok=True)
        (out / "data" / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    arguments = [str(tmp_path), str(out), "--part", "dropping", "--base", str(base), "--rows", "20", "--threads", "1"]
    first = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    found = json.loads((out / "figures.json").read_text("utf-8"))["dropping"]
    whole, dropped = found["arms"]["whole lists"], found["arms"]["dropped"]
    assert whole["system"]["records"] == dropped["system"]["records"] == 20
    assert whole["trained_tokens"] > 1000
    examples = [json.loads(line) for line in (out / "dropping/dropped.examples.jsonl").read_text("utf-8").splitlines()]
    assert len(examples) == 128
    again = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert again.stderr == "dropping …\n"
    assert json.loads((out / "figures.json").read_text("utf-8"))["dropping"] == found


def test_the_page_of_the_experiments_shows_their_figures() -> None:
    """`python -m tests.paper_page` writes it, and its pictures."""
    assert generated_parts(paper_page.PAGE) == parts(paper_page.figures())
    for name, picture in pictures(paper_page.figures()).items():
        assert (paper_page.IMAGES / name).read_text("utf-8") == picture
        assert f"(images/{name})" in paper_page.PAGE.read_text("utf-8")
