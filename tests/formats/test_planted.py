"""The oracle of the account: a marked sentence is planted anywhere in a record of any format, and is accounted for.

It has reached a prompt, or the row has a remark that was not there without it, or the record is an error; metadata is
only what stands in a documented place. `python -m tests.formats.test_planted 100000` plants that many.
"""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from guardcli.conversation import Malformed, Record
from guardcli.formats.field_names import METADATA_NAMES, TOOL_NAMES, field_meaning
from guardcli.prompts.turns import turns
from tests.formats.bases import BASES
from tests.formats.in_memory import Pipe, read

NAMES = (
    "content",
    "text",
    "value",
    "Prompt",
    "RESPONSE",
    "message",
    "messages",
    "reasoning",
    "reasoning_content",
    "history",
    "transcript",
    "input",
    "output",
    "completion",
    "instruction",
    "question",
    "answer",
    "parts",
    "generations",
    "context",
    "title",
    "note",
    "x",
    "name",
    "user_input",
    "chatHistory",
    "response_0",
    "role",
    "from",
    "type",
    "refusal",
    "audio",
    "system",
    "developer",
    "instructions",
    "metadata",
    "usage",
    "attributes",
    "tools",
    "tool_calls",
    "label",
    "category",
    "id",
    "custom_id",
    "args",
    "kwargs",
    "data",
    "thinking",
    "body",
    "choices",
    "error",
    "image_url",
    "citations",
)

MARK = "zqx"
SENTENCES = (
    f"how do I plant this {MARK} sentence",
    f"Tell them the {MARK} secret.",
    f"how-do-i-plant-this-{MARK}-sentence",
    f"{MARK} 请告诉我怎么种植这个句子",
    f"https://x.example/?q=how+do+i+plant+the+{MARK}",
    f"HowDoIPlantThe{MARK.title()}Sentence",
    json.dumps({"role": "system", "content": f"how do I plant this {MARK}"}),
    json.dumps([f"how do I plant the {MARK} thing"]),
)

WRAPPINGS = ("text", "list", "lists", "object", "text object", "message", "messages", "parts", "json", "deep")


def wrapped(sentence: str, how: str) -> Any:
    """A sentence in the shapes in which formats hold text."""
    part = {"type": "text", "text": sentence}
    return {
        "text": sentence, "list": [sentence], "lists": [[sentence]], "object": {"a": {"b": sentence}},
        "text object": {"text": sentence}, "message": {"role": "user", "content": sentence},
        "messages": [{"role": "assistant", "content": sentence}], "parts": [part], "json": json.dumps({"a": sentence}),
        "deep": [{"a": [{"b": {"c": [sentence]}}]}],
    }[how]  # fmt: skip


Place = tuple["str | int", ...]


def containers(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every object and list in a value, with its place."""
    if isinstance(value, (dict, list)):
        yield place, value
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(item, (*place, name))


@dataclass(frozen=True)
class Planted:
    """A record with a marked sentence in it: the place where it stands, and the record without it."""

    base: Any
    value: Any
    is_metadata: Place


@st.composite
def planted(draw: st.DrawFn) -> Planted:
    base = BASES[draw(st.sampled_from(sorted(BASES)))]
    value = copy.deepcopy(base)
    place, holder = draw(st.sampled_from(list(containers(value))))
    sentence = draw(st.sampled_from(SENTENCES))
    item = wrapped(sentence, draw(st.sampled_from(WRAPPINGS)))
    if isinstance(holder, list):
        at = draw(st.integers(0, len(holder)))
        holder.insert(at, item)
        return Planted(base, value, (*place, at))
    how = draw(st.sampled_from(["field", "field", "field", "key", "instead"]))
    if how == "key":
        holder[f"how do I plant this {MARK} sentence"] = draw(st.sampled_from([1, None, "x", {}]))
        return Planted(base, value, (*place, f"how do I plant this {MARK} sentence"))
    names = sorted(holder) if how == "instead" and holder else NAMES
    name = draw(st.sampled_from(names))
    holder[name] = item
    return Planted(base, value, (*place, name))


def remarks(record: Record) -> Counter[str]:
    """What the row of a record says of text that is not judged."""
    judged = turns(record.conversation)
    flags = [flag for flag in record.conversation.flags if flag != "reasoning"]
    return Counter({**judged.skipped, **dict.fromkeys((*record.conversation.unread, *flags), 1)})


def in_a_prompt(record: Record) -> bool:
    return any(MARK in turn.text.lower() for turn in turns(record.conversation).shown)


SILENT = ("system", "developer", "tool", "function", "image_url", "tool_use", "function_call_output", "tool-f")
SKIPPED = TOOL_NAMES | {"tool_calls", "function_call", "toolInvocations", "invalid_tool_calls"}


def is_metadata_by_place(place: Place) -> bool:
    """Whether a documented place holds it, and no name that holds speech stands below that place."""
    names = [step for step in place if isinstance(step, str)]
    places = [n for n, name in enumerate(names) if field_meaning(name).canonical in METADATA_NAMES]
    return bool(places) and not any(field_meaning(name).is_speech for name in names[places[-1] + 1 :])


def where(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where the mark stands."""
    if isinstance(value, str):
        if MARK in value.lower():
            yield place
    elif isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str) and MARK in name.lower():
                yield (*place, name)
            yield from where(item, (*place, name))


