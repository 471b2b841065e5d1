"""`guard tune prepare`: labeled records → training examples."""

from __future__ import annotations

from pathlib import Path
from random import Random

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.dataset_options import dataset_options
from guardcli.cli.exit_codes import OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.cli.options import PathOption
from guardcli.cli.probability import Probability
from guardcli.conversation import Role
from guardcli.errors import InputError
from guardcli.evaluation.datasets import CategoryMap, FieldSpec, LabelTarget
from guardcli.formats import ReadOptions
from guardcli.prompts import TEMPLATES
from guardcli.prompts.smol_guard import SMOL_GUARD_2
from guardcli.report.prepared_examples import format_overlaps, format_preparation
from guardcli.taxonomy import Taxonomy, load_wordings
from guardcli.text.escaping import pluralize
from guardcli.training.augmentation import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_NEGATIVES,
    AugmentConfig,
    ContaminationIndex,
    PrepareConfig,
    PrepareStats,
    TrainingExample,
    prepare_examples,
)

# Those whose answers are a verdict about a policy, which is what is trained. Of the templates that ask about one
# category, the others are for architectures that guard tune train cannot load.
_TRAINED = [
    name
    for name, template in TEMPLATES.items()
    if (template.policy == "ids and names" or template is SMOL_GUARD_2) and not template.answer.earlier
]
_DESCRIBE = 0.5  # the default of --describe with --names that have descriptions


