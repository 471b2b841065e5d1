"""`guard taxonomy render` from outside: it is how a prompt's exactness is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from guardcli import Guard
from guardcli.models import Model
from guardcli.prompts import TEMPLATES
from tests.cli.running import guard
from tests.fake import FakeEngine, spell, words
from tests.prompts.test_prompt import Case, cases


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case.id in ("four_turn", "user_only") and "category" not in case.content],
    ids=str,
)
def test_raw_is_the_vendors_rendering_to_the_byte(case: Case) -> None:
    taxonomy = TEMPLATES[case.template].taxonomy
    stdin = json.dumps({"messages": case.content["messages"]}, indent=2)
    done = guard("taxonomy", "render", taxonomy, "--template", case.template, "--raw", stdin=stdin)
    assert done.stdout == case.content.get("prompt_canonical", case.content["prompt"])
    assert (done.returncode, done.stderr) == (0, "")


def test_shown_for_people() -> None:
    done = guard("taxonomy", "render", "llama-guard-3", "--template", "llama-guard-3-8b", stdin="hi\n")
    assert done.stdout.startswith("[-:1 user#1]\n<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nTask: ")
    assert done.stdout.endswith("<|end_header_id|>\n[the model's answer begins with: \\n\\n]\n")


def test_a_family_that_judges_one_speaker_says_so() -> None:
    render = ["taxonomy", "render", "dynaguard", "--template", "dynaguard"]
    done = guard(*render, "--target", "each", stdin='{"prompt": "a", "response": "b"}\n')
    assert done.stdout.startswith(
        "[-:1 assistant#2]\n[dynaguard judges messages of the assistant only]\n<|im_start|>system\n"
    )
    assert done.stdout.endswith("</think>\n\n\n[the model's answer begins with: <answer>\\n]\n")
    assert done.stderr == (
        "guard: -:1: message 1 (user) is not judged: this model judges only messages of the assistant "
        "[record/speaker-not-judged]\n"
    )
    assert done.returncode == 3
    done = guard(*render, stdin="a\n")
    assert (done.stdout, done.returncode) == ("", 3)


def test_hostile_text_cannot_command_the_terminal() -> None:
    done = guard("taxonomy", "render", "llama-guard-3", "--template", "llama-guard-3-8b", stdin="hi \x1b[2J\n")
    assert "User: hi \\x1b[2J\n" in done.stdout


def test_as_user() -> None:
    stdin = '{"messages":[{"role":"tool","content":"42"}]}\n'
    render = ["taxonomy", "render", "llama-guard-3", "--template", "llama-guard-3-8b"]
    assert "User: 42" in guard(*render, "--as-user", "tool", stdin=stdin).stdout
    assert guard(*render, stdin=stdin).returncode == 3


PAIR = '{"prompt": "a", "response": "b"}\n'


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["--raw"], "a\nb\n", 2, "[record/several-conversations]\n"),
        (["--raw", "--target", "any"], PAIR, 2, "[record/several-conversations]\n"),
        ([], '{"messages":[]}\n', 3, "[record/empty-conversation]\n"),
    ],
)
def test_errors(arguments: list[str], stdin: str, code: int, message: str) -> None:
    done = guard("taxonomy", "render", "llama-guard-3", "--template", "llama-guard-3-8b", *arguments, stdin=stdin)
    assert message in done.stderr
    assert done.returncode == code


def test_the_end_of_the_head_is_shown() -> None:
    done = guard("taxonomy", "render", "llama-guard-3", "--template", "llama-guard-3-8b", stdin="hi\n")
    before, _, after = done.stdout.partition("[the prefix ends here: it is the same for every message of the User]\n")
    assert before.endswith("<BEGIN CONVERSATION>\n\n")
    assert after.startswith("User: hi\n\n<END CONVERSATION>")


def test_token_ids_are_those_that_are_evaluated(guard_path: Path, model: Model) -> None:
    done = guard(
        "taxonomy", "render", "llama-guard-3", "-m", guard_path, "--template", "llama-guard-3-8b", stdin="hi\n"
    )
    counts, ids = done.stdout.splitlines()[-2:]
    engine = FakeEngine(words())
    with Guard(model, "llama-guard-3", engine=engine) as judging:
        list(judging.check(["hi"]))
    (prompt,) = engine.prompts
    numbers = [int(number) for number in ids.removeprefix("[ids: ").removesuffix("]").split()]
    assert spell(numbers) == prompt
    parts = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", counts)]
    assert parts[0] == len(numbers) == sum(parts[1:])


def test_a_prompt_must_be_named() -> None:
    done = guard("taxonomy", "render", "llama-guard-3", stdin="hi\n")
    assert "name a prompt format with --template, or a model with -m" in done.stderr
    assert done.returncode == 2


def test_the_category_of_a_prompt_and_what_it_needs() -> None:
    render = ["taxonomy", "render", "granite-guardian-4.1-rag", "--template", "granite-guardian-4.1"]
    without = '{"prompt": "When?", "response": "In 1922."}\n'
    record = '{"prompt": "When?", "response": "In 1922.", "documents": ["It was in 1964."]}\n'
    done = guard(*render, stdin=record)
    assert '<documents>\n{"doc_id": "0", "text": "It was in 1964."}\n</documents>' in done.stdout
    assert "### Criteria: A text is considered ungrounded" in done.stdout
    done = guard(*render, stdin=without)
    assert (done.stdout, done.returncode) == ("", 3)
    assert done.stderr == (
        "guard: -:1: message 2 (assistant) is not judged: every category about it needs documents, which the record "
        "does not have [record/no-documents]\n"
    )
    done = guard(*render, "--category", "R3", stdin=without)
    assert "### Criteria: A text is considered inadequate" in done.stdout
    assert done.returncode == 0
    done = guard(*render, "--category", "R9", stdin=without)
    assert "granite-guardian-4.1-rag has no category R9: it has R1, R2, R3" in done.stderr
    assert done.returncode == 2
