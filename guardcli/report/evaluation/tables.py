"""The figures of an evaluation as tables, and these as text and as Markdown. It computes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from guardcli.evaluation import Evaluation, Following, Pick, Slice, Standing
from guardcli.evaluation.metrics import Interval
from guardcli.report.terminal import styled, table
from guardcli.text.printable import counted, printable

NONE = "-"
_RANKED = (("AUPRC", "auprc"), ("AUROC", "auroc"))
_SHARES = (("F1", "f1"), ("precision", "precision"), ("recall", "recall"), ("false positive rate", "fpr"))
_SHOWN = 8  # native categories without a counterpart


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation, how each model follows its policy, by system, and what the data is called."""

    evaluation: Evaluation
    followed: Mapping[str, Sequence[Following]]
    source: str

    @property
    def heading(self) -> str:
        """What the figures are of, in one line."""
        labelled = self.evaluation.labelled
        total, unsafe = len(labelled.samples), labelled.num_unsafe
        words = f"{self.source}: {counted(total, 'labelled record')}, {unsafe:,} unsafe ({unsafe / total:.1%})"
        if labelled.schemas:
            words += f"; read as {', '.join(labelled.schemas)}"
        words += "".join(f"; {number:,} {reason}" for reason, number in labelled.left_out.items())
        for first in labelled.unreadable[:1]:
            words += f"; {len(labelled.unreadable):,} cannot be read (line {first.key.line}: {first.reason})"
        return words


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its title and a note; all columns but the first hold numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    @property
    def right(self) -> range:
        return range(1, len(self.headings))


def as_text(report: Report, *, colour: bool, width: int) -> str:
    """All tables, with their titles, for a terminal of so many columns."""
    parts = [f"{printable(report.heading)}\n"]
    for one in tables(report):
        title = styled(one.title, "bold", colour=colour)
        note = f"{printable(one.note)}\n" if one.note else ""
        parts.append(title + table(one.headings, one.rows, colour=colour, width=width, right=one.right) + note)
    return "\n".join(parts)


def as_markdown(report: Report) -> str:
    """The same as Markdown."""
    parts = [f"{_escaped(report.heading)}\n"]
    for one in tables(report):
        rules = ("---:" if at in one.right else "---" for at in range(len(one.headings)))
        lines = [map(_escaped, one.headings), rules, *(map(_escaped, row) for row in one.rows)]
        body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        parts.append(f"### {_escaped(one.title)}\n\n{body}" + (f"\n{_escaped(one.note)}\n" if one.note else ""))
    return "\n".join(parts)


def tables(report: Report) -> Iterator[Table]:
    """Every table there is something to put in."""
    standings = report.evaluation.standings
    yield _systems(standings, strict=report.evaluation.asked.strict)
    if report.evaluation.comparisons:
        yield _comparisons(report)
    for standing in standings:
        behind = f": {standing.system.name}" if len(standings) > 1 else ""
        if standing.categories:
            yield _categories(standing, behind)
        for path in dict.fromkeys(part.field for part in standing.slices):
            yield _slices([part for part in standing.slices if part.field == path], path, behind)
        for picks in standing.picks:
            rows = [("all", picks.overall), *picks.categories.items()]
            yield _thresholds(rows, f"Threshold for {picks.aim.words}{behind}")
        if standing.system.name in report.followed:
            yield _following(report.followed[standing.system.name], behind)


def _systems(standings: Sequence[Standing], *, strict: bool) -> Table:
    """A column a system, so that all intervals have room."""
    all_figures = [standing.figures for standing in standings]
    rows = [(words, *(ranged(getattr(one, name)) for one in all_figures)) for words, name in (*_RANKED, *_SHARES)]
    calibrations = [one.calibration for one in all_figures]
    rows.append(("calibration error", *(NONE if one is None else f"{one.error:.3f}" for one in calibrations)))
    counts = [one.counts for one in all_figures]
    rows.append(("right: unsafe, safe", *(f"{one.tp:,}, {one.tn:,}" for one in counts)))
    rows.append(("missed, false alarms", *(f"{one.fn:,}, {one.fp:,}" for one in counts)))
    errors = f"not judged{', counted as wrong' if strict else ''}"
    rows.append((errors, *(f"{one.errors:,}" for one in all_figures)))
    rows.append(("threshold", *(f"{standing.system.threshold:g}" for standing in standings)))
    systems = [standing.system for standing in standings]
    if any(system.seconds is not None for system in systems):
        rows.append(("tokens evaluated", *(NONE if one.tokens is None else f"{one.tokens:,}" for one in systems)))
        rows.append(("seconds", *(NONE if one.seconds is None else f"{one.seconds:.1f}" for one in systems)))
    reasons = dict.fromkeys(one.reason for one in all_figures if one.reason)
    note = "".join(f"No figure over thresholds: {reason}. " for reason in reasons)
    if standings[0].unknown and not standings[0].categories:
        note += f"No category of the policy for {_names(standings[0])}: --map says what it calls them."
    return Table("Overall", ("", *(system.name for system in systems)), tuple(rows), note.strip())