def is_skipped(value: Any, place: Place) -> bool:
    """Whether it stands in what is counted by kind: a payload of a tool, a part that is no text, the operator's
    message."""
    if any(step in SKIPPED for step in place):
        return True
    holder = value
    for step in place:
        if isinstance(holder, dict) and (holder.get("role") in SILENT or holder.get("type") in SILENT):
            return True
        holder = holder[step] if not isinstance(holder, str) else holder
    return bool({"system", "instructions", "gen_ai.system_instructions"} & set(map(str, place)))


def unaccounted(base: Any, value: Any, content: bytes, rows: list[Record | Malformed]) -> str | None:
    """Why a planted sentence is lost; None if it is not."""
    if any(isinstance(row, Malformed) for row in rows):
        return None
    records = [row for row in rows if isinstance(row, Record)]
    if any(map(in_a_prompt, records)) or any(MARK in (record.key.id or "").lower() for record in records):
        return None
    before = Counter[str]()
    for row in read(io.BytesIO(json.dumps(base).encode()), "in"):
        before |= remarks(row) if isinstance(row, Record) else Counter()
    if any(remarks(record) - before for record in records):
        return None
    places = list(where(value))
    if places and all(is_skipped(value, place) or is_metadata_by_place(place) for place in places):
        return None
    return f"lost: {content!r}"


@st.composite
def written(draw: st.DrawFn) -> tuple[Planted, bytes]:
    """A planted record in the bytes of a file, among others."""
    plant = draw(planted())
    how = draw(st.sampled_from(["line", "array", "pretty", "bom", "crlf", "separator", "gzip", "second"]))
    line = json.dumps(plant.value, ensure_ascii=draw(st.booleans())).encode()
    return plant, {
        "line": line, "array": b"[" + line + b"]", "pretty": json.dumps(plant.value, indent=1).encode(),
        "bom": b"\xef\xbb\xbf" + line, "crlf": line + b"\r\n", "separator": b"\x1e" + line + b"\n",
        "gzip": gzip.compress(line), "second": b'{"prompt": "hi"}\n' + line,
    }[how]  # fmt: skip


def check(written: tuple[Planted, bytes]) -> None:
    plant, content = written
    rows = list(read(io.BytesIO(content), "in"))
    assert rows
    reason = unaccounted(plant.base, plant.value, content, rows)
    assert reason is None, reason


COLUMNS = ("title", "notes", "prompt", "Response", "hate/threatening", "", "input", "comment_text", "label", "x")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], bytes, bytes]:
    names = ["id", "prompt", *draw(st.lists(st.sampled_from(COLUMNS), max_size=4))]
    cells = ["1", "hi there", *("0" for _ in names[2:])]
    plain = list(cells)
    if len(names) > 2:
        cells[draw(st.integers(2, len(names) - 1))] = draw(st.sampled_from(SENTENCES))
    else:
        cells[0] = SENTENCES[0]
    delimiter = draw(st.sampled_from(",;\t"))
    contents = []
    for row in (plain, cells):
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))).writerows(
            [names, row]
        )
        contents.append(out.getvalue().encode())
    return names, contents[0], contents[1]


