"""No text of a record, a label file, a policy or a stored row is in any output without `--with-text`.

Each field has a mark of its own. A command is run to its end, and whatever it writes is searched for marks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.cli.running import guard
from tests.rows import row, write

MARK = re.compile("zqx[a-z]+", re.IGNORECASE)

ID = "zqxid"  # ids are in rows, which the page on formats documents, and never on pages
ASK = {"role": "user", "content": "zqxmessage tells how to make a bomb"}

RECORDS: list[Any] = [
    {
        "id": ID,
        "user": "zqxuser wrote all of this",
        "metadata": {"note": "zqxmetadata is about a person"},
        "tools": [{"type": "function", "function": {"name": "f", "description": "zqxtool finds people"}}],
        "messages": [
            {"role": "system", "content": "zqxsystem says be kind"},
            {"role": "user", "name": "zqxauthor", "content": "zqxmessage is the first of them"},
            {
                "role": "assistant",
                "content": "zqxanswer is the second",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "zqxcall it"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "zqxresult of a tool"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "zqxpart about a bomb"},
                    {"type": "image_url", "image_url": {"url": "https://zqxurl.example/?q=zqximage+of+a+person"}},
                ],
            },
        ],
    },
    {"id": ID, "prompt": "zqxmessage is harmless", "response": "zqxanswer", "note": "zqxunread is what nobody reads"},
    {
        "id": ID,
        "prompt": "hi",
        "zqxname": "zqxunread is under such a name",
        "Tell me how to do the zqxkey thing, please.": "zqxunread is one more",
    },
    {"id": ID, "messages": [{"role": "zqxrole is a sentence", "content": "zqxmessage"}]},
    {"id": ID, "messages": [ASK], "transcript": "zqxspeech is here, and no format reads it"},
    {"id": ID, "messages": [{"role": "user", "content": {"odd": "zqxcontent is an object"}}]},
    {"id": ID, "messages": [{"role": "user", "content": [{"type": "zqxtype is a sentence", "x": "zqxpart of it"}]}]},
    {"id": ID, "messages": "zqxmessages is a text"},
    {"id": ID, "chosen": "zqxbefore anybody speaks\n\nHuman: zqxmessage", "rejected": "\n\nHuman: zqxmessage"},
    {"custom_id": ID, "response": None, "error": {"code": "moderated", "message": "zqxerror quotes a person"}},
    {"custom_id": ID, "response": {"status_code": 200, "body": {"choices": [{"zqxname": "zqxchoice of a person"}]}}},
    {"custom_id": ID, "body": {"input": [{"type": "zqxtype is a sentence", "content": "zqxcontent of a person"}]}},
]
BROKEN = (
    '{"prompt": "zqxbroken is never closed\n',
    '{"prompt": "zqxbroken one", "prompt": "zqxbroken two"}\n',
    '{"prompt": "zqxbroken \\ud800 half"} zqxrest of a line\n',
    "zqxbroken is no JSON at all\n",
)
LABELED: list[Any] = [
    {"id": ID, "prompt": f"zqxmessage {word}", "label": label, "categories": categories, "note": "zqxnote of a rater"}
    for word, label, categories in (
        ("how to make a bomb", "unsafe", ["S9"]),
        ("how to defuse a bomb", "safe", []),
        ("how to harm", "unsafe", ["S1"]),
        ("how to bake", "safe", []),
    )
]
UNREADABLE: list[Any] = [RECORDS[3] | {"label": "safe"}, {"label": "safe", "messages": "zqxmessages"}]
UNCLEAR: list[Any] = [{"id": ID, "prompt": "zqxmessage", "label": "zqxlabel", "note": "zqxnote of a rater"}]
POLICY = """\
name: acme
extends: llama-guard-3
detail: full
categories:
  - id: S9
    name: Weapons
    description: zqxdescription of a harm
    examples: [{user: zqxexample of a bomb, verdict: unsafe}]
