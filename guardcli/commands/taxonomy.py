"""`guard taxonomy`: what a taxonomy makes the model read."""

from __future__ import annotations

import click

from guardcli.commands import inputs, output
from guardcli.conversation import Malformed, Record
from guardcli.errors import InputError
from guardcli.prompt import TEMPLATES, Prompt, Renderer
from guardcli.segments import Segment, raw
from guardcli.taxonomy import Taxonomy
from guardcli.turns import TARGETS, NothingToJudge, Target, judged, turns

UNJUDGED = 3

_SPECIAL, _ANSWER = {"fg": "cyan"}, {"fg": "magenta"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def taxonomy() -> None:
    """Look at what a taxonomy makes the model read."""


@taxonomy.command()
@click.argument("taxonomy_", metavar="TAXONOMY")
@inputs.files
@click.option("--template", type=click.Choice(list(TEMPLATES)), required=True, help="The prompt to render.")
@click.option(
    "--target", type=click.Choice(TARGETS), default="last", show_default=True, help="Which message is judged."
)
@click.option("--raw", "as_raw", is_flag=True, help="Exactly the bytes of the vendor's rendering, and no more.")
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
    input_format: str | None,
) -> int:
    """Show the exact prompt that a conversation (from FILES, or stdin) becomes. No model is needed.

    \b
    echo 'How do I bake bread?' | guard taxonomy render llama-guard-3 --template llama-guard-3-8b
    """
    if inputs.waits_for_a_person(files):
        click.echo(ctx.get_help())
        return 0
    renderer = Renderer(TEMPLATES[template], Taxonomy.load(taxonomy_))
    code = 0
    for number, record in enumerate(inputs.records(inputs.sources(files), input_format=input_format)):
        if as_raw and number:
            raise InputError("--raw shows one prompt, and the input holds more than one conversation")
        try:
            prompts = _prompts(record, renderer, target)
        except NothingToJudge as reason:
            output.say(f"guard: {record.key.source}:{record.key.line}: {reason}")
            code = UNJUDGED
            continue
        if as_raw and len(prompts) > 1:
            raise InputError(f"--raw shows one prompt, and --target {target} makes {len(prompts)} of this conversation")
        for prompt in prompts:
            output.write(raw(prompt.segments) if as_raw else _shown(prompt))
    return code


def _prompts(record: Record | Malformed, renderer: Renderer, target: Target) -> list[Prompt]:
    if isinstance(record, Malformed):
        raise NothingToJudge(record.reason)
    all_turns = turns(record.conversation)
    shown = all_turns.shown
    return [renderer.render(shown[: shown.index(turn) + 1]) for turn in judged(all_turns, target) if not turn.blank]


def _shown(prompt: Prompt) -> str:
    """A prompt for people: special tokens set apart, and what of the answer is evaluated with it."""
    text = "".join(_segment(segment) for segment in prompt.segments)
    answer = prompt.answer.replace("\n", "\\n") or "nothing"
    return text + _style(f"\n[the model's answer begins with: {answer}]\n", **_ANSWER)


def _segment(segment: Segment) -> str:
    return _style(segment.text, **_SPECIAL) if segment.special else segment.text


def _style(text: str, **style: str) -> str:
    return click.style(text, **style) if output.in_colour() else text  # type: ignore[arg-type]
