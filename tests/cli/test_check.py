"""`guard check` from outside: what it prints, where, and how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.cli.running import GUARD, environment, guard

CHAT = '{"id":"c1","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}\n'


@pytest.fixture
def check(guard_path: Path) -> list[str]:
    return ["check", "-m", str(guard_path), "--template", "llama-guard-3-8b", "--max-prompt-tokens", "2048",
            "--threads", "1"]  # fmt: skip


def verdicts(stdout: str) -> list[str]:
    return [json.loads(line)["verdict"] for line in stdout.splitlines()]


def test_the_first_thing_a_user_does(tiny_path: Path) -> None:
    done = guard("check", "-m", tiny_path, "--allow-unverified-model", "-t", "llama-guard-3",
                 "--template", "llama-guard-3-8b", stdin="How do I bake bread?\n")  # fmt: skip
    assert re.fullmatch(
        r"(safe 0\.\d{4} -|unsafe [01]\.\d{4} S\d+(,S\d+)*) -:1 - user#1 \[low_mass,forced\]\n", done.stdout
    )
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout.startswith("unsafe") else 0)


FORMATS = {
    "openai": CHAT,
    "pairs": '{"id":"c1","prompt":"hi","response":"hello"}\n',
    "sharegpt": '{"id":"c1","conversations":[{"from":"human","value":"hi"},{"from":"gpt","value":"hello"}]}\n',
    "hh": '{"chosen":"\\n\\nHuman: hi\\n\\nAssistant: hello","rejected":"\\n\\nHuman: hi\\n\\nAssistant: no"}\n',
    "lines": "hi\n",
    "transcript": "User: hi\nAssistant: hello\n",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("forced", [True, False])
def test_every_format(check: list[str], name: str, forced: bool, tmp_path: Path) -> None:
    (tmp_path / "in").write_text(FORMATS[name])
    done = guard(*check, "--format", "json", *(["--input-format", name] if forced else []), tmp_path / "in")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["part"] for row in rows] == (["chosen", "rejected"] if name == "hh" else [None])
    found = {row["verdict"] for row in rows}
    assert found <= {"safe", "unsafe"}
    assert done.returncode == ("unsafe" in found)


def test_files_gzip_arrays_and_stdin_in_order(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(CHAT * 2)
    (tmp_path / "b.json").write_text(json.dumps([json.loads(CHAT)] * 2, indent=1))
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    done = guard(*check, "a.jsonl", "-", "b.json", "c.gz", "--format", "json", stdin="x\n", cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["source"] for row in rows] == ["a.jsonl"] * 2 + ["-"] + ["b.json"] * 2 + ["c.gz"] * 2
    assert [row["line"] for row in rows if row["source"] in ("a.jsonl", "c.gz")] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("threshold", "extra", "stdin", "code"),
    [
        ("1", [], "hi\n", 0),
        ("0", [], "hi\n", 1),
        ("0", ["--exit-zero"], "hi\n", 0),
        ("1", [], CHAT + "{bad\n", 3),
        ("0", ["--exit-zero"], CHAT + "{bad\n", 3),
        ("1", [], "", 3),
    ],
)  # fmt: skip
def test_exit_codes(check: list[str], threshold: str, extra: list[str], stdin: str, code: int) -> None:
    done = guard(*check, "--threshold", threshold, *extra, stdin=stdin)
    assert done.returncode == code
    assert ("could not be judged" in done.stderr) is (code == 3 and bool(stdin))


UNREAD = '{"prompt": "hi", "title": "and how do I build a bomb?"}\n'


@pytest.mark.parametrize(
    ("threshold", "stdin", "message"),
    [
        ("0", CHAT * 2 + "{bad\n" * 2, "2 of 4 rows could not be judged, and 2 are unsafe"),
        ("0", CHAT + "{bad\n", "1 of 2 rows could not be judged, and 1 is unsafe"),
        ("1", CHAT + "{bad\n", "1 of 2 rows could not be judged, and none is unsafe"),
        ("0", "{bad\n", "1 of 1 row could not be judged, and none is unsafe"),
        ("0", UNREAD, "1 of 1 row is unsafe\nguard: 1 row of records with text that was not judged (unread)"),
        ("1", UNREAD, "1 row of records with text that was not judged (unread)"),
        ("0", CHAT, None),
    ],
)
def test_a_pipe_is_told_of_errors_and_of_unsafe_rows(
    check: list[str], threshold: str, stdin: str, message: str | None
) -> None:
    done = guard(*check, "--threshold", threshold, stdin=stdin)
    told = [line for line in done.stderr.splitlines() if not line.startswith("guard: -:1: ")]  # a remark on a record
    assert told == ([] if message is None else f"guard: {message}".splitlines())
    assert ("holds no records" in done.stderr) is (not stdin)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "in GUARD_MODEL. [model/not-named]\n"),
        (["check", "-m", "missing.gguf"], "missing.gguf: No such file or directory [model/unreadable]\n"),
        (["check", "-m", __file__], "[model/not-gguf]\n"),
        (["check", "-m", "TINY"], "[model/unknown]\n"),
        (["check", "-m", "TINY", "missing.jsonl"], "guard: missing.jsonl: no such file [input/not-found]\n"),
        (
            ["check", "-m", "TINY", "."],
            "guard: . is a folder; name the files in it, or judge all of them with guard audit [input/not-regular]\n",
        ),
        (["check", "-m", "TINY", "-t", "llama-gard-3"], "[taxonomy/not-found]\n"),
        (
            ["check", "-m", "TINY", "--template", "llama-guard-3-8b", "--max-prompt-tokens", "9999"],
            "[engine/context-failed]\n",
        ),
        (["check", "-m", "TINY", "--template", "llama-guard-9"], "Invalid value for '--template'"),
        (["check", "-m", "TINY", "--threshold", "2"], "Invalid value for '--threshold'"),
        (["check", "-m", "TINY", "--threshold", "nan"], "Invalid value for '--threshold'"),
        (["check", "-m", "TINY", "--template", "llama-guard-3-8b", "--gpu", "require"], "[system/no-gpu]\n"),
        (
            ["check", "-m", "TINY", "--template", "llama-guard-3-8b", "--max-prompt-tokens", "256"],
            "[engine/prompt-too-long]\n",
        ),
        (["chekc"], "No such command 'chekc'"),
    ],
)
def test_usage_errors(tiny_path: Path, arguments: list[str], message: str) -> None:
    done = guard(*[str(tiny_path) if a == "TINY" else a for a in arguments], stdin="hi\n")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_a_model_that_does_not_answer(tiny_path: Path) -> None:
    done = guard("check", "-m", tiny_path, "--template", "llama-guard-3-8b", "--threads", "1", stdin="hi\n" * 50)
    assert "does not answer with a verdict" in done.stderr
    assert "safe 0" not in done.stdout.replace("unsafe", "")
    assert (done.returncode, done.stdout.count("\n")) == (2, 4)


def test_a_policy_that_will_surprise_is_warned_of_once(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: p\ncategories: [{id: S1, name: Refund Fraud, description: Fakes.}]\n")
    done = guard(*check, "-t", "p.yaml", stdin="hi\nhello\n", cwd=tmp_path)
    about_policy = [line for line in done.stderr.splitlines() if "p.yaml" in line]
    assert [line.rpartition(" ")[2] for line in about_policy] == [
        "[taxonomy/description-not-read]",
        "[taxonomy/id-of-other-category]",
    ]
    assert all(line.startswith("guard: p.yaml:2:14: warning: ") for line in about_policy)
    assert done.returncode in (0, 1)


def test_the_environment_names_model_and_taxonomy(guard_path: Path) -> None:
    done = guard("check", "--template", "llama-guard-3-8b", "--format", "json", stdin="hi\n",
                 GUARD_MODEL=str(guard_path), GUARD_TAXONOMY="openai-moderation")  # fmt: skip
    assert json.loads(done.stdout)["taxonomy"]["name"] == "openai-moderation"


def test_only_and_the_code_of_all(check: list[str]) -> None:
    done = guard(*check, "--only", "error", "--threshold", "0", stdin=CHAT + "{bad\n")
    assert done.stdout.startswith("error - - -:2 - - - ")
    assert done.stdout.count("\n") == 1
    assert done.returncode == 3


def test_the_text_line_tells_what_was_left_out_and_cut(check: list[str]) -> None:
    record = {"messages": [{"role": "system", "content": "s"}, *[{"role": "user", "content": "word " * 300}] * 9]}
    done = guard(*check, "--target", "last", stdin=json.dumps(record) + "\n")
    assert done.stdout.endswith(" user#10 [role_order,truncated,system:1]\n")


def test_a_record_that_costs_too_much_is_an_error_and_the_others_go_on(check: list[str]) -> None:
    done = guard(*check, "--max-record-tokens", "200", stdin="hi\n" + "word " * 100 + "\nho\n")
    assert [line.split()[0] == "error" for line in done.stdout.splitlines()] == [False, True, False]
    assert done.stdout.splitlines()[1].endswith(
        " to judge it takes more than 200 evaluated tokens: raise --max-record-tokens"
    )
    assert done.returncode == 3


@pytest.mark.parametrize("command", ["check", "filter", "audit", "eval", "taxonomy test", "diff"])
def test_every_command_that_judges_has_the_limit(command: str) -> None:
    assert "--max-record-tokens N" in guard(*command.split(), "--help").stdout


def test_scores_keep_and_text(check: list[str]) -> None:
    done = guard(*check, "--format", "json", "--scores", "--keep", "label", "--with-text",
                 stdin='{"prompt":"hi","label":1}\n')  # fmt: skip
    row = json.loads(done.stdout)
    assert sum(row["listed_scores"].values()) == pytest.approx(1)
    assert (row["meta"], row["text"]) == ({"label": 1}, "hi")


def test_openai_output(check: list[str]) -> None:
    done = guard(*check, "--format", "openai", "-t", "openai-moderation", "--threshold", "0", stdin="hi\n")
    (result,) = json.loads(done.stdout)["results"]
    assert result["flagged"] is True
    assert set(result["categories"]) == set(result["category_scores"])
    assert "self-harm" in result["categories"]


def test_nothing_can_forge_a_line(check: list[str]) -> None:
    evil = "x\nsafe 0.0000 - -:9 - user#1\r\x1b[2J\u2028\u202e"
    record = json.dumps({"id": evil, "prompt": evil})
    done = guard(*check, "--with-text", stdin=record + "\n")
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.rstrip("\n").isprintable()


def test_verbose_tells_and_quiet_does_not(check: list[str]) -> None:
    assert guard(*check, stdin="hi\n").stderr == ""
    told = guard(*check, "--verbose", stdin="hi\n").stderr
    assert "guard: -: lines" in told
    assert "template llama-guard-3-8b, taxonomy llama-guard-3" in told
    assert all(line.startswith("guard: ") for line in told.splitlines())


def test_verbose_twice_shows_the_log_of_llama_cpp(check: list[str]) -> None:
    told = guard(*check, "-vv", stdin="hi\n").stderr
    assert "llama_model_loader" in told
    assert "guard: -: lines" in told


def test_verbose_tells_each_format_of_each_input_once(check: list[str], tmp_path: Path) -> None:
    table, log = tmp_path / "a.csv", tmp_path / "b.jsonl"
    table.write_text("prompt,label\n")  # without a row
    log.write_text('{"prompt": "hi"}\n{"messages": [{"role": "user", "content": "hi"}]}\n{"prompt": "hi"}\n')
    told = guard(*check, "--verbose", str(table), str(log)).stderr.splitlines()
    assert [line for line in told if str(tmp_path / "a") in line or str(tmp_path / "b") in line] == [
        f"guard: {table}: read as CSV because of its first line; use --input-format lines to read it as text",
        f"guard: {table}: csv",
        f"guard: {log}: pairs",
        f"guard: {log}: openai",
    ]


def test_each_record_is_answered_before_the_next_arrives(check: list[str]) -> None:
    with subprocess.Popen(
        [*GUARD, *check], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(1, 4):
            process.stdin.write(f"prompt {number}\n")
            process.stdin.flush()
            assert f" -:{number} " in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=60) in (0, 1)


@pytest.mark.slow
def test_a_reader_that_goes_away(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("hello there\n" * 3000)
    command = " ".join([*GUARD, *check, "many.txt"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 2; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, cwd=tmp_path, env=environment(), text=True, timeout=120,
    )  # fmt: skip
    *rows, code = done.stdout.splitlines()
    assert len(rows) == 2
    assert (code, done.stderr) == ("141", "")


def test_ctrl_c_leaves_whole_rows(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "many.jsonl").write_text(CHAT * 50_000)
    out = tmp_path / "out.jsonl"
    with out.open("wb") as stdout, subprocess.Popen(
        [*GUARD, *check, "--format", "json", "many.jsonl"],
        stdout=stdout, stderr=subprocess.PIPE, cwd=tmp_path, env=environment(),
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while out.stat().st_size < 20_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert b"Traceback" not in process.stderr.read()  # type: ignore[union-attr]
    text = out.read_text()
    assert text.endswith("\n")
    assert [json.loads(line)["line"] for line in text.splitlines()] == list(range(1, text.count("\n") + 1))


def test_ctrl_c_while_waiting_for_input(check: list[str]) -> None:
    """The reading thread then waits in stdin, and the interpreter must be able to end all the same."""
    with subprocess.Popen(
        [*GUARD, *check], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"hi\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read().strip() == b""


@pytest.mark.parametrize(("closed", "code"), [("<&-", 2), (">&-", 2), ("> /dev/full", 2)])
def test_closed_and_full_streams(check: list[str], closed: str, code: int) -> None:
    command = f"{' '.join([*GUARD, *check])} {closed}"
    done = subprocess.run(["bash", "-c", command], input=b"hi\n", capture_output=True, env=environment(), timeout=60)
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"guard: ")
    assert (done.returncode, done.stdout) == (code, b"")


def test_three_lines_when_a_person_waits(check: list[str]) -> None:
    main, terminal = pty.openpty()
    done = subprocess.run([*GUARD, *check], stdin=terminal, capture_output=True, env=environment(), timeout=60)
    os.close(main)
    os.close(terminal)
    assert (done.returncode, done.stdout) == (2, b"")  # `guard check $FILES && deploy` must not deploy
    assert done.stderr.decode() == (
        "guard: no input: name a file, or pipe one in, such as:\n"
        "  printf 'How do I bake bread?\\n' | guard check -m smol\n"
        "guard check --help lists the options.\n"
    )


def at_a_terminal(*words: str, cwd: Path, **extra: str) -> tuple[str, int]:
    """Run a command whose stdout and stderr are a terminal of 80 columns, and return what it shows."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [*GUARD, *words], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, cwd=cwd, env=environment(**extra)
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux ends the reading of a terminal that nobody has open with an error
            while data := os.read(main, 4096):
                shown += data
        os.close(main)
        code = process.wait(timeout=60)
    return shown.decode().replace("\r\n", "\n"), code


