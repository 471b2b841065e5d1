"""Format what `guard tune prepare` made for a terminal: counts, what was left out, and a few examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from guardcli.report.terminal import format_table
from guardcli.text.escaping import escape_terminal, pluralize
from guardcli.training.augmentation import PrepareStats, TrainingExample

_KINDS = ("plain", "augmented", "made safe")
_MAX_SAMPLE_LENGTH = 240  # characters
_MAX_OVERLAPS = 5


def format_preparation(
    stats: PrepareStats, samples: Sequence[TrainingExample], *, with_text: bool, color: bool, width: int
) -> str:
    """Format tables of counts, then the samples: their conversations only if `with_text`."""
    headings = ["examples", *_KINDS, "weight"]
    parts = [format_table(headings, list(_by_label(stats)), color=color, width=width, right=(1, 2, 3, 4))]
    for heading, counts in (("violated", stats.categories), ("left out", stats.skipped)):
        rows = [(name, f"{count:,}") for name, count in counts.most_common()]
        parts += [format_table([heading, ""], rows, color=color, width=width, right=(1,))] if rows else []
    return "\n".join([*parts, *(_sample(example, with_text) for example in samples)])


def format_overlaps(stats: PrepareStats) -> str:
    """Format the number of records that are also in an evaluation set, and the locations of the first."""
    lines = [f"{pluralize(len(stats.overlaps), 'record')} found in an evaluation set:"]
    for key, overlap in stats.overlaps[:_MAX_OVERLAPS]:
        lines.append(f"  {escape_terminal(key.location)} {overlap.kind} {escape_terminal(overlap.location)}")
    return "\n".join(lines + (["  …"] if len(stats.overlaps) > _MAX_OVERLAPS else []))


def _by_label(stats: PrepareStats) -> Iterator[tuple[str, ...]]:
    for label in ("safe", "unsafe"):
        yield label, *(f"{stats.examples[label, kind]:,}" for kind in _KINDS), f"{stats.weights[label]:,.1f}"


def _sample(example: TrainingExample, with_text: bool) -> str:
    """Format the location, kind and categories of an example, the end of its conversation, and its answer."""
    answer = escape_terminal("".join(segment.text for segment in example.answer))
    heading = f"{escape_terminal(example.key.location)} {example.kind}, {' '.join(example.original_ids)}"
    if not with_text:
        return f"{heading}\n  → {answer}\n"
    conversation = escape_terminal("\n".join(segment.text for segment in example.prompt if segment.untrusted))
    excerpt = conversation if len(conversation) <= _MAX_SAMPLE_LENGTH else f"… {conversation[-_MAX_SAMPLE_LENGTH:]}"
    return f"{heading}\n  {excerpt}\n  → {answer}\n"