def _comparisons(report: Report) -> Table:
    rows = [
        (
            one.other, f"{one.items:,}", ranged(one.auprc, "+"), _p(one.auprc_p),
            f"{one.mended:,}", f"{one.broken:,}", _p(one.mcnemar_p),
        )
        for one in report.evaluation.comparisons
    ]  # fmt: skip
    note = "Paired, on the records that count for both."
    headings = ("system", "records", "AUPRC", "p", "only it is right", "only the first is", "p (McNemar)")
    return Table(f"Against {report.evaluation.comparisons[0].first}", headings, tuple(rows), note)


def _categories(standing: Standing, behind: str) -> Table:
    rows = [
        (one.label, f"{one.positives:,}", ranged(one.one_vs_all), ranged(one.one_vs_benign), _share(one.listed))
        for one in standing.categories
    ]
    means = standing.means
    if means is not None and len(rows) > 1:
        rows.append(("macro", "", ranged(means.macro_one_vs_all), ranged(means.macro_one_vs_benign), ""))
        rows.append(("micro", "", ranged(means.micro_one_vs_all), ranged(means.micro_one_vs_benign), ""))
    headings = ("category", "unsafe", "AUPRC, one vs all", "one vs benign", "listed")
    note = f"No category of the policy for {_names(standing)}." if standing.unknown else ""
    return Table(f"By category{behind}", headings, tuple(rows), note)


def _slices(parts: Sequence[Slice], path: str, behind: str) -> Table:
    gaps, errors = any(part.gap is not None for part in parts), any(part.figures.errors for part in parts)
    rows = []
    for part in parts:
        figures = part.figures
        cells = [part.value, f"{figures.items:,}", f"{part.unsafe:,}", ranged(figures.auprc), ranged(figures.f1)]
        cells += [_value(figures.recall), _value(figures.fpr)]
        rows.append((*cells, *([f"{figures.errors:,}"] if errors else []), *([ranged(part.gap, "+")] if gaps else [])))
    headings = [path, "records", "unsafe", "AUPRC", "F1", "recall", "FPR", *(["not judged"] if errors else [])]
    note = "The gap is that of AUPRC to English; AUPRC also rises with the share of the unsafe." if gaps else ""
    return Table(f"By {path}{behind}", (*headings, *(["gap"] if gaps else [])), tuple(rows), note)


def _thresholds(picks: Sequence[tuple[str, Pick]], title: str) -> Table:
    rows = []
    for name, pick in picks:
        if pick.choice is None:
            rows.append((name, NONE, *[NONE] * 4, pick.reason or ""))
            continue
        counts = pick.choice.counts
        figures = (counts.f1, counts.precision, counts.recall, counts.fpr)
        rows.append((name, repr(pick.choice.threshold), *map(_share, figures), ""))
    headings = ("", "threshold", "F1", "precision", "recall", "FPR", "")
    note = "Chosen on these records, and so a little too good for them: hold it against others."
    return Table(title, headings, tuple(rows), note)


def _following(following: Sequence[Following], behind: str) -> Table:
    rows = [
        (one.change, f"{one.items:,}", f"{one.stayed:,}", _share(one.share), f"{one.errors:,}") for one in following
    ]
    note = "Of the flagged records, those that stay unsafe under a changed policy. Only the first line should be low."
    return Table(
        f"Following the policy{behind}", ("policy", "records", "stay unsafe", "share", "not judged"), tuple(rows), note
    )


def ranged(figure: Interval | None, sign: Literal["", "+"] = "") -> str:
    """A figure with its interval; with "+" also positive ones have their sign."""
    if figure is None:
        return NONE
    value, low, high = (f"{number:{sign}.3f}" for number in (figure.value, figure.low, figure.high))
    return f"{value} ({low}, {high})"


def _share(share: float | None) -> str:
    return NONE if share is None else f"{share:.3f}"


def _value(figure: Interval | None) -> str:
    return _share(None if figure is None else figure.value)


def _p(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def _names(standing: Standing) -> str:
    names = [f"{name} ({number:,})" for name, number in standing.unknown.most_common(_SHOWN)]
    more = len(standing.unknown) - len(names)
    return ", ".join(names) + (f", and {more:,} more" if more > 0 else "")


def _escaped(text: str) -> str:
    """Text of the input in Markdown: nothing of it makes a table, a tag, a link or a mention."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_[]<>#|~:@" else letter for letter in printable(text))
    return re.sub(r"(?i)\bwww\.", r"www\\.", escaped)