SECRET = "a secret word that nobody else should read, and more of it than the terminal has columns for, to be cut"


def test_lines_for_a_person_at_a_terminal(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": SECRET}) + "\n{bad\n")
    words = [*check, "--threshold", "0", "a.jsonl"]
    shown, code = at_a_terminal(*words, cwd=tmp_path, NO_COLOR="1")
    unsafe, error, tally = shown.splitlines()
    assert re.fullmatch(r"unsafe  [01]\.\d{4}  1      S\d+ [A-Z].*  a secret .*…", unsafe)
    assert len(unsafe) <= 80
    assert error.startswith("error        -  2      not JSON")
    assert re.fullmatch(r"guard: 2 rows: 0 safe, 1 unsafe \(S\d+ [A-Z].* 1\), 1 error", tally)
    assert code == 3
    assert "\x1b[1;31munsafe\x1b[0m" in at_a_terminal(*words, cwd=tmp_path)[0]


@pytest.mark.parametrize(("option", "variable"), [(["--no-excerpt"], ""), ([], "0")])
def test_no_excerpt_at_a_terminal(check: list[str], tmp_path: Path, option: list[str], variable: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": SECRET}) + "\n")
    shown, _ = at_a_terminal(*check, *option, "a.jsonl", cwd=tmp_path, GUARD_NO_EXCERPT=variable)
    assert "1 row: " in shown
    assert "secret" not in shown


def test_with_text_shows_messages_whole_at_a_terminal(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": SECRET}) + "\n")
    shown, _ = at_a_terminal(*check, "--with-text", "a.jsonl", cwd=tmp_path)
    assert SECRET in shown


@pytest.mark.parametrize("output_format", ["text", "json", "openai"])
def test_a_pipe_has_no_text(check: list[str], output_format: str) -> None:
    done = guard(*check, "--format", output_format, stdin=json.dumps({"prompt": SECRET}) + "\n")
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chats.jsnl", "chats.jsnl: no such file; did you mean chats.jsonl? [input/not-found]\n"),
        ("missing", "missing: no such file [input/not-found]\n"),
        (
            "How do I bake bread?",
            "How do I bake bread?: no such file [input/not-found]\n"
            "To judge text, pipe it: echo 'How do I bake bread?' | guard check\n",
        ),
        ("a\x1b[2J b", "a\\x1b[2J b: no such file [input/not-found]\nTo judge text, pipe it: echo 'a\\x1b[2J b' | "
         "guard check\n"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_there(check: list[str], tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "chats.jsonl").write_text(CHAT)
    done = guard(*check, name, cwd=tmp_path)
    assert (done.stderr, done.returncode) == (f"guard: {message}", 2)


def test_colour_on_request_only(check: list[str]) -> None:
    assert "\x1b" not in guard(*check, stdin="hi\n").stdout
    assert "\x1b[" in guard(*check, stdin="hi\n", FORCE_COLOR="1").stdout
    assert "\x1b" not in guard(*check, stdin="hi\n", FORCE_COLOR="1", NO_COLOR="1").stdout


@pytest.mark.slow
def test_ten_thousand_conversations_in_order_and_in_flat_memory(check: list[str], tmp_path: Path) -> None:
    """10,000 rows need no more memory than 1,000: 8 MB of slack for the allocator."""
    peaks = []
    for count in (1_000, 10_000):
        path = tmp_path / f"{count}.jsonl"
        path.write_text("".join(json.dumps({"id": n, "prompt": f"question {n}"}) + "\n" for n in range(1, count + 1)))
        out = tmp_path / "out.jsonl"
        code = "import resource, sys; from guardcli.cli.main import _run; _run(sys.argv[1:]); " \
               "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"  # fmt: skip
        with out.open("wb") as stdout:
            done = subprocess.run([GUARD[0], "-c", code, *check, "--target", "last", "--format", "json", str(path)],
                                  stdout=stdout, stderr=subprocess.PIPE, env=environment(), timeout=300)  # fmt: skip
        peaks.append(int(done.stderr.split()[-1]))
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [(row["line"], row["id"]) for row in rows] == [(n, str(n)) for n in range(1, count + 1)]
    assert peaks[1] - peaks[0] < 8 * 1024


def test_stats(check: list[str]) -> None:
    done = guard(*check, "--stats", "--threshold", "1", stdin="one\ntwo\n" * 20)
    told = re.fullmatch(
        r"guard: 40 rows, 40 prompts of ([\d,]+) tokens, ([\d,]+) distinct, ([\d,]+) evaluated \((\d+)% shared\), "
        r"0 of answers; [\d.]+ s, [\d,]+ tokens/s, [\d,.]+ rows/s\n",
        done.stderr,
    )
    assert told is not None
    tokens, distinct, evaluated, shared = (int(number.replace(",", "")) for number in told.groups())
    assert distinct <= evaluated <= 1.2 * distinct < tokens  # 40 prompts, two of them different
    assert shared == round(100 * (1 - evaluated / tokens))


def test_reproducible_scores_do_not_depend_on_the_neighbours(check: list[str]) -> None:
    lines = [f"question {n} " * (n % 9) + "?" for n in range(30)]
    runs = []
    for order in (lines, lines[::-1], lines[7:8]):
        done = guard(*check, "--reproducible", "--format", "json", "--with-text", stdin="\n".join(order))
        runs.append({row["text"]: row["score"] for row in map(json.loads, done.stdout.splitlines())})
    assert runs[0] == runs[1]
    assert runs[2].items() <= runs[0].items()


@pytest.mark.slow
def test_the_same_file_gives_the_same_bytes(check: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"prompt": f"{n} " * (n % 40)}) + "\n" for n in range(200)))
    runs = [guard(*check, "--format", "json", "x.jsonl", cwd=tmp_path).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].count("\n") == 200
