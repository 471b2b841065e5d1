"""The figures of the model's card, by guardcli itself on the file that users get, beside a linear model on the same
data.

`python -m starter.card --data DIR` prints them as Markdown. It trains nothing but the linear model.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guardcli import Guard, Settings, Taxonomy
from guardcli.conversation import Conversation, Json, Key, Message, Record
from guardcli.evaluation import Asked, Evaluation, Natives, Outcome, System, evaluate, follow, of_rows
from guardcli.labels import Categories, Item, Labelled, read
from guardcli.metrics import Interval
from guardcli.stored import Row as VerdictRow
from guardcli.writers import jsonl
from starter import data, texts
from starter.data import Row
from starter.teacher import Linear, words

HELD_OUT = "held-out"
GATED = ("openai_mod", "xstest", "jailbreakbench", "sst + benign", HELD_OUT)
BEYOND = ("xstest_response", "dices_350", "hatecheck")
BENIGN = 220  # held-out benign rows that stand beside SimpleSafetyTests, with those of MT-Bench


def main() -> None:
    """Read the arguments, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m starter.card", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of the labelled sets")
    parser.add_argument("-m", "--model", default="starter", metavar="GGUF")
    parser.add_argument("--own", type=int, default=9_000, help="own texts that the recipe added to the sets")
    parser.add_argument("--seed", type=int, default=0, help="of these")
    chosen = parser.parse_args()
    for line in card(chosen.data, chosen.model, own=chosen.own, seed=chosen.seed):
        print(line, flush=True)


def card(folder: Path, model: str, *, own: int, seed: int) -> Iterator[str]:
    """The lines of all tables."""
    parts = data.split(data.training(folder))
    fitted = [row for row in parts.train if row.source != data.CHOSEN_BY]
    fitted += texts.rows(own, known=data.known(folder), seed=seed, weight=0.6)
    linear = Linear.fit(fitted, words(), weighted=False)
    held_out = data.without(parts.held_out, [each.text for row in fitted for each in row.turns], near=data.NEAR)
    taxonomy = Taxonomy.load("llama-guard-3")
    with Guard(model, taxonomy, settings=Settings(target="last", scores=True)) as guard:
        found = {name: _evaluated(guard, linear, rows) for name, rows in _sets(folder, held_out).items()}
        yield from _figures(found)
        yield from _benign(dict(_benign_sets(folder, held_out)), guard)
        yield from _following(guard, found[HELD_OUT], taxonomy)


def _sets(folder: Path, held_out: Sequence[Row]) -> dict[str, list[Row]]:
    alone = ("openai_mod", "xstest", "jailbreakbench", *BEYOND)
    found = {name: data.load(folder, name) for name in alone}
    benign = [row for row in held_out if row.source.startswith("benign")][:BENIGN]
    found["sst + benign"] = data.load(folder, "sst") + data.load(folder, "benign_mt_bench") + benign
    found[HELD_OUT] = list(held_out)
    return {name: found[name] for name in (*GATED, *BEYOND)}


def _benign_sets(folder: Path, held_out: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    yield "benign_mt_bench", data.load(folder, "benign_mt_bench")
    for source in sorted({row.source for row in held_out if row.source.startswith("benign")}):
        yield source, [row for row in held_out if row.source == source]


def labelled(rows: Sequence[Row]) -> Labelled:
    """Rows as guardcli reads labelled records."""
    return read(_record(row, line) for line, row in enumerate(rows, start=1))


def _record(row: Row, line: int) -> Record:
    messages = tuple(Message("user" if turn.speaker == "User" else "assistant", turn.text) for turn in row.turns)
    codes = [f"S{hazard}" for hazard in sorted(row.hazards)]
    fields: dict[str, Json] = {"label": "unsafe" if row.unsafe else "safe", "categories": [*codes]}
    return Record(Key(row.source, line), Conversation(messages), fields)


def _judged(guard: Guard, items: Sequence[Item]) -> Iterator[VerdictRow]:
    return (jsonl.row(verdict) for verdict in guard.judge(item.record for item in items))


def _evaluated(guard: Guard, linear: Linear, rows: Sequence[Row]) -> Evaluation:
    found = labelled(rows)
    ours = of_rows("starter", found.items, _judged(guard, found.items), known=Categories.of(guard.taxonomy))
    scores = linear.scores([row.last for row in rows])
    outcomes = tuple(Outcome(float(score), bool(score >= 0.5)) for score in scores)
    return evaluate(found, [ours, System("linear", outcomes, Categories.called(()), 0.5)], Asked())


def _figures(found: Mapping[str, Evaluation]) -> Iterator[str]:
    ours = ("AUPRC of the starter (95 %)", "F1", "FPR", "recall")
    yield _row(["set", "rows, unsafe", *ours, "AUPRC of the linear model (95 %)", "F1", "FPR"])
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, evaluation in found.items():
        if name == BEYOND[0]:
            yield _means([found[gated] for gated in GATED])
        own, theirs = (standing.figures for standing in evaluation.standings)
        size = f"{own.items:,}, {evaluation.labelled.unsafe / own.items:.0%}"
        cells = [name, size, _ranged(own.auprc), _value(own.f1), _value(own.fpr), _value(own.recall)]
        yield _row([*cells, _ranged(theirs.auprc), _value(theirs.f1), _value(theirs.fpr)])
    yield ""


def _means(evaluations: Sequence[Evaluation]) -> str:
    means = []
    for at in (0, 1):
        figures = [evaluation.standings[at].figures.auprc for evaluation in evaluations]
        means.append(sum(figure.value for figure in figures if figure is not None) / len(figures))
    return _row(["mean", "", f"**{means[0]:.3f}**", "", "", "", f"**{means[1]:.3f}**", "", ""])


def _benign(sets: Mapping[str, list[Row]], guard: Guard) -> Iterator[str]:
    yield "| benign set | rows | flagged |"
    yield "|---|--:|--:|"
    total, flagged = 0, 0
    for name, rows in sets.items():
        wrong = sum(bool(outcome["verdict"] != "safe") for outcome in _judged(guard, labelled(rows).items))
        total, flagged = total + len(rows), flagged + wrong
        yield _row([name, f"{len(rows):,}", f"{wrong / max(len(rows), 1):.3f}"])
    yield _row(["all", f"{total:,}", f"**{flagged / max(total, 1):.3f}**"])
    yield ""


def _following(guard: Guard, evaluation: Evaluation, taxonomy: Taxonomy) -> Iterator[str]:
    items, system = evaluation.labelled.items, evaluation.standings[0].system

    def judge(changed: Taxonomy, some: Sequence[Item]) -> list[VerdictRow]:
        with Guard(guard.model, changed, settings=replace(guard.settings, scores=False)) as other:
            return list(_judged(other, some))

    yield "| list of categories | detected items | stay unsafe |"
    yield "|---|--:|--:|"
    for one in follow(items, system, Natives.of(items, system.categories, system.policy, ()), taxonomy, judge):
        yield _row([one.change, f"{one.items:,}", "-" if one.share is None else f"{one.share:.3f}"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ranged(figure: Interval | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f} ({figure.low:.3f}, {figure.high:.3f})"


def _value(figure: Interval | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f}"


if __name__ == "__main__":
    main()
