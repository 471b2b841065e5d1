"""`guard taxonomy render`: the exact prompt that a conversation becomes."""

from __future__ import annotations

from collections.abc import Iterator

import click

from guardcli.commands import inputs, output
from guardcli.commands.codes import DONE, UNJUDGED, USAGE
from guardcli.conversation import Malformed, Record, Role
from guardcli.errors import InputError
from guardcli.printable import field, printable
from guardcli.prompt import TEMPLATES, Prompt, Renderer
from guardcli.segments import Segment, raw
from guardcli.taxonomy import Taxonomy
from guardcli.turns import TARGETS, NothingToJudge, Target, Turn, judged, turns

_SPECIAL, _REMARK = {"fg": "cyan"}, {"fg": "magenta"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("taxonomy_", metavar="TAXONOMY")
@inputs.files
@click.option("--template", type=click.Choice(list(TEMPLATES)), required=True, help="The prompt to render.")
@click.option(
    "--target", type=click.Choice(TARGETS), default="last", show_default=True, help="Which message is judged."
)
@click.option("--raw", "as_raw", is_flag=True, help="Exactly the bytes of the vendor's rendering, and no more.")
@inputs.as_user
@inputs.input_format
@click.pass_context
def render(
    ctx: click.Context,
    /,
    *,
    taxonomy_: str,
    files: tuple[str, ...],
    template: str,
    target: Target,
    as_raw: bool,
    as_user: tuple[Role, ...],
    input_format: str | None,
) -> int:
    """Show the exact prompt that a conversation (from FILES, or stdin) becomes. No model is needed.

    \b
    echo 'How do I bake bread?' | guard taxonomy render llama-guard-3 --template llama-guard-3-8b
    """
    if inputs.waits_for_a_person(files):
        click.echo(ctx.get_help(), err=True)
        return USAGE
    renderer = Renderer(TEMPLATES[template], Taxonomy.load(taxonomy_))
    code = DONE
    for number, record in enumerate(inputs.records(inputs.sources(files), input_format=input_format)):
        if as_raw and number:
            raise InputError("--raw shows one prompt, and the input holds more than one conversation")
        try:
            prompts = list(_prompts(record, renderer, target, as_user))
        except NothingToJudge as reason:
            output.say(f"guard: {record.key.source}:{record.key.line}: {reason}")
            code = UNJUDGED
            continue
        if as_raw and len(prompts) > 1:
            raise InputError(f"--raw shows one prompt, and --target {target} makes {len(prompts)} of this conversation")
        for turn, prompt in prompts:
            output.write(raw(prompt.segments) if as_raw else _shown(record, turn, prompt))
    return code


def _prompts(
    record: Record | Malformed, renderer: Renderer, target: Target, as_user: tuple[Role, ...]
) -> Iterator[tuple[Turn, Prompt]]:
    if isinstance(record, Malformed):
        raise NothingToJudge(record.reason)
    all_turns = turns(record.conversation, as_user)
    shown = all_turns.shown
    for turn in judged(all_turns, target):
        if not turn.blank:
            yield turn, renderer.render(shown[: shown.index(turn) + 1])


def _shown(record: Record | Malformed, turn: Turn, prompt: Prompt) -> str:
    """A prompt for people: whose it is, special tokens set apart, and what of the answer is evaluated with it."""
    key = record.key
    title = _style(f"[{field(key.source or '')}:{key.line} {turn.role}#{turn.number}]\n", **_REMARK)
    answer = prompt.answer.replace("\n", "\\n") or "nothing"
    rest = _style(f"\n[the model's answer begins with: {answer}]\n", **_REMARK)
    return title + "".join(map(_segment, prompt.segments)) + rest


def _segment(segment: Segment) -> str:
    """Special tokens in colour; a user's text such that it cannot command the terminal."""
    if segment.special:
        return _style(segment.text, **_SPECIAL)
    return "\n".join(map(printable, segment.text.split("\n"))) if segment.untrusted else segment.text


def _style(words: str, **style: str) -> str:
    return click.style(words, **style) if output.in_colour() else words  # type: ignore[arg-type]
