"""Prepared examples for a terminal: how many of which kind, what was left out, and some of them to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardcli.report.terminal import table
from guardcli.text.printable import counted, printable
from guardcli.training.augmentation import TrainingExample
from guardcli.training.augmentation.preparation import Tally

_KINDS = ("plain", "augmented", "made safe")
_SHOWN = 240  # characters of a sample's conversation
_NAMED = 5  # overlaps that are named


def as_text(tally: Tally, samples: Sequence[TrainingExample], *, colour: bool, width: int) -> str:
    """Tables of counts, then the samples."""
    parts = [table(["examples", *_KINDS], list(_by_label(tally)), colour=colour, width=width, right=(1, 2, 3))]
    for heading, counts in (("violated", tally.categories), ("left out", tally.left_out)):
        rows = [(name, f"{count:,}") for name, count in counts.most_common()]
        parts += [table([heading, ""], rows, colour=colour, width=width, right=(1,))] if rows else []
    return "\n".join([*parts, *map(_sample, samples)])


def overlapping(tally: Tally) -> str:
    """Which records an evaluation set holds too, the first of them by name."""
    lines = [f"{counted(len(tally.overlaps), 'record')} found in an evaluation set:"]
    for key, overlap in tally.overlaps[:_NAMED]:
        lines.append(f"  {printable(key.place)} {overlap.kind} {printable(overlap.place)}")
    return "\n".join(lines + (["  …"] if len(tally.overlaps) > _NAMED else []))


def _by_label(tally: Tally) -> Iterator[tuple[str, ...]]:
    for label in ("safe", "unsafe"):
        yield label, *(f"{tally.examples[label, kind]:,}" for kind in _KINDS)


def _sample(example: TrainingExample) -> str:
    """Whose it is, the categories as the prompt has them, and the end of what was said, with the answer."""
    said = printable("\n".join(segment.text for segment in example.prompt if segment.untrusted))
    answer = printable("".join(segment.text for segment in example.answer))
    shown = said if len(said) <= _SHOWN else f"… {said[-_SHOWN:]}"
    return f"{printable(example.key.place)} {example.kind}, {' '.join(example.order)}\n  {shown}\n  → {answer}\n"
