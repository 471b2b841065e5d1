"""The summary of prepared examples: counts, overlaps, and samples that cannot control a terminal."""

from __future__ import annotations

from collections import Counter

from guardcli.conversation import Key
from guardcli.report.prepared_examples import format_overlaps, format_preparation
from guardcli.text.segments import Segment
from guardcli.training.augmentation import Overlap, PrepareStats, TrainingExample

EXAMPLES = Counter(
    {("safe", "plain"): 1200, ("unsafe", "plain"): 7, ("unsafe", "augmented"): 5, ("safe", "made safe"): 2}
)


def example(said: str) -> TrainingExample:
    prompt = (Segment("<|x|>", special=True), Segment("User: "), Segment(said, untrusted=True))
    answer = (Segment("\n\n"), Segment("unsafe\nS9"), Segment("<|eot_id|>", special=True))
    return TrainingExample(
        template="llama-guard-3-8b",
        prompt=prompt,
        answer=answer,
        categories=("S9",),
        key=Key("a.jsonl", 3),
        kind="augmented",
        original_ids=("S9", "S1"),
    )


def shown(stats: PrepareStats, *samples: TrainingExample, with_text: bool = True) -> str:
    return format_preparation(stats, samples, with_text=with_text, color=False, width=80)


def test_summary_counts_examples_categories_and_skipped_records() -> None:
    stats = PrepareStats(
        num_records=1210,
        examples=EXAMPLES,
        categories=Counter({"S9": 12, "S1": 3}),
        weights={"safe": 600.5, "unsafe": 12.0},
        skipped=Counter({"it has no label": 3, "\x1b[2J": 1}),
    )
    assert shown(stats) == (
        "examples   plain   augmented   made safe   weight\n"
        "-------------------------------------------------\n"
        "safe       1,200           0           2    600.5\n"
        "unsafe         7           5           0     12.0\n"
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


def test_summary_without_examples() -> None:
    assert shown(PrepareStats()).splitlines()[2].split() == ["safe", "0", "0", "0", "0.0"]
    assert "violated" not in shown(PrepareStats())


def test_samples() -> None:
    assert shown(PrepareStats(), example("Hi\n\x1b[2J")).endswith(
        "\na.jsonl:3 augmented, S9 S1\n  Hi\\n\\x1b[2J\n  → \\n\\nunsafe\\nS9<|eot_id|>\n"
    )
    assert shown(PrepareStats(), example("Hi"), with_text=False).endswith(
        "\na.jsonl:3 augmented, S9 S1\n  → \\n\\nunsafe\\nS9<|eot_id|>\n"
    )
    assert f"\n  … {'x' * 240}\n" in shown(PrepareStats(), example("y" + "x" * 240))


def test_overlaps() -> None:
    one = [(Key("a.jsonl", 3), Overlap("eval:1", "near"))]
    assert (
        format_overlaps(PrepareStats(overlaps=one)) == "1 record found in an evaluation set:\n  a.jsonl:3 near eval:1"
    )
    many = format_overlaps(PrepareStats(overlaps=one * 6)).splitlines()
    assert (many[0], many[-1], len(many)) == ("6 records found in an evaluation set:", "  …", 7)
