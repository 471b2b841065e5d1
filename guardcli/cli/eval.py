"""`guard eval`: evaluate models, policies, stored runs and other tools on labeled data."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from guardcli.cli import inputs, output
from guardcli.cli.cache_path import cache_path
from guardcli.cli.command import GuardCommand
from guardcli.cli.dataset_options import dataset_options
from guardcli.cli.eval_options import MapOption, ScoreField, ScoreFieldOption, ThresholdObjectiveOption
from guardcli.cli.exit_codes import FINDINGS, OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.gates import Gates, gate_options
from guardcli.cli.guard_options import NO_MODEL, GuardOptions, engine_options, guard_files
from guardcli.cli.options import PathOption
from guardcli.cli.page_options import check_page_output, date_option, page_context
from guardcli.cli.progress_line import ProgressLine
from guardcli.errors import GuardError, InputError, ModelError
from guardcli.evaluation import (
    EvalConfig,
    System,
    count_unscored,
    evaluate,
    fit_calibration,
    group_by_field,
    system_from_field,
)
from guardcli.evaluation.datasets import CategoryMap, FieldSpec, LabeledDataset, Sample, read_dataset
from guardcli.evaluation.judged_systems import (
    JudgedSystem,
    JudgedSystems,
    judge_systems,
    number_duplicate_names,
    systems_from_runs,
)
from guardcli.evaluation.metrics import ThresholdObjective
from guardcli.formats import ReadOptions
from guardcli.judging import Calibration
from guardcli.judging.writers import jsonl
from guardcli.models import Adapter, Model, ModelConfig, is_guard
from guardcli.models.interruption import default_sigint
from guardcli.prompts.turns import Target
from guardcli.report import evaluation_report
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_terminal, pluralize

_ONE_SYSTEM = "--fit-calibration is for one system: name one model with one policy and at most one adapter, or one run"


@click.command(
    "eval",
    cls=GuardCommand,
    exits={
        0: "the evaluation is finished, and every limit is met",
        1: "a limit such as --min-f1 is missed",
        2: "wrong usage, or an input, a model or a policy that cannot be used, or no record has the label for a limit",
        3: "something could not be judged, more than --max-errors allows",
    },
    examples=(
        "guard eval -m smol labeled.jsonl",
        "guard eval -m smol labeled.jsonl --format html -o evaluation.html",
        "guard eval -m smol labeled.jsonl -t llama-guard-3 -t policy.yaml --choose-threshold fpr=5%",
        "guard eval -m smol labeled.jsonl --fit-calibration calibration.json --choose-threshold fpr=5%",
        "guard eval labeled.jsonl --verdicts judged.jsonl --slice-by lang --min-f1 0.3",
    ),
)
@click.argument("files", nargs=-1, metavar="[LABELED]...")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="GGUF",
    help="A model to judge with. Repeatable. [env: GUARD_MODEL]",
)
@click.option(
    "-t",
    "--taxonomy",
    "taxonomies",
    multiple=True,
    metavar="NAME|YAML",
    help="The policy: a built-in taxonomy or a YAML file. Default: the one that the model was trained on. Repeatable. "
    "[env: GUARD_TAXONOMY]",
)
@extends_root_option
@click.option(
    "--shots",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Put at most N examples of each category into the prompt; 0 is zero-shot. Repeatable.",
)
@click.option(
    "--verdicts",
    "runs",
    multiple=True,
    metavar="FILE",
    help="Evaluate stored verdicts on the same records (guard check --format json) without a model. Repeatable.",
)
@click.option(
    "--score-field",
    "fields",
    type=ScoreFieldOption(),
    multiple=True,
    metavar="NAME=PATH[@P]",
    help="Evaluate another tool by its score in the records, such as openai=moderation.scores@0.7. Repeatable.",
)
@dataset_options
@click.option(
    "--map",
    "maps",
    type=MapOption(),
    multiple=True,
    metavar="[TAXONOMY=]JSON",
    help='Translate the categories of the data: {"native": "S1", "other": null}, or such an object for each data set. '
    "Repeatable.",
)
@click.option(
    "--target",
    type=click.Choice(["any", "last", "user", "assistant"]),
    help="The messages to judge. Default: the message that the label is about.",
)
@click.option(
    "--slice-by",
    type=PathOption(),
    multiple=True,
    metavar="FIELD",
    help="Show the metrics for each value of a field, such as lang. Repeatable.",
)
@click.option(
    "--choose-threshold",
    "objectives",
    type=ThresholdObjectiveOption(),
    multiple=True,
    metavar="OBJECTIVE",
    help="Choose the threshold that optimizes this: f1, fpr=0.05, precision=0.9, recall=95%. Repeatable.",
)
@click.option(
    "--fit-calibration",
    "fit_to",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Fit a calibration for one system, with --choose-threshold a threshold too, and write it for --calibration.",
)
@click.option(
    "--steerability",
    is_flag=True,
    help="Measure whether verdicts follow the policy: judge again what was judged rightly, under up to nine changed "
    "policies.",
)
@click.option("--strict", is_flag=True, help="Count records that could not be judged as wrong.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="Write text for a terminal, JSON, Markdown, or an HTML page.",
)
@click.option(
    "-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE instead of stdout."
)
@click.option("--with-text", is_flag=True, help="Include messages in the HTML page.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    hidden=True,
)
@click.option("--no-text", is_flag=True, hidden=True, expose_value=False)
@click.option(
    "--save-verdicts",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the verdict rows to FILE, which --verdicts reads.",
)
@date_option
@click.option(
    "--resamples",
    type=click.IntRange(100, 1_000_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Bootstrap resamples for the confidence intervals.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Random seed.")
@gate_options
@inputs.read_options
@inputs.as_user_option
@engine_options
def eval_(
    *,
    files: tuple[str, ...],
    models: tuple[str, ...],
    taxonomies: tuple[str, ...],
    extends_root: Path | None,
    shots: tuple[int, ...],
    runs: tuple[str, ...],
    fields: tuple[ScoreField, ...],
    field_spec: FieldSpec,
    maps: tuple[CategoryMap, ...],
    target: Target | None,
    slice_by: tuple[str, ...],
    objectives: tuple[ThresholdObjective, ...],
    fit_to: Path | None,
    steerability: bool,
    strict: bool,
    output_format: str,
    html: Path | None,
    path: Path | None,
    with_text: bool,
    date: str | None,
    save_verdicts: Path | None,
    resamples: int,
    seed: int,
    gates: Gates,
    lora: tuple[Adapter, ...],
    read_options: ReadOptions,
    **options: Any,
) -> int:
    """Evaluate verdicts against the labels of LABELED records: AUPRC, F1 and more, overall and by category.

    Labels are found in `label`, `unsafe`, `toxicity` and others, and in the fields of public data sets. Repeat -m, -t,
    --lora, --shots, --verdicts or --score-field to compare systems: each is compared with the first by a paired
    significance test. With --lora, the model without the adapter is the first, if it is a guard by itself.
    """
    if inputs.is_input_missing(files):
        return USAGE_ERROR
    if output_format == "html":
        check_page_output(path)
    sources = inputs.resolve_sources(files)
    names = taxonomies or _named_by("GUARD_TAXONOMY")
    policies = [Taxonomy.load(name, extends_root=extends_root) for name in names]
    calibration_file: Path | None = options["calibration"]
    _check_calibration_options(
        calibration_file, fit_to, objectives, from_elsewhere=bool(runs or fields), num_adapters=len(lora)
    )
    outputs = {"--html": html, "--save-verdicts": save_verdicts, "--fit-calibration": fit_to}
    if path is not None or any(outputs.values()):
        judged_by = guard_files(models or _named_by("GUARD_MODEL"), lora, policies)
        reads: list[str | Path] = [*sources, *runs, *(one.path for one in maps), *judged_by]
        reads += [calibration_file] if calibration_file else []
        path = output.resolve_output(path, reads, "-o")
        output.check_output_files({"-o": path, **outputs}, reads)
    label_target = target if target in ("user", "assistant") else None
    dataset = read_dataset(
        read_options.read(sources), field_spec, label_target=label_target, truncate=target not in ("any", "last")
    )
    _check(dataset, sources, slice_by, gates)
    if not (runs or fields):  # with these, the model of the environment is not asked for
        models = models or _named_by("GUARD_MODEL")
    if steerability and not models:
        raise click.UsageError("--steerability needs a model: name one with -m")
    if steerability and calibration_file is not None:
        raise click.UsageError(
            "--steerability changes the policy, and a calibration is for one policy: leave --calibration out"
        )
    if not (models or runs or fields):
        raise ModelError(*NO_MODEL, code="model/not-named")
    if save_verdicts is not None and not models:
        raise click.UsageError("--save-verdicts writes the rows that a model judges: name one with -m")
    options_by_model = [
        GuardOptions(**options, model=model, lora=adapters, target=target or "last", scores=True)
        for model in models or (None,)
        for adapters in _adapter_sets(model, lora, options["template"])
    ]
    compared = bool(models and lora) and len(options_by_model) > len(lora)  # a model with and without the adapter
    if fit_to is not None:
        _check_one_system(len(options_by_model) * bool(models), len(policies), len(shots), len(runs), compared=compared)
    first = options_by_model[0]
    judged = JudgedSystems(
        models=[one.model_config() for one in options_by_model] if models else [],
        policies=policies,
        shots=shots,
        config=first.judge_config(),
        engine=first.engine_config(),
        category_maps=maps,
        steerability=steerability,
        seed=seed,
        cache=cache_path(),
    )
    # Before a model judges, so that their errors come early.
    others = [*systems_from_runs(dataset.samples, runs, policies), *_systems_from_fields(dataset.samples, fields)]
    judged_systems = [*_judge(dataset.samples, judged, save_verdicts), *map(JudgedSystem, others)]
    _check_maps(maps, [one.system for one in judged_systems])
    systems = number_duplicate_names([one.system for one in judged_systems])
    measured = {
        system.name: one.steerability
        for system, one in zip(systems, judged_systems, strict=True)
        if one.steerability is not None
    }
    config = EvalConfig(
        category_maps=maps,
        slice_by=slice_by,
        objectives=objectives,
        threshold=options["threshold"],
        strict=strict,
        num_resamples=resamples,
        seed=seed,
    )
    calibration: Calibration | None = None
    not_fitted: GuardError | None = None
    if fit_to is not None:
        try:
            calibration = _fit_calibration(dataset.samples, systems, objectives, adapted=compared)
        except GuardError as error:  # raised when the report is written: judging took its time
            not_fitted = error
    results = evaluate(dataset, systems, config)
    evaluation = evaluation_report.EvaluationReport(
        results,
        measured,
        ", ".join(sources),
        gates=[gate for result in results.results for gate in gates.check(result)],
        calibration=calibration,
    )
    page = ""
    if html is not None or output_format == "html":
        page = evaluation_report.as_page(evaluation, with_text=with_text, context=page_context(date, policies))
    if html is not None:
        output.write_result(html, page)
    if output_format == "html":
        text = page
    else:
        text = _format(evaluation, output_format, color=path is None and output.use_color())
    output.write_result(path, text)
    if not_fitted is not None:
        raise not_fitted
    if fit_to is not None and calibration is not None:
        output.write_result(fit_to, calibration.to_json())
    return _code(evaluation, gates)


def _check_calibration_options(
    calibration: Path | None,
    fit_to: Path | None,
    objectives: Sequence[ThresholdObjective],
    *,
    from_elsewhere: bool,
    num_adapters: int,
) -> None:
    """Raise UsageError: options about calibrations that contradict each other."""
    if calibration is not None and from_elsewhere:
        raise click.UsageError(
            "--calibration is for what is judged now; calibrate stored rows with guard decide --calibration"
        )
    if calibration is not None and fit_to is not None:
        raise click.UsageError("--fit-calibration is fitted on raw scores: leave --calibration out")
    if fit_to is not None and num_adapters > 1:
        raise click.UsageError(_ONE_SYSTEM)
    if fit_to is not None and len(objectives) > 1:
        raise click.UsageError("--fit-calibration stores one threshold: give --choose-threshold once")


def _adapter_sets(model: str | None, lora: Sequence[Adapter], template: str | None) -> list[tuple[()] | tuple[Adapter]]:
    """The adapters of each system of a model: none, unless the model is no guard without one; then each."""
    is_compared = model is None or not lora or template is not None or is_guard(model)
    return [*([()] if is_compared else []), *((adapter,) for adapter in lora)]


def _check_one_system(models: int, policies: int, shots: int, runs: int, *, compared: bool) -> None:
    """Raise UsageError: it is not clear which system to calibrate.

    `models` counts a model twice if it is `compared`, with and without its adapter.
    """
    if models * max(1, policies) * max(1, shots) + runs != 1 + compared:
        raise click.UsageError(_ONE_SYSTEM)


def _fit_calibration(
    samples: Sequence[Sample], systems: Sequence[System], objectives: Sequence[ThresholdObjective], *, adapted: bool
) -> Calibration:
    """Fit a calibration of the one system with rows, or of the one with the adapter. Raises GuardError."""
    candidates = [one for one in systems if any(prediction.verdicts for prediction in one.predictions)]
    if len(candidates) != 1 + adapted:
        names = ", ".join(one.name for one in candidates)
        raise InputError(f"--fit-calibration is for one system, and there are {names}", code="calibration/not-fitted")
    return fit_calibration(samples, candidates[-1], objective=objectives[0] if objectives else None)


def _named_by(variable: str) -> tuple[str, ...]:
    """Return the value of an environment variable, if any. click would split it at blanks."""
    return tuple(filter(None, [os.environ.get(variable)]))


def _judge(samples: Sequence[Sample], systems: JudgedSystems, verdicts: Path | None) -> list[JudgedSystem]:
    """Judge with every system, show the progress on a terminal, and write the rows to the file of --save-verdicts."""
    state = ""

    def load(config: ModelConfig) -> Model:
        with default_sigint():
            return config.load(cache=systems.cache)

    def update(name: str, done: int, total: int) -> None:
        nonlocal state
        state = f"{escape_terminal(name)}: {done:,} of {total:,}"

    with ExitStack() as stack:
        file = None if verdicts is None else stack.enter_context(output.VerdictFile(verdicts, inputs=()))
        write = None if file is None else lambda verdict: file.write([jsonl.line(verdict)])
        stack.enter_context(ProgressLine(lambda: state, quiet=not output.stderr_is_terminal()))
        return list(judge_systems(samples, systems, load=load, on_verdict=write, on_progress=update))


def _systems_from_fields(samples: Sequence[Sample], fields: Sequence[ScoreField]) -> Iterator[System]:
    """Yield other tools by the scores in the labeled records; report where some have none. Raises InputError."""
    for field in fields:
        system = system_from_field(field.name, samples, field.path, threshold=field.threshold)
        for what, number in count_unscored(system).items():
            missing = f"{pluralize(number, 'record')} without {what}"
            output.echo_err(escape_terminal(f"guard: --score-field {field.name}={field.path}: {missing}"))
        yield system


def _check_maps(maps: Sequence[CategoryMap], systems: Sequence[System]) -> None:
    """Raise InputError: a map is for a policy by which nothing was judged."""
    policies = sorted({system.taxonomy_name for system in systems if system.taxonomy_name})
    for one in maps:
        if one.policy is not None and one.policy not in policies:
            raise InputError(
                f"--map {one.policy}=…: the policies are {', '.join(policies) or 'unknown'}", code="option/invalid"
            )


def _check(dataset: LabeledDataset, sources: Sequence[str], by: Sequence[str], gates: Gates) -> None:
    if not dataset.samples:
        left_out = dataset.left_out + Counter({"unreadable": len(dataset.unreadable)})
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in left_out.items()) or "no records"
        raise InputError(
            f"{', '.join(sources)}: nothing to evaluate ({reasons}); --label-field says where the label is, and which "
            "values mean unsafe",
            code="eval/nothing-to-evaluate",
        )
    for problem in gates.find_unmeasurable(sample.unsafe for sample in dataset.samples):
        raise InputError(f"{', '.join(sources)}: {problem}", code="eval/one-class")
    for path in by:
        group_by_field(dataset.samples, path)


def _format(evaluation: evaluation_report.EvaluationReport, output_format: str, *, color: bool) -> str:
    if output_format == "json":
        return evaluation_report.as_json(evaluation)
    if output_format == "markdown":
        return evaluation_report.as_markdown(evaluation)
    return evaluation_report.as_text(evaluation, color=color, width=output.table_width())


def _code(evaluation: evaluation_report.EvaluationReport, gates: Gates) -> int:
    results = evaluation.evaluation.results
    empty = [
        f"{one.system.name}: {why} with a verdict"
        for one in results
        for why in gates.find_unmeasurable(one.scored.labels)
    ]
    missed = [gate.describe_miss() for gate in evaluation.gates if not gate.passed]
    for line in empty:
        output.echo_error(InputError(line, code="eval/one-class"))
    for line in missed if not empty else ():
        output.echo_err(f"guard: {escape_terminal(line)}")
    unreadable = len(evaluation.evaluation.dataset.unreadable)
    if any(gates.exceeds_max_errors(result, unreadable) for result in results):
        return UNJUDGED
    if empty:
        return USAGE_ERROR
    return FINDINGS if missed else OK
