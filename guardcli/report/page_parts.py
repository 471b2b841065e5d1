"""The parts that all pages share: where a page comes from, category names, cases, histograms and thresholds.

They are values; `pages/parts.html` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log1p
from typing import Any

from guardcli.judging.category_names import categories_by_label
from guardcli.judging.histogram import NUM_FINE_BINS, ScoreHistogram
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.models.registry import is_small
from guardcli.taxonomy import Category, Taxonomy

MAX_TEXT = 2_000  # characters of a message on a page
_MAX_NAME = 200  # characters of a file, a category or an id on a page
_MAX_PROVENANCES = 20
_THRESHOLDS = tuple(step / 10 for step in range(1, 10))  # of the table beside the slider


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """How a page was made.

    Attributes:
        command: The command line; "" if the page was made from Python.
        date: A date for the page; None if it has none, and the same rows give the same page.
        taxonomies: Taxonomies that are not bundled, for the names of their categories.
    """

    command: str = ""
    date: str | None = None
    taxonomies: Sequence[Taxonomy] = ()


@dataclass(frozen=True, slots=True)
class CategoryNames:
    """The names of categories by the label that rows have."""

    categories: Mapping[str, Category]

    @classmethod
    def from_provenances(cls, made_by: Iterable[Provenance], context: PageContext) -> CategoryNames:
        """Find the taxonomies of rows among those of the page and the bundled ones."""
        return cls(categories_by_label(made_by, context.taxonomies))

    def short(self, label: str) -> str:
        """The label with the name, such as "S10 Hate"; a key speaks for itself."""
        category = self.categories.get(label)
        return f"{label} {category.name}" if category and category.id == label else shorten(label)

    def join(self, labels: Iterable[str] | None) -> str:
        """The labels with their names, for a cell of a table."""
        return ", ".join(map(self.short, labels or ())) or "-"

    def entry(self, label: str) -> dict[str, str]:
        """What there is to say of a category: its `label`, `name` and `meaning`, each "" if it is unknown."""
        category = self.categories.get(label)
        if category is None:
            return {"label": shorten(label), "name": "", "meaning": ""}
        return {"label": label, "name": category.name, "meaning": category.description or ""}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart: its class in the style sheet, and its height in percent on a linear and a logarithmic axis."""

    css_class: str
    linear: float
    log: float


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars side by side, with the text that is shown for them."""

    title: str
    bars: tuple[Bar, ...]


def histogram_bars(series: Sequence[tuple[str, str, ScoreHistogram]]) -> list[BarGroup]:
    """The bars of one or more histograms of scores: (class in the style sheet, what is counted, counts)."""
    histograms = [histogram.rebinned() for _, _, histogram in series]
    most = max(histogram.max_count for histogram in histograms)
    groups = []
    for bins in zip(*(histogram.bins() for histogram in histograms), strict=True):
        counts = ", ".join(f"{count:,} {what}" for (_, what, _), (_, count) in zip(series, bins, strict=True))
        bars = tuple(_bar(css_class, count, most) for (css_class, _, _), (_, count) in zip(series, bins, strict=True))
        groups.append(BarGroup(f"{bins[0][0]}: {counts}", bars))
    return groups


def share_bars(counts: Iterable[tuple[str, int, int]], css_class: str) -> list[BarGroup]:
    """Bars of (name, part, whole), as high as the share, and the highest one as high as the chart."""
    rows = [(name, part, whole, part / max(whole, 1)) for name, part, whole in counts]
    most = max((share for *_, share in rows), default=0) or 1
    return [
        BarGroup(
            f"{name}: {part:,} of {whole:,} ({share:.2%})",
            (Bar(css_class, 100 * share / most, 100 * share / most),),
        )
        for name, part, whole, share in rows
    ]


def _bar(css_class: str, count: int, most: int) -> Bar:
    return Bar(css_class, 100 * count / max(most, 1), 100 * log1p(count) / log1p(max(most, 1)))


@dataclass(frozen=True, slots=True)
class ThresholdChoices:
    """What other thresholds would flag.

    `counts` is the data of the slider: for each threshold k / NUM_FINE_BINS how many rows, or how many safe and how
    many unsafe ones, have such a score or a higher one. `headings` and `rows` are a table of a few of them, for a page
    on paper.
    """

    threshold: float
    counts: Mapping[str, Sequence[int]]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def data(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "steps": NUM_FINE_BINS, **self.counts}


def unlabeled_choices(histogram: ScoreHistogram, threshold: float) -> ThresholdChoices:
    """The thresholds for scores whose truth is unknown, from a histogram of NUM_FINE_BINS bins."""
    counts = histogram.counts_from()
    total = max(histogram.total, 1)
    rows = [(f"{at:g}", f"{counts[_step(at)]:,}", f"{counts[_step(at)] / total:.2%}") for at in _THRESHOLDS]
    return ThresholdChoices(threshold, {"all": counts}, ("threshold", "rows flagged", "share"), tuple(rows))


def labeled_choices(safe: ScoreHistogram, unsafe: ScoreHistogram, threshold: float) -> ThresholdChoices:
    """The thresholds for labeled scores, from histograms of NUM_FINE_BINS bins."""
    false_positives, true_positives = safe.counts_from(), unsafe.counts_from()
    rows = []
    for at in _THRESHOLDS:
        fp, tp = false_positives[_step(at)], true_positives[_step(at)]
        ratios = (tp, tp + fp), (tp, unsafe.total), (fp, safe.total)
        rows.append((f"{at:g}", f"{tp + fp:,}", *(f"{a / b:.3f}" if b else "-" for a, b in ratios)))
    headings = ("threshold", "flagged", "precision", "recall", "false positive rate")
    return ThresholdChoices(threshold, {"safe": false_positives, "unsafe": true_positives}, headings, tuple(rows))


def _step(threshold: float) -> int:
    return round(threshold * NUM_FINE_BINS)


def provenance_rows(made_by: Mapping[Provenance, int]) -> list[dict[str, Any]]:
    """What rows were judged with, the most frequent first, with the number of rows."""
    most = sorted(made_by.items(), key=lambda item: -item[1])[:_MAX_PROVENANCES]
    return [
        {
            "rows": number,
            "model": shorten(by.model),
            "template": shorten(by.template),
            "taxonomy": shorten(by.taxonomy),
            "prompt": shorten(by.prompt_digest),
            "decision": shorten(by.decision_digest),
            "per_category": by.scoring == "per_category",
        }
        for by, number in most
    ]


def small_models(made_by: Iterable[Provenance]) -> list[str]:
    """The models in it of which pages warn."""
    return sorted({by.model for by in made_by if is_small(by.model)})[:_MAX_PROVENANCES]


def case_rows(rows: Iterable[Verdict], names: CategoryNames, *, with_text: bool) -> Iterator[dict[str, Any]]:
    """Rows as a page shows them. Without `with_text` they have neither their message nor the record's id."""
    for row in rows:
        score = row.judged_score
        yield {
            "verdict": row.verdict,
            "score": "-" if score is None else f"{score:.4f}",
            "threshold": f"{row.threshold:g}",
            "categories": names.join(row.categories),
            "place": place(row, with_text=with_text),
            "text": excerpt(row.text) if with_text else None,
        }


def place(row: Verdict, *, with_text: bool) -> str:
    """Where a row's message is. An id may say who wrote it, so it is there only with the text."""
    shown = row if with_text else replace(row, key=replace(row.key, id=None))
    return shorten(shown.location)


def excerpt(text: str | None) -> str | None:
    """A message for a page: its beginning, and how much is left out."""
    if text is None or len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT:,} more characters)"


def format_p_value(p: float | None) -> str:
    """The p-value of a test, which is never 0; "-" for None.

    >>> format_p_value(0.01234), format_p_value(0.0), format_p_value(None)
    ('0.0123', '<1e-300', '-')
    """
    if p is None:
        return "-"
    return f"{p:.3g}" if p else "<1e-300"  # what float64 cannot hold


def shorten(name: str) -> str:
    """A name from outside, cut to what a table can show."""
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
