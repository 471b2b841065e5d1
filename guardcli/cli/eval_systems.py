"""The systems that `guard eval` compares: models judging now, stored runs, and other tools' scores."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from guardcli.cli import output
from guardcli.cli.eval_options import ScoreField
from guardcli.cli.guard_options import GuardOptions
from guardcli.errors import GuardError, InputError, TaxonomyError
from guardcli.evaluation import (
    AblationResult,
    NativeCategories,
    System,
    count_unscored,
    policy_ablation,
    system_from_field,
    system_from_rows,
)
from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, Sample
from guardcli.judging import Guard, reader
from guardcli.judging.verdict import Provenance, Verdict
from guardcli.judging.writers import jsonl
from guardcli.models import Adapter, Model
from guardcli.taxonomy import Taxonomy, bundled_taxonomies
from guardcli.text.escaping import escape_terminal, pluralize


@dataclass(frozen=True, slots=True)
class JudgedSystems:
    """The systems that judge now: every model, without and with each adapter, under every policy.

    `judging` makes the options of a model with its adapters. Each row is also written `aside`. `shots` limit the
    examples of a category. `ablate_policy` adds a policy ablation of each system.
    """

    models: Sequence[str]
    policies: Sequence[Taxonomy]
    shots: Sequence[int]
    adapters: Sequence[Adapter]
    make_guard_options: Callable[[str, Sequence[Adapter]], GuardOptions]
    aside: output.VerdictFile | None = None
    category_maps: Sequence[CategoryMap] = ()
    ablate_policy: bool = False
    seed: int = 0


def judge_systems(samples: Sequence[Sample], run: JudgedSystems) -> Iterator[tuple[System, list[AblationResult]]]:
    """Each model, bare and with each adapter, with each taxonomy, with as many examples as each number of shots says.

    Raises:
        GuardError: one of them cannot be used.
    """
    policies: list[Taxonomy | None] = [*run.policies] or [None]
    shots: list[int | None] = [*run.shots] or [None]
    for name, on in product(run.models, [(), *((adapter,) for adapter in run.adapters)]):
        guard_options = run.make_guard_options(name, on)
        with guard_options.load() as model:
            for policy, most in product(policies, shots):
                yield _system(samples, run, guard_options, model, policy, most)


def systems_from_runs(
    samples: Sequence[Sample], paths: Sequence[str], policies: Sequence[Taxonomy]
) -> Iterator[System]:
    """Stored runs: a file may hold several, told apart by model, template, scoring and policy. Raises InputError."""
    if not paths:  # the bundled taxonomies are read for these alone
        return
    known = [*policies, *map(Taxonomy.load, bundled_taxonomies())]
    for path in paths:
        runs: dict[tuple[Provenance, float], list[Verdict]] = {}
        for row in reader.read_verdicts(path):
            runs.setdefault(_made_by(row), []).append(row)
        if not runs:
            raise InputError(f"{path}: there are no verdicts in it")
        for made, rows in runs.items():
            by = made[0]
            name = path if len(runs) == 1 else f"{_named(by.model)} {by.taxonomy}"
            yield system_from_rows(name, samples, rows, categories=_find_categories(rows, known))


def systems_from_fields(samples: Sequence[Sample], fields: Sequence[ScoreField]) -> Iterator[System]:
    """Other tools, by the scores in the labelled records; where some have none, that is told. Raises InputError."""
    for field in fields:
        system = system_from_field(field.name, samples, field.path, threshold=field.threshold)
        for what, number in count_unscored(system).items():
            missing = f"{pluralize(number, 'record')} without {what}"
            output.echo_err(escape_terminal(f"guard: --score-field {field.name}={field.path}: {missing}"))
        yield system


def number_duplicate_names(systems: Sequence[System]) -> list[System]:
    """Number the systems whose name another one has: "a", "a (2)"."""
    counts: Counter[str] = Counter()
    numbered = []
    for system in systems:
        counts[system.name] += 1
        again = counts[system.name]
        numbered.append(replace(system, name=f"{system.name} ({again})") if again > 1 else system)
    return numbered


def _system(
    samples: Sequence[Sample],
    run: JudgedSystems,
    guard_options: GuardOptions,
    model: Model,
    policy: Taxonomy | None,
    shots: int | None,
) -> tuple[System, list[AblationResult]]:
    with guard_options.open(_with_shots(policy, shots), model=model) as guard:
        taxonomy = guard.taxonomy
        name = f"{_named(model.identity)} {taxonomy.name}" + ("" if shots is None else f" {shots}-shot")
        categories = CategoryIndex.from_taxonomy(taxonomy)
        # Before anything is judged: the map may contradict the policy.
        native_categories = NativeCategories.from_samples(samples, categories, taxonomy.name, run.category_maps)
        start, before = time.monotonic(), guard.stats.prefill_tokens
        rows = list(_rows(guard, samples, name, run.aside))
        seconds, tokens = time.monotonic() - start, guard.stats.prefill_tokens - before
    system = replace(system_from_rows(name, samples, rows, categories=categories), seconds=seconds, tokens=tokens)
    if not run.ablate_policy:
        return system, []

    def judge(changed: Taxonomy, some: Sequence[Sample]) -> list[Verdict]:
        with guard_options.open(changed, model=model) as other:
            return list(_rows(other, some, f"{name}, other policies"))

    return system, policy_ablation(samples, system, native_categories, taxonomy, judge, seed=run.seed)


def _rows(
    guard: Guard, samples: Sequence[Sample], name: str, aside: output.VerdictFile | None = None
) -> Iterator[Verdict]:
    """The rows of samples, with word on a terminal of how far it is."""
    told = 0.0
    for number, verdict in enumerate(guard.judge((sample.record for sample in samples), prefetch="full"), start=1):
        if aside is not None:
            aside.write([jsonl.line(verdict)])
        yield verdict
        if output.stderr_is_terminal() and time.monotonic() - told > 0.1:
            told = time.monotonic()
            output.show_progress(f"{escape_terminal(name)}: {number:,} of {len(samples):,}")
    if output.stderr_is_terminal():
        output.show_progress(None)


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
        raise TaxonomyError(policy.location.problem("no category has `examples`, and --shots asks for them"))
    categories = tuple(replace(category, examples=category.examples[:shots]) for category in policy.categories)
    return replace(policy, categories=categories)


def _made_by(row: Verdict) -> tuple[Provenance, float]:
    return row.provenance, row.threshold


def _find_categories(rows: Sequence[Verdict], policies: Sequence[Taxonomy]) -> CategoryIndex | None:
    """The categories of the policy that a run was made under, where that is at hand and calls them as the rows do."""
    called = {label for row in rows for labels in _labels_of(row) for label in labels or ()}
    for policy in policies:
        known = CategoryIndex.from_taxonomy(policy)
        if policy.prompt_digest == rows[0].provenance.prompt_digest and called <= set(known.labels):
            return known
    return None


def _labels_of(row: Verdict) -> tuple[Iterable[str] | None, ...]:
    return row.categories, row.listed, row.listed_scores, row.category_scores
