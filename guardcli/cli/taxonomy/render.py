"""`guard taxonomy render`: the exact prompt that a conversation becomes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardcli.cli import inputs, output
from guardcli.cli.command import GuardCommand
from guardcli.cli.exit_codes import OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.extends_root_option import extends_root_option
from guardcli.conversation import Malformed, Record, Role
from guardcli.errors import InputError, SmallModelWarning, as_options
from guardcli.formats import ReadOptions
from guardcli.prompts import TEMPLATES, Prompt, Renderer
from guardcli.prompts.turns import (
    ROLES,
    TARGETS,
    NothingToJudge,
    Target,
    Turn,
    judged,
    turns,
    why_unjudged,
    without_documents,
)
from guardcli.taxonomy import Taxonomy
from guardcli.text.escaping import escape_field, escape_terminal
from guardcli.text.segments import Segment, render_text

if TYPE_CHECKING:
    from guardcli.models import Model

_SPECIAL, _REMARK = {"fg": "cyan"}, {"fg": "magenta"}


@click.command(
    cls=GuardCommand,
    exits={
        0: "every prompt is shown",
        2: "wrong usage, or an input that cannot be used",
        3: "a message to judge has no prompt",
    },
    examples=("echo 'How do I bake bread?' | guard taxonomy render llama-guard-3 --template llama-guard-3-8b",),
)
@click.argument("taxonomy_", metavar="TAXONOMY")
@inputs.files_argument
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    metavar="NAME",
    help=f"The prompt format. Default: the model's, with -m. One of {', '.join(TEMPLATES)}.",
)
@click.option("-m", "--model", metavar="GGUF", help="Show the token ids of this model's vocabulary too.")
@click.option(
    "--category",
    metavar="ID",
    help="The category to ask about, for a prompt that asks about one. Default: all, or the first.",
)
@click.option("--target", type=click.Choice(TARGETS), default="last", show_default=True, help="The message to judge.")
@click.option("--raw", "as_raw", is_flag=True, help="Write nothing but the bytes of the prompt.")
@extends_root_option
@inputs.as_user_option
@inputs.input_format_option
def render(
    *,
    taxonomy_: str,
    files: tuple[str, ...],
    template: str | None,
    model: str | None,
    category: str | None,
    target: Target,
    as_raw: bool,
    extends_root: Path | None,
    as_user: tuple[Role, ...],
    input_format: str | None,
) -> int:
    """Show the exact prompts that conversations in FILES, or on stdin, become. Needs no model."""
    if inputs.is_input_missing(files):
        return USAGE_ERROR
    if template is None and model is None:
        raise click.UsageError("name a prompt format with --template, or a model with -m")
    policy = Taxonomy.load(taxonomy_, extends_root=extends_root)
    if category is not None:
        if category not in policy.labels:
            raise click.UsageError(f"{policy.name} has no category {category}: it has {', '.join(policy.labels)}")
        policy = policy.single_category(category)
    with ExitStack() as stack:
        loaded = stack.enter_context(_loaded(model, template)) if model is not None else None
        renderer = Renderer(TEMPLATES[template or (loaded.template if loaded else "")], policy)
        records = ReadOptions(format=input_format).read(inputs.resolve_sources(files))
        return _render(records, renderer, loaded, target, as_user, as_raw=as_raw)


def _loaded(path: str, template: str | None) -> Model:
    """A model for its vocabulary: nothing is evaluated, and llama_cpp is imported here only."""
    from guardcli.cli.cache_path import cache_path
    from guardcli.models import Model, Offload

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallModelWarning)  # it judges nothing here
        return Model.load(path, template=template, offload=Offload("off"), cache=cache_path())


def _render(
    records: Iterable[Record | Malformed],
    renderer: Renderer,
    model: Model | None,
    target: Target,
    as_user: tuple[Role, ...],
    *,
    as_raw: bool,
) -> int:
    code = OK
    for number, record in enumerate(records):
        if as_raw and number:
            raise InputError(
                "--raw shows one prompt, and the input holds more than one conversation",
                code="record/several-conversations",
            )
        prompts, unjudged = _prompts(record, renderer, target, as_user)
        for reason in unjudged:
            why = escape_terminal(as_options(str(reason)))
            output.echo_err(f"guard: {escape_terminal(record.key.location)}: {why} [{reason.code}]")
            code = UNJUDGED
        if as_raw and len(prompts) > 1:
            raise InputError(
                f"--raw shows one prompt, and --target {target} makes {len(prompts)} of this conversation",
                code="record/several-conversations",
            )
        for turn, prompt in prompts:
            if as_raw:
                output.write_bytes(render_text(prompt.segments).encode("utf-8", "backslashreplace"))
            else:
                output.write(_shown(record, turn, prompt, renderer, model))
    return code


def _prompts(
    record: Record | Malformed, renderer: Renderer, target: Target, as_user: tuple[Role, ...]
) -> tuple[list[tuple[Turn, Prompt]], list[NothingToJudge]]:
    """The prompts of a record, each with the turn that it judges, and why other turns, or all, have none."""
    if isinstance(record, Malformed):
        return [], [NothingToJudge(record.reason, code=record.code)]
    needs, speakers = renderer.needs, renderer.judges
    all_turns = turns(record.conversation, as_user, () if needs is None else (needs,))
    try:
        chosen = judged(all_turns, target, speakers)
    except NothingToJudge as reason:
        return [], [reason]
    shown = all_turns.shown
    lacking = renderer.lacks(record.conversation)
    reasons = {
        turn: why_unjudged(turn, speakers) or (without_documents(turn, [lacking]) if lacking else None)
        for turn in chosen
    }
    prompts = [
        (turn, renderer.render(shown[: shown.index(turn) + 1], record.conversation))
        for turn, reason in reasons.items()
        if reason is None
    ]
    return prompts, [reason for reason in reasons.values() if reason is not None]


def _shown(record: Record | Malformed, turn: Turn, prompt: Prompt, renderer: Renderer, model: Model | None) -> str:
    """A prompt for people: whose it is, special tokens set apart, where the part ends that others share, and what of
    the answer is evaluated with it; with a model also what it counts."""
    key, template = record.key, renderer.template
    title = _remark(f"{escape_field(key.location)} {turn.role}#{turn.number}") + "\n"
    if len(template.judges) == 1:
        title += _remark(f"{template.name} judges messages of the {ROLES[template.judges[0]]} only") + "\n"
    prefix = "".join(map(_segment, prompt.prefix))
    shared = _remark(f"the prefix ends here: it is the same for every message of the {turn.speaker}")
    rest = "".join(map(_segment, (*prompt.conversation, *prompt.suffix)))
    answer = _remark(
        f"the model's answer begins with: {prompt.answer_prefix.encode('unicode_escape').decode() or 'nothing'}"
    )
    return f"{title}{prefix}{shared}\n{rest}\n{answer}\n" + (_counted(prompt, model) if model is not None else "")


def _counted(prompt: Prompt, model: Model) -> str:
    """The token ids, up to where the verdict is read, and how many there are of each part."""
    prefix, conversation, suffix = (
        model.vocab.encode(part, follows=at > 0)
        for at, part in enumerate((prompt.prefix, prompt.conversation, prompt.suffix))
    )
    answer = list(model.vocab.encode_text(prompt.answer_prefix)) if prompt.answer_prefix else []
    ids = [*prefix, *conversation, *suffix, *answer]
    counts = (
        f"prefix {len(prefix):,}, conversation {len(conversation):,}, suffix {len(suffix):,}, answer {len(answer):,}"
    )
    return _remark(f"{len(ids):,} tokens: {counts}") + "\n" + _remark("ids: " + " ".join(map(str, ids))) + "\n"


def _remark(words: str) -> str:
    return _style(f"[{words}]", **_REMARK)


def _segment(segment: Segment) -> str:
    """Special tokens in color; a user's text such that it cannot command the terminal."""
    if segment.special:
        return _style(segment.text, **_SPECIAL)
    return "\n".join(map(escape_terminal, segment.text.split("\n"))) if segment.untrusted else segment.text


def _style(words: str, **style: str) -> str:
    return click.style(words, **style) if output.use_color() else words  # type: ignore[arg-type]
