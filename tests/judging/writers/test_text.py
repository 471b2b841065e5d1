"""The line for people: seven fields that can be taken apart again, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardcli.conversation import Key
from guardcli.judging import Verdict
from guardcli.judging.writers import WRITERS, text
from tests.judging.writers.verdicts import VERDICTS, make_verdict

GOLDEN = Path(__file__).parents[2] / "golden" / "rows"
HOSTILE = st.text(st.characters(codec=None) | st.sampled_from("\n\r\t \\\0\x1b\x85\u2028\u202e\u200f\ud800\udfffx:-"))
ESCAPE = re.compile(r"\\(?:[\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def unescaped(field: str) -> str:
    return ESCAPE.sub(lambda match: match[0].encode().decode("unicode_escape"), field)


@pytest.mark.parametrize("kind", VERDICTS)
@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("json", "jsonl"), ("openai", "openai.jsonl")])
def test_golden(kind: str, form: str, suffix: str) -> None:
    line = WRITERS[form](VERDICTS[kind]) + "\n"
    assert line.encode() == (GOLDEN / f"{kind}.{suffix}").read_bytes()


@given(HOSTILE, HOSTILE, st.none() | HOSTILE, st.lists(HOSTILE, max_size=3), HOSTILE, HOSTILE)
@example("a\nsafe 0.0 - b:1", "c 1\x1b[2K\rsafe", None, ["S1 S2"], "\\n", "\u202e")
def test_no_text_forges_a_line_or_a_field(
    source: str, id_: str, part: str | None, categories: list[str], error: str, said: str
) -> None:
    verdict = make_verdict(
        Key(source, 3, part, id_),
        "unsafe",
        turn=7,
        role="user",
        score=0.25,
        categories=tuple(categories),
        error=error,
        text=said,
    )
    line = text.line(verdict)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    line.encode()
    fields = [unescaped(field) for field in line.split(" ")[:7]]
    place = f"{source}:3" + (f":{part}" if part else "")
    assert fields == ["unsafe", "0.2500", ",".join(categories) or "-", place, id_ or "-", "user#7", "-"]
    rest = [part for part in (error, said) if part]
    assert unescaped(" ".join(line.split(" ")[7:])) == " ".join(rest)


def test_a_message_cannot_pass_for_remarks() -> None:
    """With remarks and without any they stand in the field before it."""
    said, key = "[truncated,system:1] hello", Key("a", 1)
    assert (
        text.line(make_verdict(key, "safe", turn=1, role="user", score=0.25, text=said))
        == f"safe 0.2500 - a:1 - user#1 - {said}"
    )
    flagged = make_verdict(key, "safe", turn=1, role="user", score=0.25, flags=("windowed",), text=said)
    assert text.line(flagged) == f"safe 0.2500 - a:1 - user#1 [windowed] {said}"


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (make_verdict(Key(None, 1), "safe", turn=1, role="user", score=0.99999), "safe 1.0000 - :1 - user#1 -"),
        (make_verdict(Key("a b", 1, id="x y"), "safe", turn=1, role="assistant", score=5e-324),
         r"safe 0.0000 - a\x20b:1 x\x20y assistant#1 -"),
        (make_verdict(Key("C:\\x", 2, "p:q"), "error", error="bad \\n"),
         r"error - - C:\\x:2:p:q - - - bad \\n"),
    ],
)  # fmt: skip
def test_line(verdict: Verdict, expected: str) -> None:
    assert text.line(verdict) == expected


@pytest.mark.parametrize(("kind", "color"), [("safe", "32"), ("unsafe", "1;31"), ("error", "33")])
def test_only_the_verdict_has_a_colour(kind: str, color: str) -> None:
    verdict = VERDICTS[kind]
    assert text.colored(verdict) == text.line(verdict).replace(kind, f"\x1b[{color}m{kind}\x1b[0m", 1)
