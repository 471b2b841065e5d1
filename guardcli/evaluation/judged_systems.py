"""The systems of an evaluation: models that judge now, and stored runs."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from guardcli.engine import EngineConfig
from guardcli.errors import GuardError, InputError, TaxonomyError
from guardcli.evaluation.categories import NativeCategories
from guardcli.evaluation.datasets import CategoryIndex, CategoryMap, Sample
from guardcli.evaluation.steerability import InapplicableProbe, Steerability, plan_probes, probed_samples, run_probes
from guardcli.evaluation.systems import Prediction, System, system_from_rows
from guardcli.judging import Guard, JudgeConfig, Verdict
from guardcli.judging.reader import read_verdicts
from guardcli.judging.redecision import labels_in_row
from guardcli.judging.verdict import Provenance
from guardcli.models import BUNDLED_MODELS, Model, ModelConfig
from guardcli.taxonomy import Taxonomy, bundled_taxonomies

OnVerdict = Callable[[Verdict], None]
OnProgress = Callable[[str, int, int], None]  # receives what is judged, how many rows it has, and of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSystems:
    """Which systems judge now: every model under every policy, with as many examples as each number of shots says.

    Args:
        policies: none: the one that each model was trained on.
        shots: the most examples of a category that a prompt has; none: all.
        config: must have `scores`, or metrics by category are undefined.
        steerability: measure the steerability of each system; `seed` is for what it draws.
        cache: a file that remembers digests and tolerances of models.
    """

    models: Sequence[ModelConfig]
    policies: Sequence[Taxonomy] = ()
    shots: Sequence[int] = ()
    config: JudgeConfig = field(default_factory=lambda: JudgeConfig(target="last", scores=True))
    engine: EngineConfig = field(default_factory=EngineConfig)
    category_maps: Sequence[CategoryMap] = ()
    steerability: bool = False
    seed: int = 0
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class JudgedSystem:
    """A system that judged, and its steerability, if that was asked for."""

    system: System
    steerability: Steerability | None = None


def system_from_guard(
    name: str,
    samples: Sequence[Sample],
    guard: Guard,
    *,
    on_verdict: OnVerdict | None = None,
    on_progress: OnProgress | None = None,
) -> System:
    """Judge samples with a guard, whose config has `scores`. Raises GuardError, as `Guard.judge` does."""
    start, before = time.monotonic(), guard.stats.prefill_tokens
    rows = []
    for row in _judge(name, samples, guard, on_progress):
        if on_verdict is not None:
            on_verdict(row)
        rows.append(row)
    system = system_from_rows(name, samples, rows, categories=CategoryIndex.from_taxonomy(guard.taxonomy))
    return replace(system, seconds=time.monotonic() - start, tokens=guard.stats.prefill_tokens - before)


def judge_systems(
    samples: Sequence[Sample],
    systems: JudgedSystems,
    *,
    load: Callable[[ModelConfig], Model] | None = None,
    on_verdict: OnVerdict | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[JudgedSystem]:
    """Judge samples with each system, one after the other.

    `load` loads a model; `on_verdict` is called with each row, but for those under probe policies.

    Raises:
        GuardError: one of them cannot be used.
    """
    for model_config in systems.models:
        with load(model_config) if load else model_config.load(cache=systems.cache) as model:
            for policy in systems.policies or (None,):
                for shots in systems.shots or (None,):
                    yield _judge_system(
                        samples, systems, model, with_shots(policy, shots), shots, on_verdict, on_progress
                    )


def systems_from_runs(
    samples: Sequence[Sample], paths: Sequence[str], policies: Sequence[Taxonomy] = ()
) -> Iterator[System]:
    """Stored runs as systems. A file may have several, distinguished by model, template, scoring and policy.

    The categories of a run are those of its policy, if that is one of `policies` or bundled.

    Raises:
        InputError: a file cannot be read, or its rows are of other data.
    """
    if not paths:  # the bundled taxonomies are read for these alone
        return
    known = [*policies, *map(Taxonomy.load, bundled_taxonomies())]
    for path in paths:
        runs: dict[tuple[Provenance, float, float | None], list[Verdict]] = {}
        for row in read_verdicts(path):
            runs.setdefault((row.provenance, row.threshold, row.temperature), []).append(row)
        if not runs:
            raise InputError(f"{path}: there are no verdicts in it", code="eval/nothing-to-evaluate")
        for (by, *_), rows in runs.items():
            name = path if len(runs) == 1 else f"{_short_name(by.model)} {by.taxonomy}"
            yield system_from_rows(name, samples, rows, categories=_find_categories(rows, known))


def number_duplicate_names(systems: Sequence[System]) -> list[System]:
    """Number the systems whose name another one has: "a", "a (2)"."""
    counts: Counter[str] = Counter()
    numbered = []
    for system in systems:
        counts[system.name] += 1
        again = counts[system.name]
        numbered.append(replace(system, name=f"{system.name} ({again})") if again > 1 else system)
    return numbered


def _judge_system(
    samples: Sequence[Sample],
    systems: JudgedSystems,
    model: Model,
    policy: Taxonomy | None,
    shots: int | None,
    on_verdict: OnVerdict | None,
    on_progress: OnProgress | None,
) -> JudgedSystem:
    def open_guard(taxonomy: Taxonomy | None, *, warn: bool = True) -> Guard:
        return Guard(model, taxonomy, config=systems.config, engine=systems.engine, cache=systems.cache, warn=warn)

    with open_guard(policy) as guard:
        taxonomy = guard.taxonomy
        name = f"{_short_name(model.identity)} {taxonomy.name}" + ("" if shots is None else f" {shots}-shot")
        categories = CategoryIndex.from_taxonomy(taxonomy)
        # Before anything is judged: the map may contradict the policy.
        native_categories = NativeCategories.from_samples(samples, categories, taxonomy.name, systems.category_maps)
        system = system_from_guard(name, samples, guard, on_verdict=on_verdict, on_progress=on_progress)
        prompts = guard.policy_prompts
    if not systems.steerability:
        return JudgedSystem(system)
    records, left_out = probed_samples(samples, system, native_categories)
    plan = plan_probes(records, taxonomy, left_out=left_out, seed=systems.seed)
    progress = _Progress(f"{name}, probe policies", plan.num_prompts, on_progress)

    def judge(probe_policy: Taxonomy, some: Sequence[Sample]) -> tuple[Prediction, ...]:
        try:
            probe_guard = open_guard(probe_policy, warn=False)
        except TaxonomyError as error:
            raise InapplicableProbe(str(error)) from error
        with probe_guard:
            if probe_guard.policy_prompts == prompts:
                raise InapplicableProbe("the model reads nothing of the change")
            rows = list(_judge(name, some, probe_guard, progress.advance))
        return system_from_rows(name, some, rows, categories=categories).predictions

    return JudgedSystem(system, run_probes(plan, judge))


class _Progress:
    """Counts rows over several calls of `_judge`."""

    def __init__(self, name: str, total: int, on_progress: OnProgress | None) -> None:
        self._name, self._total, self._on_progress = name, total, on_progress
        self._done = 0

    def advance(self, *_: object) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._name, self._done, self._total)


def _judge(name: str, samples: Sequence[Sample], guard: Guard, on_progress: OnProgress | None) -> Iterator[Verdict]:
    for number, verdict in enumerate(guard.judge((sample.record for sample in samples), prefetch="full"), start=1):
        yield verdict
        if on_progress is not None:
            on_progress(name, number, len(samples))


def _short_name(identity: str) -> str:
    """A model's name, and its adapters', without their digests; a bundled model's own name."""
    name = re.sub(r"@[0-9a-f]+", "", identity)
    for bundled in BUNDLED_MODELS.values():
        name = name.replace(bundled.identity_name, bundled.name)
    return name


def with_shots(policy: Taxonomy | None, shots: int | None) -> Taxonomy | None:
    """The policy with at most `shots` examples in each category."""
    if shots is None:
        return policy
    if policy is None:
        raise GuardError(
            "JudgedSystems.shots counts the examples in a taxonomy: name one with JudgedSystems.policies",
            code="option/invalid",
        )
    if shots and not any(category.examples for category in policy.categories):
        raise TaxonomyError(
            policy.location.problem(
                "no category has `examples`, and JudgedSystems.shots asks for them", code="taxonomy/missing-key"
            )
        )
    categories = tuple(replace(category, examples=category.examples[:shots]) for category in policy.categories)
    return replace(policy, categories=categories)


def _find_categories(rows: Sequence[Verdict], policies: Sequence[Taxonomy]) -> CategoryIndex | None:
    """The categories of the policy that a run was made under, where that is at hand and calls them as the rows do."""
    called = {label for row in rows for label in labels_in_row(row)}
    for policy in policies:
        known = CategoryIndex.from_taxonomy(policy)
        if policy.prompt_digest == rows[0].provenance.prompt_digest and called <= set(known.labels):
            return known
    return None