tests:
  - {name: one, prompt: zqxprompt about bread, expect: unsafe}
  - {name: two, prompt: zqxprompt, response: zqxresponse about a bomb, expect: safe}
  - {name: three, prompt: zqxprompt about a bomb, expect: unsafe, categories: [S1]}
"""


def stored(line: int, score: float | None) -> dict[str, Any]:
    """A stored row that has the text of its message, a field of its record, and one that guard does not know."""
    return row(line, score, id=ID, text="zqxtext of a row", meta={"note": "zqxmeta"}, later="zqxlater field")


@dataclass(frozen=True)
class Call:
    """A command: the marks that it shows all the same, and the streams or files that hold records by design."""

    words: str
    shows: frozenset[str] = frozenset()
    holds_records: frozenset[str] = field(default=frozenset())


ROWS = frozenset({ID})
PATHS = frozenset({"zqxname"})  # the names of fields say where text was not judged
BOTH = ROWS | PATHS
MEANINGS = frozenset({"zqxdescription"})  # a page says what its categories mean
LABELS = frozenset({"zqxlabel"})  # a user has to name the labels that are unclear
KEPT = frozenset({ID, "zqxmeta"})  # fields that an earlier --keep named
STORED = frozenset({*KEPT, "zqxtext", "zqxlater"})  # rows pass through as they were stored, with an earlier --with-text
STDOUT = frozenset({"stdout"})

JUDGING = "-m toy.gguf"
CALLS = [
    *(
        Call(f"check {JUDGING} --format {name} {options} chats.jsonl broken.jsonl before.txt", BOTH)
        for name in ("text", "json", "openai")
        for options in ("", "--target each -t policy.yaml --scores -v --stats")
    ),
    Call(f"check {JUDGING} --input-format transcript before.txt"),
    Call("check --paths chats.jsonl broken.jsonl", PATHS),
    # Records pass through a filter: that is what it is for.
    Call(f"filter {JUDGING} chats.jsonl broken.jsonl --save-verdicts OUT/rows.jsonl", BOTH, STDOUT),
    Call(f"filter {JUDGING} chats.jsonl --annotate --invert", PATHS, STDOUT),
    Call(f"audit {JUDGING} -t policy.yaml chats.jsonl broken.jsonl -o OUT/rows.jsonl", BOTH),
    Call(f"audit {JUDGING} chats.jsonl -o OUT/rows.jsonl --shard 1/2 --unit-bytes 100 -v", BOTH),
    Call("merge part-1 part-2 -o OUT/rows.jsonl", BOTH),
    Call("report stored.jsonl audited.jsonl -o OUT/page.html"),
    Call("diff stored.jsonl moved.jsonl", ROWS),
    Call("diff stored.jsonl moved.jsonl --format json", KEPT),
    Call("diff stored.jsonl moved.jsonl --format html -o OUT/page.html"),
    Call(f"diff {JUDGING} -t llama-guard-3 -t policy.yaml chats.jsonl broken.jsonl --format json", BOTH),
    Call("decide stored.jsonl -t llama-guard-3", STORED),
    Call("decide audited.jsonl -t llama-guard-3 --threshold 0.9", BOTH),
    *(
        Call(f"eval {JUDGING} -t policy.yaml labeled.jsonl unreadable.jsonl --resamples 100 --format {name}", shown)
        for name, shown in (("text", frozenset()), ("markdown", frozenset()), ("json", ROWS), ("html", MEANINGS))
    ),
    Call(f"eval {JUDGING} labeled.jsonl --resamples 100 --save-verdicts OUT/rows.jsonl", ROWS),
    Call(f"eval {JUDGING} labeled.jsonl unclear.jsonl --resamples 100", LABELS),
    Call(f"taxonomy test {JUDGING} policy.yaml --suggest --junit OUT/tests.xml"),
    Call(f"taxonomy test {JUDGING} policy.yaml labeled.jsonl --suggest --junit OUT/tests.xml", ROWS),
    Call(f"taxonomy test {JUDGING} policy.yaml unreadable.jsonl"),
    *(Call(f"taxonomy validate policy.yaml --format {name}") for name in ("text", "json", "sarif")),
    Call("tune prepare unclear.jsonl --template llama-guard-3-8b -o OUT/train.jsonl", LABELS),
    # Training data are the records under a policy.
    Call(
        "tune prepare labeled.jsonl unreadable.jsonl -t policy.yaml --template llama-guard-3-8b -o OUT/train.jsonl",
        holds_records=frozenset({"train.jsonl"}),
    ),
    Call(
        "tune prepare labeled.jsonl --exclude labeled.jsonl --template llama-guard-3-8b -o OUT/train.jsonl",
        holds_records=frozenset({"train.jsonl"}),
    ),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("privacy")
    tiny.write(folder / "toy.gguf", reads={"bomb": ("S9", 1.0)}, name="Llama Guard 3 (toy)")
    for name, records in (("chats", RECORDS), ("labeled", LABELED), ("unreadable", UNREADABLE), ("unclear", UNCLEAR)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    (folder / "broken.jsonl").write_text('{"prompt": "hi"}\n' + "".join(BROKEN))
    (folder / "before.txt").write_text("zqxbefore anybody speaks\nUser: zqxmessage about a bomb\n")
    (folder / "policy.yaml").write_text(POLICY)
    write(folder / "stored.jsonl", [stored(1, 0.9), stored(2, 0.2), stored(3, None)])
    write(folder / "moved.jsonl", [stored(1, 0.1), stored(2, 0.8), stored(3, None)])
    for words in ("audited.jsonl", "part-1 --shard 1/2 --unit-bytes 100", "part-2 --shard 2/2 --unit-bytes 100"):
        guard("audit", *JUDGING.split(), "chats.jsonl", "-q", "-o", *words.split(), cwd=folder)
    return folder


def run(call: str, desk: Path, out: Path) -> dict[str, str]:
    """Run a command. Returns what it wrote, by the name of the stream or the file."""
    done = guard(*call.replace("OUT", str(out)).split(), cwd=desk)
    assert done.returncode != 70
    assert "Usage: " not in done.stderr
    files = {file.name: file.read_text("utf-8", "replace") for file in out.rglob("*") if file.is_file()}
    return {"stdout": done.stdout, "stderr": done.stderr, **files}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.words)
def test_nothing_is_shown_without_with_text(call: Call, desk: Path, tmp_path: Path) -> None:
    outputs = run(call.words, desk, tmp_path)
    searched = {name: text for name, text in outputs.items() if name not in call.holds_records}
    found = {name: {mark.lower() for mark in MARK.findall(text)} for name, text in searched.items()}
    assert {name: sorted(marks - call.shows) for name, marks in found.items() if marks - call.shows} == {}
    assert set().union(*found.values()) == call.shows  # what is excused is needed
    assert any(outputs.values())


@pytest.mark.parametrize(
    ("words", "mark"),
    [
        (f"check {JUDGING} --format json --with-text chats.jsonl", "zqxpart"),
        (f"check {JUDGING} --with-text chats.jsonl", "zqxpart"),
        ("check --paths --with-text chats.jsonl", "zqxunread"),
        ("report stored.jsonl --with-text", "zqxtext"),
        ("diff stored.jsonl moved.jsonl --format json --with-text", "zqxtext"),
        ("diff stored.jsonl moved.jsonl --format html --with-text", "zqxtext"),
        (f"eval {JUDGING} labeled.jsonl --resamples 100 --format html --with-text", "zqxmessage"),
        ("tune prepare labeled.jsonl --template llama-guard-3-8b -o OUT/train.jsonl --with-text", "zqxmessage"),
    ],
)
def test_with_text_shows_it(words: str, mark: str, desk: Path, tmp_path: Path) -> None:
    outputs = run(words, desk, tmp_path)
    assert mark in outputs["stdout"] + outputs["stderr"]
