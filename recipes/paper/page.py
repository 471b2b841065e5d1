"""The tables and the pictures of docs/paper.md, of the figures that `python -m recipes.paper` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipes.paper.adapting import SHARES
from recipes.paper.pictures import curves, intervals
from recipes.tables import format_interval, format_number, table

FIGURES = Path(__file__).parent / "figures.json"

_STARTS = {"smol": "fine-tuned from smol", "base": "fine-tuned from the base", "linear": "TF-IDF"}
_ARMS = {"whole lists": "whole lists", "dropped": "varied lists"}
_NAMES = {"fpr": "FPR", "recall": "recall"}
_LOWEST = 0.2  # that is drawn of an AUPRC


def parts(figures: Mapping[str, Any]) -> list[str]:
    """The generated parts of the page, in their order."""
    tables = (
        _policies(figures["zero-shot"]), _openai_categories(figures["zero-shot"]), _shots(figures["few-shot"]),
        _arms(figures["dropping"]), _adaptations(figures["adapting"]), _costs(figures["adapting"], figures["costs"]),
    )  # fmt: skip
    return ["".join(f"{line}\n" for line in lines) for lines in tables]


def pictures(figures: Mapping[str, Any]) -> dict[str, str]:
    """The pictures by the names of their files."""
    zero_shot, few_shot, dropping, adapting = (
        figures[name] for name in ("zero-shot", "few-shot", "dropping", "adapting")
    )
    prompted = [(f"{name}, {_rows(system)}", _ends(system["auprc"])) for name, system in zero_shot["systems"].items()]
    prompted += [
        (f"{_examples(shots)}, {_rows(system)}", _ends(system["auprc"]))
        for shots, system in few_shot["systems"].items()
    ]
    steered = [
        (f"{probe}, {_ARMS[name]}", _ends(one["probes"][probe]["share"]))
        for probe in _probes(dropping)
        for name, one in dropping["arms"].items()
        if probe in one["probes"] and one["probes"][probe]["share"] is not None
    ]
    systems = adapting["systems"]
    learned = {
        label: [(share, _ends(systems[f"{start}-{share * 100:.0f}"]["auprc"])) for share in SHARES]
        for start, label in _STARTS.items()
    }
    learned["smol, prompted"] = [(0.0, _ends(systems["smol-0-shot"]["auprc"]))]
    return {
        "paper-prompting.svg": intervals("AUPRC on OpenAI's moderation set", prompted, low=_LOWEST),
        "paper-dropping.svg": intervals("Verdicts that follow a change of the list", steered, num_colors=len(_ARMS)),
        "paper-adapting.svg": curves("AUPRC on ConvAbuse", "share of the training rows", learned, low=_LOWEST),
    }


def _policies(figures: Mapping[str, Any]) -> Iterator[str]:
    own, *others = figures["systems"].items()
    rows = [(f"`{own[0]}`, its own", *_measures(own[1]), "")]
    for (name, system), difference in zip(others, figures["differences"], strict=True):
        rows.append((f"`{name}`", *_measures(system), format_interval(difference["auprc"])))
    yield from table(("policy", *_MEASURES, "difference in AUPRC (95%)"), rows)


def _openai_categories(figures: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (f"`{name}`", str(one["unsafe"]), format_interval(one["all"]), format_interval(one["benign"]))
        for name, one in figures["categories"].items()
    ]
    yield from table(("category", "unsafe rows", "AUPRC, one vs all (95%)", "AUPRC, one vs benign (95%)"), rows)


def _shots(figures: Mapping[str, Any]) -> Iterator[str]:
    differences = [None, *figures["differences"]]
    rows = [
        (_shots_name(shots), *_measures(system), _tokens_each(system), _difference(difference))
        for (shots, system), difference in zip(figures["systems"].items(), differences, strict=True)
    ]
    yield from table(("examples", *_MEASURES, "tokens a row", "difference in AUPRC (95%)"), rows)


def _arms(figures: Mapping[str, Any]) -> Iterator[str]:
    arms = figures["arms"]
    systems = [arm["system"] for arm in arms.values()]
    rows = [("AUPRC under the whole list (95%)", "", *(format_interval(system["auprc"]) for system in systems))]
    for name, label in _NAMES.items():
        rows.append((f"{label} under the whole list", "", *(format_number(system[name]) for system in systems)))
    for probe, expected in _probes(figures).items():
        rows.append((probe, expected, *(_steered(one["probes"].get(probe)) for one in arms.values())))
    yield from table(("", "the right verdict", *(f"trained on {_ARMS[name]}" for name in arms)), rows)


def _probes(figures: Mapping[str, Any]) -> dict[str, str]:
    """The right verdicts under the changed policies, which may be tried with one adapter only."""
    return {name: probe["expected"] for arm in figures["arms"].values() for name, probe in arm["probes"].items()}


def _steered(probe: Mapping[str, Any] | None) -> str:
    return "" if probe is None else f"{probe['right']} of {probe['records']}"


def _adaptations(figures: Mapping[str, Any]) -> Iterator[str]:
    systems, differences = figures["systems"], figures["differences"]
    rows = [
        (_system_name(name), *_measures(system), _difference(differences.get(name))) for name, system in systems.items()
    ]
    yield from table(("guard", *_MEASURES, "difference in AUPRC to prompting (95%)"), rows)


def _costs(figures: Mapping[str, Any], costs: Mapping[str, Any]) -> Iterator[str]:
    """What each way takes: once, for the training, and for a thousand rows."""
    rows = []
    for name, system in figures["systems"].items():
        if system["tokens"] is None:
            continue
        trained = system["trained_tokens"]
        once = ("", "")
        if trained is not None:
            once = (f"{trained:,}", f"{trained / costs['tokens_a_second_of_training']:,.0f}")
        shots = name.split("-")[1] if name.endswith("-shot") else "0"
        tokens, seconds = system["tokens"] / system["records"], costs["seconds_a_row"][shots]
        rows.append((_system_name(name), *once, f"{1000 * tokens:,.0f}", f"{1000 * seconds:,.0f}"))
    header = ("guard", "tokens, training", "seconds, training", "tokens, 1,000 rows", "seconds, 1,000 rows")
    yield from table(header, rows)


def _ends(interval: Sequence[float | None]) -> Sequence[float]:
    """A value and the ends of its interval; where they are not known, the value alone."""
    value = interval[0] or 0.0
    return [value, *(value if end is None else end for end in interval[1:])]


_MEASURES = ("AUPRC (95%)", "F1", "FPR", "recall")


def _measures(system: Mapping[str, Any]) -> Sequence[str]:
    decided = [format_number(system[name]) for name in ("f1", "fpr", "recall")]
    return format_interval(system["auprc"]), *decided


def _difference(difference: Mapping[str, Any] | None) -> str:
    return "" if difference is None else format_interval(difference["auprc"])


def _tokens_each(system: Mapping[str, Any]) -> str:
    return f"{system['tokens'] / system['records']:,.0f}"


def _examples(shots: str) -> str:
    return "no examples" if shots == "0" else f"{shots} examples a category"


def _rows(system: Mapping[str, Any]) -> str:
    return f"{system['records']} rows"


def _shots_name(shots: str) -> str:
    return "none" if shots == "0" else f"{shots} a category"


def _system_name(name: str) -> str:
    start, number, *_ = name.split("-")
    if name.endswith("-shot"):
        return "smol, prompted" if number == "0" else f"smol, prompted with {number} examples a category"
    return f"{_STARTS[start]}, {number}%"
