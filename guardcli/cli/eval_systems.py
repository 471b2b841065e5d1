"""The systems that `guard eval` compares: models judging now, runs that are stored, and other tools' scores."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from guardcli.cli import output
from guardcli.cli.eval_values import ScoreField
from guardcli.cli.judging import Judging
from guardcli.errors import GuardError, InputError, TaxonomyError
from guardcli.evaluation import Following, Natives, System, of_field, of_rows, unscored
from guardcli.evaluation.ablation import follow
from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, Sample
from guardcli.judging import Guard, reader
from guardcli.judging.reader import VerdictRow
from guardcli.judging.writers import jsonl
from guardcli.models import Adapter, Model
from guardcli.taxonomy import Taxonomy
from guardcli.taxonomy.files import shipped
from guardcli.text.printable import counted, printable


@dataclass(frozen=True, slots=True)
class Run:
    """How systems judge now: `judging` holds all options but the taxonomy, by model and what is put on it; each row is
    written `aside`. Of `adapters` each is a system of its own, beside the model without any."""

    models: Sequence[str]
    policies: Sequence[Taxonomy]
    shots: Sequence[int]
    adapters: Sequence[Adapter]
    judging: Callable[[str, Sequence[Adapter]], Judging]
    aside: output.Aside | None = None
    maps: Sequence[CategoryMap] = ()
    follow: bool = False  # whether it is asked if models read their policies
    seed: int = 0


def judged(items: Sequence[Sample], run: Run) -> Iterator[tuple[System, list[Following]]]:
    """Each model, bare and with each adapter, with each taxonomy, with as many examples as each number of shots says.

    Raises:
        GuardError: one of them cannot be used.
    """
    policies: list[Taxonomy | None] = [*run.policies] or [None]
    shots: list[int | None] = [*run.shots] or [None]
    for name, on in product(run.models, [(), *((adapter,) for adapter in run.adapters)]):
        judging = run.judging(name, on)
        with judging.load() as model:
            for policy, most in product(policies, shots):
                yield _system(items, run, judging, model, policy, most)


def from_runs(items: Sequence[Sample], paths: Sequence[str], policies: Sequence[Taxonomy]) -> Iterator[System]:
    """Stored runs: a file may hold several, told apart by model, template, scoring and policy. Raises InputError."""
    if not paths:  # the shipped taxonomies are read for these alone
        return
    known = [*policies, *map(Taxonomy.load, shipped())]
    for path in paths:
        runs: dict[tuple[Any, ...], list[VerdictRow]] = {}
        for row in reader.read_verdicts(path):
            runs.setdefault(_made_by(row), []).append(row)
        if not runs:
            raise InputError(f"{path}: there are no verdicts in it")
        for made, rows in runs.items():
            name = path if len(runs) == 1 else f"{_named(str(made[0]))} {made[3]}"
            yield of_rows(name, items, rows, known=_known(rows, known))


def from_fields(items: Sequence[Sample], fields: Sequence[ScoreField]) -> Iterator[System]:
    """Other tools, by the scores in the labelled records; where some have none, that is told. Raises InputError."""
    for field in fields:
        system = of_field(field.name, items, field.path, threshold=field.threshold)
        for what, number in unscored(system).items():
            output.say(
                printable(f"guard: --score-field {field.name}={field.path}: {counted(number, 'record')} without {what}")
            )
        yield system


def named_apart(systems: Sequence[System]) -> list[System]:
    """The systems with a number behind each name that occurs again."""
    counts: Counter[str] = Counter()
    found = []
    for system in systems:
        counts[system.name] += 1
        again = counts[system.name]
        found.append(replace(system, name=f"{system.name} ({again})") if again > 1 else system)
    return found


def _system(
    items: Sequence[Sample], run: Run, judging: Judging, model: Model, policy: Taxonomy | None, shots: int | None
) -> tuple[System, list[Following]]:
    with judging.open(_with_shots(policy, shots), model=model) as guard:
        taxonomy = guard.taxonomy
        name = f"{_named(model.identity)} {taxonomy.name}" + ("" if shots is None else f" {shots}-shot")
        known = CategoryIndex.from_taxonomy(taxonomy)
        natives = Natives.of(items, known, taxonomy.name, run.maps)  # what is wrong with a map is told before it judges
        start, before = time.monotonic(), guard.stats.prefill_tokens
        rows = list(_rows(guard, items, name, run.aside))
        seconds, tokens = time.monotonic() - start, guard.stats.prefill_tokens - before
    system = replace(of_rows(name, items, rows, known=known), seconds=seconds, tokens=tokens)
    if not run.follow:
        return system, []

    def judge(changed: Taxonomy, some: Sequence[Sample]) -> list[VerdictRow]:
        with judging.open(changed, model=model) as other:
            return list(_rows(other, some, f"{name}, other policies"))

    return system, follow(items, system, natives, taxonomy, judge, seed=run.seed)


def _rows(guard: Guard, items: Sequence[Sample], name: str, aside: output.Aside | None = None) -> Iterator[VerdictRow]:
    """The rows of items, with word on a terminal of how far it is."""
    told = 0.0
    for number, verdict in enumerate(guard.judge((item.record for item in items), prefetch="full"), start=1):
        if aside is not None:
            aside.write([jsonl.line(verdict)])
        yield jsonl.row(verdict)
        if output.on_terminal() and time.monotonic() - told > 0.1:
            told = time.monotonic()
            output.tell(f"{printable(name)}: {number:,} of {len(items):,}")
    if output.on_terminal():
        output.tell(None)


def _named(identity: str) -> str:
    """A model's name, and its adapters', without their digests."""
    return re.sub(r"@[0-9a-f]+", "", identity)


def _with_shots(policy: Taxonomy | None, shots: int | None) -> Taxonomy | None:
    """The policy with at most so many examples in each category."""
    if shots is None:
        return policy
    if policy is None:
        raise GuardError("--shots counts the examples in a taxonomy: name one with -t")
    if shots and not any(category.examples for category in policy.categories):
        raise TaxonomyError(policy.place.problem("no category has `examples`, and --shots asks for them"))
    categories = tuple(replace(category, examples=category.examples[:shots]) for category in policy.categories)
    return replace(policy, categories=categories)


def _made_by(row: VerdictRow) -> tuple[Any, ...]:
    policy = row["taxonomy"]
    digests = policy.get("prompt"), policy.get("decision")
    return row.get("model"), row.get("template"), row["scoring"], policy.get("name"), *digests, row["threshold"]


def _known(rows: Sequence[VerdictRow], policies: Sequence[Taxonomy]) -> CategoryIndex | None:
    """The categories of the policy that a run was made under, where that is at hand and calls them as the rows do."""
    called = {label for row in rows for name in ("category_scores", "listed_scores") for label in row[name] or ()}
    called |= {label for row in rows for label in row["categories"] or ()}
    for policy in policies:
        known = CategoryIndex.from_taxonomy(policy)
        if policy.prompt_digest == rows[0]["taxonomy"].get("prompt") and called <= set(known.labels):
            return known
    return None
