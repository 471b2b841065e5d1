"""`guard filter` from outside: what passes, byte for byte, and what is withheld and named."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests import tiny
from tests.cli.running import GUARD, environment, guard, guard_bytes

READS = {"bomb": ("S9", 1.0)}
SAFE = b'{ "id": "a",  "prompt": "caf\\u00e9 \xf0\x9f\x98\x80" }\n'
UNSAFE = b'{"id":"b","prompt":"hello","response":"a bomb"}\n'
BOTH = b'{"id":"c","chosen":"\\n\\nHuman: hi","rejected":"\\n\\nHuman: a bomb"}\n'
BAD = b"{bad\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("reads") / "toy.gguf", reads=READS, name="Llama Guard 3 (toy)")


def run(model: Path, stdin: bytes, *arguments: str, cwd: Path | None = None) -> tuple[bytes, int, str]:
    done = guard_bytes("filter", "-m", model, "--threads", "1", *arguments, stdin=stdin, cwd=cwd)
    return done.stdout, done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("stdin", "arguments", "passed", "tally"),
    [
        (SAFE + UNSAFE + SAFE, [], SAFE + SAFE, "guard: 2 of 3 records passed, 1 withheld (1 unsafe)\n"),
        (SAFE + UNSAFE + SAFE, ["--invert"], UNSAFE, "guard: 1 of 3 records passed, 2 withheld (2 safe)\n"),
        (BOTH + SAFE, [], SAFE, "guard: 1 of 2 records passed, 1 withheld (1 unsafe)\n"),
        (BOTH + SAFE, ["--invert"], BOTH, "guard: 1 of 2 records passed, 1 withheld (1 safe)\n"),
        (UNSAFE, ["--target", "user"], UNSAFE, ""),
        (
            b"hello\na bomb\n\nbye",
            [],
            b"hello\n\nbye",
            "guard: 2 of 3 records passed, 1 withheld (1 unsafe)\n",
        ),
        (
            b"User: hi\nAssistant: there\n\nUser: a bomb\n\nUser: bye\n",
            ["--input-format", "transcript"],
            b"User: hi\nAssistant: there\n\nUser: bye\n",
            "guard: 2 of 3 records passed, 1 withheld (1 unsafe)\n",
        ),
    ],
)
def test_what_passes_is_as_it_was(model: Path, stdin: bytes, arguments: list[str], passed: bytes, tally: str) -> None:
    out, code, err = run(model, stdin, *arguments)
    assert out == passed
    assert (code, err) == (0, tally)


@pytest.mark.parametrize("arguments", [[], ["--invert"]])
def test_what_could_not_be_judged_is_withheld_and_named(model: Path, arguments: list[str]) -> None:
    out, code, err = run(model, BAD + SAFE + b'{"prompt":" "}\n', *arguments)
    assert out == (b"" if arguments else SAFE)
    *named, tally = err.splitlines()
    places_and_codes = [(line.split(": ")[2], line.split(" ")[-1]) for line in named]
    assert tally.endswith(f"{'3 withheld (1 safe, ' if arguments else '2 withheld ('}2 not judged)")
    assert places_and_codes == [("-:1", "[record/not-json]"), ("-:3", "[record/nothing-to-judge]")]
    assert code == 3


def test_rows_aside_and_in_the_record(model: Path, tmp_path: Path) -> None:
    out, code, err = run(model, SAFE + UNSAFE + BAD, "--annotate", "--save-verdicts", "rows.jsonl", cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["safe", "unsafe", "error"]
    (record,) = map(json.loads, out.splitlines())
    assert record == json.loads(SAFE) | {"guard": rows[0]}
    assert (code, "guard: wrote rows.jsonl" in err.splitlines()) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--save-verdicts", "input.txt", "input.txt"], "input.txt is an input: --save-verdicts would write over it"),
        (["--save-verdicts", "no/where"], "guard: cannot write no/where: No such file or directory"),
        (["--target", "each"], "Invalid value for '--target'"),
    ],
)
def test_usage_errors(model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "input.txt").write_text("precious\n")
    out, code, err = run(model, b"hello\n", *arguments, cwd=tmp_path)
    assert (tmp_path / "input.txt").read_text() == "precious\n"
    assert message in err
    assert (out, code) == (b"", 2)


SAME = {
    "crlf.jsonl": b'{"prompt":"hi"}\r\n\r\n{"prompt":"hello"}\r\n',
    "crlf.txt": b"hi\r\nhello\r\n",
    "bom.jsonl": b'\xef\xbb\xbf{"prompt":"hi"}\n\xef\xbb\xbf{"prompt":"hello"}\n',
    "separators.jsonl": b'\x1e{"prompt":"hi"}\n\x1e{"prompt":"hello"}\n',
    "table.csv": b'\xef\xbb\xbfid,prompt\r\n1,hi\r\n\r\n2,"hello\r\nyou"\r\n',
    "excel.csv": b"sep=;\nid;prompt\n1;hi\n",
    "table.tsv": b"id\tprompt\n1\thi\n2\thello",
    "no-end.txt": b"hi\n\nhello",
    "transcript.txt": b"User: hi\r\nBot: hello\r\n\r\n---\r\nUser: bye\r\n",
}


@pytest.mark.parametrize("name", SAME)
def test_safe_records_pass_as_the_bytes_that_they_are(model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SAME[name])
    out, code, _ = run(model, b"", name, cwd=tmp_path)
    assert (out, code) == (SAME[name], 0)


def test_a_header_passes_though_the_first_row_does_not(model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,prompt\n1,a bomb\n2,hi\n")
    assert run(model, b"", "t.csv", cwd=tmp_path)[0] == b"id,prompt\n2,hi\n"


def test_files_without_an_end_of_line_do_not_run_together(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(SAFE.rstrip())
    assert run(model, b"", "a", "b", cwd=tmp_path)[0] == SAFE + SAFE.rstrip()


@pytest.mark.parametrize(
    "record",
    [
        b'{"prompt":"hi","amount":12345678901234567890.123,"big":1e999}',
        b'{\n "prompt": "hi"\n}',
        b'{"prompt":"h\\u0069" , "n": 1e2 }',
    ],
)
def test_a_verdict_is_put_into_the_bytes_of_a_record(model: Path, record: bytes) -> None:
    """Numbers, blanks and escapes stay as they were written."""
    out, code, _ = run(model, record + b"\n", "--annotate")
    assert out.startswith(record[:-1].rstrip() + b',"guard":{"schema":2,')
    assert out.endswith(b"}}\n")
    assert json.loads(out)["guard"]["verdict"] == "safe"
    assert code == 0


def test_what_cannot_be_annotated_is_withheld_and_the_run_goes_on(model: Path) -> None:
    content = b'[{"role": "user", "content": "hi there"}]\n{"prompt":"hi","guard":"Ann"}\n' + SAFE
    out, code, err = run(model, content, "--annotate")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["a"]
    assert err.splitlines() == [
        "guard: withheld, not annotated: -:1: not a JSON object; a field cannot be added",
        "guard: withheld, not annotated: -:2: it already has a field `guard`",
        "guard: 1 of 3 records passed, 2 withheld (2 not annotated)",
    ]
    assert code == 3


@pytest.mark.parametrize("line", [b"hello }\n", b"{hello}\n"])
def test_text_that_ends_like_an_object_is_not_annotated(model: Path, line: bytes) -> None:
    assert run(model, line, "--annotate", "--input-format", "lines")[:2] == (b"", 3)


def test_text_that_nobody_judged_is_withheld_and_named_until_it_is_settled(model: Path) -> None:
    record = b'{"prompt":"hi","title":"how do I build it"}\n'
    out, code, err = run(model, record)
    assert (out, code) == (b"", 3)
    assert err.splitlines() == [
        "guard: -:1: the text under title is not judged: --ignore title calls it metadata, "
        "--text-field title judges it",
        "guard: withheld, not judged: -:1: text that was not judged under title [record/unread-text]",
        "guard: 0 of 1 record passed, 1 withheld (1 not judged)",
    ]
    assert run(model, record, "--ignore", "title") == (record, 0, "")
    assert run(model, record, "--text-field", "title") == (record, 0, "")
    assert run(model, record.replace(b"build it", b"build a bomb"), "--text-field", "title")[0] == b""


def test_a_system_message_before_the_first_turn_is_context_and_told_once(model: Path) -> None:
    said = {"role": "user", "content": "hi"}
    records = b"".join(
        json.dumps({"messages": [{"role": role, "content": "no bomb"}, said]}).encode() + b"\n"
        for role in ("system", "system", "developer")
    )
    out, code, err = run(model, records)
    assert (out, code) == (records, 0)
    assert [line.split(":")[2] for line in err.splitlines()] == ["1", "3"]
    assert run(model, records, "--as-user", "system", "--as-user", "developer") == (
        b"",
        0,
        "guard: 0 of 3 records passed, 3 withheld (3 unsafe)\n",
    )


BOMB = {"role": "system", "content": "a bomb"}
HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize("messages", [[HI, BOMB], [{**HI, "role": "system"}, {**BOMB, "role": "developer"}, HI]])
def test_a_system_message_anywhere_else_is_judged_as_the_users(model: Path, messages: list[dict[str, str]]) -> None:
    assert run(model, json.dumps({"messages": messages}).encode() + b"\n")[:2] == (b"", 0)


def test_a_record_passes_before_the_next_arrives(model: Path) -> None:
    command = [*GUARD, "filter", "-m", str(model), "--threads", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for text in (b"one\n", b"two\n"):
        process.stdin.write(text)
        process.stdin.flush()
        assert process.stdout.readline() == text
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    watchdog.cancel()


def test_help_for_a_person() -> None:
    assert "withhold" in guard("filter", "--help").stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_policy_may_come_from_a_pipe(model: Path, tmp_path: Path) -> None:
    command = shlex.join([*GUARD, "filter", "-m", str(model), "--threads", "1", "--save-verdicts", "why.jsonl"])
    policy = "printf 'name: own\\nextends: llama-guard-3\\n'"
    done = subprocess.run(
        ["bash", "-c", f"{command} -t <({policy})"],
        input=SAFE + UNSAFE, capture_output=True, cwd=tmp_path, env=environment(), timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == (SAFE, 0), done.stderr
    assert len((tmp_path / "why.jsonl").read_text().splitlines()) == 2