def check_table(table: tuple[list[str], bytes, bytes]) -> None:
    names, plain, content = table
    rows = list(read(io.BytesIO(content), "t.csv"))
    records = [row for row in rows if isinstance(row, Record)]
    if len(records) < len(rows) or any(map(in_a_prompt, records)):
        return
    before = [remarks(row) for row in read(io.BytesIO(plain), "t.csv") if isinstance(row, Record)]
    assert any(remarks(record) - (before[0] if before else Counter()) for record in records), (names, content)


LINES = (
    "hello to you",
    "User: hi",
    "Assistant: hello",
    "System: be kind",
    "Support: yes",
    "",
    "---",
    '{"prompt": "hi"}',
    '{"prompt":"hi","x":"%s"}',
    '{"messages":[{"role":"system","content":"%s"},{"role":"user","content":"hi"}]}',
    "%s",
    "User: %s",
    "System: %s",
    "text,ok",
    "hi,%s",
    '2024-05-01T10:00:00Z {"prompt": "hi", "x": "%s"}',
    "[%s",
    '["%s"]',
    '"%s"',
    "Support: %s",
    "\ufeff%s",
    '\ufeff{"prompt":"hi","x":"%s"}',
    "prompt,response",
    '"x": "%s"}',
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, bool]:
    before = draw(st.lists(st.sampled_from([line for line in LINES if "%" not in line]), max_size=3))
    after = draw(st.lists(st.sampled_from([line for line in LINES if "%" not in line]), max_size=2))
    line = draw(st.sampled_from([line for line in LINES if "%" in line])) % SENTENCES[draw(st.integers(0, 3))]
    content = "\n".join([*before, line, *after]).encode()
    if draw(st.integers(0, 9)) == 0:
        content = content.replace(line.encode(), line.encode("utf-16-le"))
    return content, draw(st.booleans())


def check_text(text: tuple[bytes, bool]) -> None:
    content, from_a_pipe = text
    rows = list(read(Pipe(content) if from_a_pipe else io.BytesIO(content), "-"))
    records = [row for row in rows if isinstance(row, Record)]
    if len(records) < len(rows) or any(map(in_a_prompt, records)):
        return
    assert any(map(remarks, records)), content


FAST = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@FAST
@given(written())
def test_a_sentence_in_a_record_is_accounted_for(drawn: tuple[Planted, bytes]) -> None:
    check(drawn)


@pytest.mark.slow
@FAST
@given(tables())
def test_a_sentence_in_a_table_is_accounted_for(drawn: tuple[list[str], bytes, bytes]) -> None:
    check_table(drawn)


@pytest.mark.slow
@FAST
@given(texts())
def test_a_sentence_in_a_stream_of_text_is_accounted_for(drawn: tuple[bytes, bool]) -> None:
    check_text(drawn)


def test_the_oracle_notices_lost_text() -> None:
    """A record of which a reader would drop a field without a word."""
    (record,) = read(io.BytesIO(b'{"prompt": "hi there"}'), "in")
    value = {"prompt": "hi there", "note": SENTENCES[0]}
    assert unaccounted({"prompt": "hi there"}, value, b"", [record]) is not None


def plant(number: int, strategy: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> int:
    """Plant so many sentences; how many there were."""
    inputs = 0

    @settings(FAST, max_examples=number, database=None, phases=[Phase.generate, Phase.shrink])
    @given(strategy)
    def run(drawn: Any) -> None:
        nonlocal inputs
        inputs += 1
        holds(drawn)

    run()
    return inputs


def many(count: int) -> None:
    """Plant that many sentences: most in records, a tenth each in tables and in text."""
    logging.getLogger("guardcli").setLevel(logging.ERROR)  # no note on how each input is read
    for strategy, holds, part in ((written(), check, 0.8), (tables(), check_table, 0.1), (texts(), check_text, 0.1)):
        print(f"{plant(int(count * part), strategy, holds):,} inputs, none unaccounted for", flush=True)


if __name__ == "__main__":
    many(int(sys.argv[1]))
