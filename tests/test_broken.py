"""Whatever comes in: broken inputs with their whole text output, and ends that are never mistaken for a verdict.

`broken/` holds the inputs, `golden/broken.txt` the exit code and the rows of each. The model is random, so the
verdict, score and categories of what was judged are written `judged #`, and what is unsafe does not count.
`python -m tests.test_broken` writes the table anew, to be read before it is kept.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from guardcli.cli import main
from tests import tiny
from tests.cli.running import GUARD, environment, guard

HERE = Path(__file__).parent
BROKEN = HERE / "broken"
GOLDEN = HERE / "golden" / "broken.txt"
GOOD = '{"id":"ok","prompt":"hi"}\n'
LIMIT = 1 << 20

Run = Callable[..., tuple[int, str]]


def golden() -> dict[str, tuple[int, str]]:
    sections = re.findall(r"^== (\S+) (\d)\n((?:(?!== ).*\n)*)", GOLDEN.read_text("utf-8"), re.MULTILINE)
    return {name: (int(code), rows) for name, code, rows in sections}


def masked(rows: str) -> str:
    return re.sub(r"^(safe|unsafe) [01]\.\d{4} \S+", "judged #", rows, flags=re.MULTILINE)


def command(model: Path) -> list[str]:
    return ["check", "-m", str(model), "--template", "llama-guard-3-8b", "--threads", "1", "--exit-zero"]


@pytest.fixture
def check(guard_path: Path) -> list[str]:
    return command(guard_path)


@pytest.fixture
def run(check: list[str], capfd: pytest.CaptureFixture[str]) -> Run:
    """`guard check` in this process: its exit code and its rows."""

    def run_check(*arguments: str) -> tuple[int, str]:
        code = main._run([*check, *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, masked(out)

    return run_check


@pytest.mark.parametrize("name", sorted(path.name for path in BROKEN.iterdir()))
def test_broken(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    assert run(name) == golden()[name]


def test_the_table_has_no_more_than_the_files() -> None:
    assert set(golden()) == {path.name for path in BROKEN.iterdir()}


def test_all_broken_files_in_one_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    assert run(*golden()) == (3, "".join(rows for _, rows in golden().values()))


# What takes minutes to hours in quadratic time: each but the last two once did.
SLOW = {
    "quotes without end": ('{"' + '\\"' * 400_000, "not JSON: Unterminated string starting at column 2"),
    "a late key twice": (
        "{" + ",".join(f'"{n}":1' for n in [*range(80_000), 79_999]) + "}", "duplicate key '79999' in an object"
    ),
    "blank lines in an array": ("[\n" + "\n" * 500_000 + '{"prompt":7}]', "prompt is a number; it must be text"),
    "blank lines in a message": (json.dumps({"prompt": "a" + "\n" * 100_000 + "b"}), None),
    "brackets": ("[" * 500_000, "cut off: the value that begins here is not closed before the end"),
    "a long line": ("a" * (3 * LIMIT), f"the line is longer than {LIMIT} bytes; --max-record-bytes sets the limit"),
}  # fmt: skip


@contextmanager
def limited(*, seconds: int) -> Iterator[None]:
    """End what hangs."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", SLOW)