@click.command(
    cls=GuardCommand,
    exits={
        0: "examples are written",
        2: "wrong usage, or data that overlaps with --exclude",
        3: "no record can be used",
    },
    examples=("guard tune prepare labeled.jsonl -o train.jsonl --template llama-guard-3-8b --exclude test.jsonl",),
)
@click.argument("files", nargs=-1, metavar="[LABELED]...")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The examples; - is stdout.",
)
@click.option("--template", type=click.Choice(_TRAINED), required=True, help="The prompt format of the model to train.")
@click.option(
    "-t",
    "--taxonomy",
    envvar="GUARD_TAXONOMY",
    metavar="NAME|YAML",
    help="The policy: a built-in taxonomy or a YAML file. Default: the one that the model was trained on.",
)
@extends_root_option
@dataset_options
@click.option(
    "--map",
    "map_",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help='Translate the categories of the data: {"native": "S1", "other": null}, or such an object for each data set.',
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="FILE",
    help="Records of an evaluation set, which must not be trained on. Repeatable.",
)
@click.option("--drop-overlap", is_flag=True, help="Leave out records that overlap with --exclude, instead of failing.")
@click.option(
    "--copies",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="Augmented examples of each record, in addition to the plain one.",
)
@click.option(
    "--group-size",
    type=click.IntRange(min=1),
    default=DEFAULT_GROUP_SIZE,
    show_default=True,
    metavar="N",
    help="Consecutive records that share an augmented policy. Training evaluates it once for all of them.",
)
@click.option(
    "--made-safe",
    type=Probability(),
    default=0.25,
    show_default=True,
    metavar="P",
    help="How often an augmented policy lacks a category that its records violate. Records without any left are safe.",
)
@click.option(
    "--renumber/--keep-ids",
    default=None,
    help="Renumber shuffled categories, or keep their ids. Default: renumber for Llama Guard 1 and 2 only.",
)
@click.option(
    "--names",
    "names_path",
    type=click.Path(path_type=Path),
    metavar="YAML",
    help="Other names and descriptions of categories to choose from in augmented policies: {S1: [{name: …}]}.",
)
@click.option(
    "--describe",
    type=Probability(),
    metavar="P",
    help="How often an augmented policy has descriptions. Default: 0.5 if --names has any, else as in the policy.",
)
@click.option(
    "--negatives",
    type=click.IntRange(min=0),
    default=DEFAULT_NEGATIVES,
    show_default=True,
    metavar="N",
    help="With a template that asks about one category at a time: how many of those that a record does not violate it "
    "is asked about, beside those that it does.",
)
@click.option(
    "--weight-field",
    type=PathOption(),
    metavar="FIELD",
    help="The field of a record's weight in training. Records without one have the weight 1.",
)
@click.option(
    "--pair-field",
    type=PathOption(),
    metavar="FIELD",
    help="The field that names a record's contrast pair. Both are trained on in the same step, with the same policy.",
)
@click.option(
    "--balance", is_flag=True, help="Weight the examples so that safe and unsafe ones have equal total weight."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@click.option(
    "--samples", type=click.IntRange(min=0), default=3, show_default=True, help="Number of examples to print."
)
@click.option("--with-text", is_flag=True, help="Show the conversations of these examples, too.")
@click.option(
    "--target",
    type=click.Choice(["user", "assistant"]),
    help="Whose last message is trained on. Default: the message that the label is about.",
)
@inputs.as_user_option
@inputs.read_options
def prepare(
    *,
    files: tuple[str, ...],
    path: Path,
    template: str,
    taxonomy: str | None,
    extends_root: Path | None,
    field_spec: FieldSpec,
    map_: Path | None,
    exclude: tuple[str, ...],
    drop_overlap: bool,
    copies: int,
    group_size: int,
    made_safe: float,
    renumber: bool | None,
    names_path: Path | None,
    describe: float | None,
    negatives: int,
    weight_field: str | None,
    pair_field: str | None,
    balance: bool,
    seed: int,
    samples: int,
    with_text: bool,
    target: LabelTarget | None,
    as_user: tuple[Role, ...],
    read_options: ReadOptions,
) -> int:
    """Make training examples of LABELED records (or stdin).

    \b
    guard tune prepare chats.jsonl -o train.jsonl --template llama-guard-3-8b --exclude evaluation.jsonl

    Labels and categories are found where guard eval finds them. Each record gives an example under the policy as it
    is, and --copies under one whose categories are dropped and shuffled at random, as in Llama Guard's paper. With
    smol-guard-2, each is a question about one category. What is left out is counted by reason.

    Exits with 0 if there are examples, 2 on wrong usage or where data overlap, 3 if no record could be used.
    """
    if inputs.is_input_missing(files):
        return USAGE_ERROR
    prompt_template = TEMPLATES[template]
    policy = Taxonomy.load(prompt_template.taxonomy if taxonomy is None else taxonomy, extends_root=extends_root)
    read_files = [file for file in (map_, names_path) if file is not None]
    to_stdout = output.check_output(path, [*inputs.resolve_sources(files), *exclude, *policy.files, *read_files], "-o")
    wordings = {} if names_path is None else load_wordings(names_path, policy)
    if describe is None and any(wording.description for several in wordings.values() for wording in several):
        describe = _DESCRIBE
    config = PrepareConfig(
        template=prompt_template,
        taxonomy=policy,
        category_map=CategoryMap() if map_ is None else CategoryMap.load(map_, policy.name),
        augmentation=AugmentConfig(
            made_safe=made_safe,
            renumber=prompt_template.renumbers if renumber is None else renumber,
            wordings=wordings,
            describe=describe,
            negatives=negatives,
        ),
        copies=copies,
        group_size=group_size,
        seed=seed,
        fields=field_spec,
        target=target,
        as_user=frozenset(as_user),
        weight_field=weight_field,
        pair_field=pair_field,
        balance=balance,
    )
    prompt_template.check(policy)
    excluded = ReadOptions().read(inputs.resolve_sources(exclude)) if exclude else ()
    evaluation = ContaminationIndex.from_records(excluded, as_user=config.as_user)
    stats = PrepareStats()
    examples = list(prepare_examples(read_options.read(inputs.resolve_sources(files)), config, evaluation, stats))
    if stats.overlaps:
        output.echo_err_text(f"guard: {format_overlaps(stats)}\n")
        if not drop_overlap:
            raise InputError("they must not be trained on; leave them out with --drop-overlap", code="tune/overlap")
    shown = Random(seed).sample(examples, min(samples, len(examples)))
    return _finish(None if to_stdout else path, examples, stats, shown, with_text=with_text)


def _finish(
    path: Path | None,
    examples: list[TrainingExample],
    stats: PrepareStats,
    shown: list[TrainingExample],
    *,
    with_text: bool,
) -> int:
    """Show what was made and some samples on stderr, and write the examples."""
    summary = format_preparation(stats, shown, with_text=with_text, color=False, width=output.table_width())
    output.echo_err_text(summary)
    if not examples:
        output.echo_err(f"guard: none of {pluralize(stats.num_records, 'record')} can be used: no examples written")
        return UNJUDGED
    written = "".join(f"{example.to_json()}\n" for example in examples)
    num_records = pluralize(stats.num_records, "record")
    under = f"under {pluralize(len({example.policy for example in examples}), 'policy variant')}"
    output.write_result(path, written, f"{pluralize(len(examples), 'example')} of {num_records}, {under}")
    return OK
