"""What is said of prepared examples: counts, overlaps, samples that cannot command a terminal."""

from __future__ import annotations

from collections import Counter

from guardcli.conversation import Key
from guardcli.report.examples import as_text, overlapping
from guardcli.text.segments import Segment
from guardcli.training.augmentation import Overlap, TrainingExample
from guardcli.training.augmentation.preparation import Tally

EXAMPLES = Counter(
    {("safe", "plain"): 1200, ("unsafe", "plain"): 7, ("unsafe", "augmented"): 5, ("safe", "made safe"): 2}
)


def example(said: str) -> TrainingExample:
    prompt = (Segment("<|x|>", special=True), Segment("User: "), Segment(said, untrusted=True))
    answer = (Segment("\n\n"), Segment("unsafe\nS9"), Segment("<|eot_id|>", special=True))
    return TrainingExample("llama-guard-3-8b", prompt, answer, ("S9",), Key("a.jsonl", 3), "augmented", ("S9", "S1"))


def shown(tally: Tally, *samples: TrainingExample) -> str:
    return as_text(tally, samples, colour=False, width=80)


def test_counts() -> None:
    tally = Tally(1210, EXAMPLES, Counter({"S9": 12, "S1": 3}), Counter({"it has no label": 3, "\x1b[2J": 1}))
    assert shown(tally) == (
        "examples   plain   augmented   made safe\n"
        "----------------------------------------\n"
        "safe       1,200           0           2\n"
        "unsafe         7           5           0\n"
        "\n"
        "violated\n"
        "-------------\n"
        "S9         12\n"
        "S1          3\n"
        "\n"
        "left out\n"
        "-------------------\n"
        "it has no label   3\n"
        "\\x1b[2J           1\n"
    )


def test_nothing() -> None:
    assert shown(Tally()).splitlines()[2].split() == ["safe", "0", "0", "0"]
    assert "violated" not in shown(Tally())


def test_samples() -> None:
    assert shown(Tally(), example("Hi\n\x1b[2J")).endswith(
        "\na.jsonl:3 augmented, S9 S1\n  Hi\\n\\x1b[2J\n  → \\n\\nunsafe\\nS9<|eot_id|>\n"
    )
    assert f"\n  … {'x' * 240}\n" in shown(Tally(), example("y" + "x" * 240))


def test_overlaps() -> None:
    one = [(Key("a.jsonl", 3), Overlap("eval:1", "near"))]
    assert overlapping(Tally(overlaps=one)) == "1 record found in an evaluation set:\n  a.jsonl:3 near eval:1"
    many = overlapping(Tally(overlaps=one * 6)).splitlines()
    assert (many[0], many[-1], len(many)) == ("6 records found in an evaluation set:", "  …", 7)