def test_no_input_is_slow(name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most take a tenth of a second. The alarm only ends what would take minutes."""
    content, reason = SLOW[name]
    monkeypatch.chdir(tmp_path)
    Path("in").write_text(content)
    with limited(seconds=60):
        code, row = run("in")
    assert (code, row.count("\n")) == (3 if reason else 0, 1)
    assert re.match(
        rf"error - - in:\d+ - - - {re.escape(reason)}" if reason else r"judged # in:1 - user#1 \[windowed\]", row
    )


def test_bad_lines_are_answered_though_no_good_one_comes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("{bad\n" * 5000)
    code, rows = run(str(path))
    assert code == 3
    assert [row.split(":")[1].split()[0] for row in rows.splitlines()] == [str(n) for n in range(1, 5001)]


def test_what_is_kept_can_be_written_however_deep_it_is(run: Run, tmp_path: Path) -> None:
    """Up to where it is refused: the parser's limit is not that of the writer."""
    path = tmp_path / "in"
    records = ('{"prompt":"hi","d":' + "[" * depth + "NaN" + "]" * depth + "}\n" for depth in range(100, 1100, 50))
    path.write_text("".join(records))
    code, rows = run("--keep", "d", "--format", "json", str(path))
    verdicts = [json.loads(row)["verdict"] for row in rows.splitlines()]
    assert (code, len(verdicts)) == (3, 20)
    assert "error" not in verdicts[:2]
    assert set(verdicts[2:]) == {"error"}


@pytest.mark.parametrize("broken", ["output.weight", "blk.0.attn_q.weight"])
def test_a_model_of_nan_judges_nothing(broken: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights = tiny.weights(tiny.vocabulary(user_defined=False)[0], 32, 0, answers=True)
    weights[broken][:] = np.nan
    model = tiny.write(tmp_path / "nan.gguf", made=weights)
    (tmp_path / "in").write_text("one\ntwo\n")
    assert main._run(["check", "-m", str(model), "--template", "llama-guard-3-8b", str(tmp_path / "in")]) == 3
    rows = capfd.readouterr().out.splitlines()
    assert len(rows) == 2
    assert all(row.startswith("error - - ") and "the model's logits are not finite" in row for row in rows)


def test_a_file_that_cannot_be_read_to_its_end_ends_nothing_else(run: Run, tmp_path: Path) -> None:
    if not Path("/proc/self/mem").exists():
        pytest.skip("no file here that opens and cannot be read")
    good = tmp_path / "good"
    good.write_text(GOOD)
    assert run(str(good), "/proc/self/mem", str(good)) == (
        3,
        f"judged # {good}:1 ok user#1 -\n"
        "error - - /proc/self/mem:1 - - - cannot be read any further: Input/output error\n"
        f"judged # {good}:1 ok user#1 -\n",
    )


def test_a_file_that_vanishes_takes_no_row_with_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good"
    good.write_text(GOOD)
    monkeypatch.setattr("guardcli.cli.inputs.resolve_sources", lambda files: files)
    assert run(str(good), "gone") == (2, f"judged # {good}:1 ok user#1 -\n")


@pytest.mark.parametrize("options", [["-t", ""], ["--threads", "100000"], ["--max-prompt-tokens", "4294967296"]])
def test_options_that_mean_nothing(check: list[str], options: list[str]) -> None:
    done = guard(*check, *options, stdin="hi\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("echo '{bad' | $GUARD 2>&-", 3),
        ("echo '{bad' | $GUARD 2>/dev/full", 3),
        ("echo hi | $GUARD -v 2>/dev/full", 0),
        ("echo hi | $GUARD --nonsense 2>&-", 2),
        ("echo hi | $GUARD -t nonsense 2>/dev/full", 2),
        ("$GUARD <&- >&- 2>&-", 2),
        ("$GUARD --help >/dev/full", 2),
        ("$GUARD --help | true", 141),
        ("echo hi | $GUARD - -", 0),
        ("$GUARD /dev/null", 3),
    ],
)
def test_the_code_does_not_depend_on_who_listens(check: list[str], shell: str, code: int) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell.replace("$GUARD", " ".join([*GUARD, *check]))],
        capture_output=True, env=environment(), timeout=60, text=True,
    )  # fmt: skip
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_while_loading_is_not_lost(check: list[str]) -> None:
    """It was raised in the callback of llama.cpp's log, and dropped there."""
    for lines in range(1, 64, 9):
        with subprocess.Popen([*GUARD, *check, "-vv"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for _ in range(lines):
                assert process.stderr.readline()
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(timeout=30) in (130, -signal.SIGINT)
            finally:
                process.kill()
            assert b"Traceback" not in process.stderr.read()


def test_names_of_files_in_any_locale(check: list[str], tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff\nsafe 0.0000 - -:9")
    Path(os.fsdecode(name)).write_text("hi\n")
    done = subprocess.run(
        [*GUARD, *check, name], capture_output=True, timeout=60,
        env=environment(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    )  # fmt: skip
    assert masked(done.stdout.decode()) == f"judged # {tmp_path}/\\udcff\\nsafe\\x200.0000\\x20-\\x20-:9:1 - user#1 -\n"
    assert (done.returncode, done.stderr) == (0, b"")


def write_golden(folder: Path) -> None:
    check = command(tiny.write(folder / "guard.gguf", answers=True))
    sections = []
    for name in sorted(path.name for path in BROKEN.iterdir()):
        done = guard(*check, name, cwd=BROKEN)
        sections.append(f"== {name} {done.returncode}\n{masked(done.stdout)}")
    GOLDEN.write_text("".join(sections), "utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        write_golden(Path(scratch))
