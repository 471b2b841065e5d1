"""`guard filter` from outside: what passes, byte for byte, and what is withheld and named."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from tests import tiny
from tests.commands.running import GUARD, environment, guard

READS = {"bomb": ("S9", 1.0)}
SAFE = b'{ "id": "a",  "prompt": "caf\\u00e9 \xf0\x9f\x98\x80" }\n'
UNSAFE = b'{"id":"b","prompt":"hello","response":"a bomb"}\n'
BOTH = b'{"id":"c","chosen":"\\n\\nHuman: hi","rejected":"\\n\\nHuman: a bomb"}\n'
BAD = b"{bad\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("reads") / "toy.gguf", reads=READS, name="Llama Guard 3 (toy)")


def run(model: Path, stdin: bytes, *arguments: str, cwd: Path | None = None) -> tuple[bytes, int, str]:
    command = [*GUARD, "filter", "-m", str(model), "--threads", "1", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment(), cwd=cwd, timeout=120)
    return done.stdout, done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("stdin", "arguments", "passed"),
    [
        (SAFE + UNSAFE + SAFE, [], SAFE + SAFE),
        (SAFE + UNSAFE + SAFE, ["--invert"], UNSAFE),
        (BOTH + SAFE, [], SAFE),
        (BOTH + SAFE, ["--invert"], BOTH),
        (UNSAFE, ["--target", "user"], UNSAFE),
        (b"hello\na bomb\n\nbye", [], b"hello\nbye\n"),
        (b"User: hi\nAssistant: there\n\nUser: a bomb\n\nUser: bye\n", [], b"User: hi\nAssistant: there\nUser: bye\n"),
    ],
)
def test_what_passes_is_as_it_was(model: Path, stdin: bytes, arguments: list[str], passed: bytes) -> None:
    out, code, err = run(model, stdin, *arguments)
    assert out.replace(b"\n\n", b"\n") == passed
    assert (code, err) == (0, "")


@pytest.mark.parametrize("arguments", [[], ["--invert"]])
def test_what_could_not_be_judged_is_withheld_and_named(model: Path, arguments: list[str]) -> None:
    out, code, err = run(model, BAD + SAFE + b'{"prompt":" "}\n', *arguments)
    assert out == (b"" if arguments else SAFE)
    assert err.splitlines()[0].startswith("guard: withheld, not judged: -:1: not JSON")
    assert err.splitlines()[1].startswith("guard: withheld, not judged: -:3: nothing to judge")
    assert code == 3


def test_rows_aside_and_in_the_record(model: Path, tmp_path: Path) -> None:
    out, code, _ = run(model, SAFE + UNSAFE + BAD, "--annotate", "--verdicts", "rows.jsonl", cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["safe", "unsafe", "error"]
    (record,) = map(json.loads, out.splitlines())
    assert record == json.loads(SAFE) | {"guard": rows[0]}
    assert code == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--annotate"], "guard: -:1: --annotate needs records that are JSON objects"),
        (["--verdicts", "input.txt", "input.txt"], "input.txt is an input: --verdicts would write over it"),
        (["--verdicts", "no/where"], "guard: cannot write no/where: No such file or directory"),
        (["--target", "each"], "Invalid value for '--target'"),
    ],
)
def test_usage_errors(model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "input.txt").write_text("precious\n")
    out, code, err = run(model, b"hello\n", *arguments, cwd=tmp_path)
    assert (tmp_path / "input.txt").read_text() == "precious\n"
    assert message in err
    assert (out, code) == (b"", 2)


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
