"""`guard audit` from outside, on a real engine: rows, summary, gates, and the same bytes after kills."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import tiny
from tests.cli.running import GUARD, environment, guard
from tests.unprivileged import PREFIX, needs_permissions

READS = {"bomb": ("S9", 1.0), "knife": ("S1", 1.0)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("reads") / "toy.gguf", reads=READS, name="Llama Guard 3 (toy)")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    rows = [{"id": f"r{n}", "prompt": f"question {n}" + (" on a bomb" if n % 10 == 0 else "")} for n in range(40)]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "logs" / "b.txt").write_text("hello\na knife\n")
    (tmp_path / "bad.jsonl").write_text('{"prompt":"hi"}\n{bad\n')
    return tmp_path


def audit(desk: Path, model: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return guard("audit", *arguments, "-m", model, *(() if "--threads" in arguments else ("--threads", "1")), cwd=desk)


def test_a_folder_is_judged_into_rows_and_summed_up(desk: Path, model: Path) -> None:
    done = audit(desk, model, "logs", "-o", "out.jsonl")
    rows = [json.loads(line) for line in (desk / "out.jsonl").read_text().splitlines()]
    assert [(row["source"], row["line"]) for row in rows] == [
        *(("logs/a.jsonl", line) for line in range(1, 41)),
        ("logs/b.txt", 1),
        ("logs/b.txt", 2),
    ]
    assert [row["line"] for row in rows if row["verdict"] == "unsafe"] == [1, 11, 21, 31, 2]
    assert done.stderr == (
        "42 rows: 37 safe, 5 unsafe, 0 errors\n\n"
        "category                    unsafe\n----------------------------------\n"
        "S9 Indiscriminate Weapons        4\nS1 Violent Crimes                1\n\n"
        "scores from 0 to 1: | █                 ▂|\n\n"
        "source         safe   unsafe   error\n------------------------------------\n"
        "logs/a.jsonl     36        4       0\nlogs/b.txt        1        1       0\n"
        "guard: wrote out.jsonl\n"
    )
    assert (done.returncode, done.stdout) == (0, "")
    again = audit(desk, model, "logs", "-o", "out.jsonl").stderr
    assert again == "guard: out.jsonl is finished: 42 rows\n" + done.stderr.removesuffix("guard: wrote out.jsonl\n")


def test_again_there_is_nothing_left_to_do(desk: Path, model: Path) -> None:
    audit(desk, model, "logs", "-o", "out.jsonl")
    before = (desk / "out.jsonl").read_bytes()
    done = audit(desk, model, "logs", "-o", "out.jsonl")
    assert done.stderr.startswith("guard: out.jsonl is finished: 42 rows\n42 rows: 37 safe")
    assert (desk / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("inputs", "gates", "code"),
    [
        ("logs", ["--max-unsafe", "10%"], 1),
        ("logs", ["--max-unsafe", "0.12"], 0),
        ("logs", ["--max-unsafe", "5"], 0),
        ("logs", ["--max-unsafe", "4"], 1),
        ("logs", ["--max-errors", "0"], 0),
        ("bad.jsonl", ["--max-errors", "0"], 3),
        ("bad.jsonl", ["--max-errors", "50%", "--max-unsafe", "0"], 0),
        ("bad.jsonl", ["--max-unsafe", "0"], 3),  # what could not be judged is not known to be safe
        ("bad.jsonl", [], 3),
        ("bad.jsonl", ["--max-errors", "1"], 0),
        ("bad.jsonl", ["--max-errors", "100%"], 0),
    ],
)
def test_gates(desk: Path, model: Path, inputs: str, gates: list[str], code: int) -> None:
    done = audit(desk, model, inputs, "-o", "out.jsonl", "-q", *gates)
    assert done.returncode == code
    assert ("allows" in done.stderr) is (code != 0)


def test_all_limits_that_are_missed_are_named(desk: Path, model: Path) -> None:
    """An error outranks a finding, and does not hide it."""
    (desk / "both.jsonl").write_text((desk / "bad.jsonl").read_text())
    gates = ["--threshold", "0", "--max-unsafe", "0", "--max-errors", "0"]
    done = audit(desk, model, "both.jsonl", "-o", "out.jsonl", "-q", *gates)
    unsafe, errors = done.stderr.splitlines()
    assert "are unsafe: more than --max-unsafe allows" in unsafe
    assert "could not be judged: more than --max-errors allows" in errors
    assert done.returncode == 3


@pytest.mark.parametrize("limit", ["-1", "1.5", "x", "101%", "nan"])
def test_an_invalid_limit_is_refused(desk: Path, model: Path, limit: str) -> None:
    done = audit(desk, model, "logs", "-o", "out.jsonl", "--max-unsafe", limit)
    assert f"invalid limit '{limit}'; expected" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["logs", "--threshold", "0.9"], ["threshold was 0.5 and is 0.9: add --threshold 0.5"]),
        (["logs", "--reproducible"], ["parallel was ", "reproducible was off and is on: drop --reproducible"]),
        (
            ["logs", "--keep", "id", "--scores"],
            ["scores was off and is on: drop --scores", "keep was none and is id: drop --keep"],
        ),
    ],
)
def test_another_run_is_refused_with_the_options_that_undo_the_difference(
    desk: Path, model: Path, arguments: list[str], told: list[str]
) -> None:
    audit(desk, model, "logs", "-o", "out.jsonl", "-q")
    done = audit(desk, model, *arguments, "-o", "out.jsonl", "-q")
    assert done.stderr.startswith("guard: out.jsonl belongs to another run")
    for words in told:
        assert words in done.stderr
    assert done.returncode == 2


def test_an_input_that_was_replaced_between_runs_by_one_of_the_same_size_is_refused(desk: Path, model: Path) -> None:
    audit(desk, model, "logs", "-o", "out.jsonl", "-q")
    path = desk / "logs" / "a.jsonl"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b"question 1", b"question 2"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = audit(desk, model, "logs", "-o", "out.jsonl", "-q")
    assert done.stderr == (
        "guard: out.jsonl belongs to another run: the content of logs/a.jsonl changed; or choose another name "
        "[run/input-changed]\n"
    )
    path.write_bytes(content)  # the digest alone decides, and not the time
    assert audit(desk, model, "logs", "-o", "out.jsonl", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "-o", "out.jsonl"], "guard: missing: no such file"),
        (["logs"], "Missing option '-o'"),
        (["logs", "-o", "-"], "an audit needs a file to resume from"),
        (["-", "-o", "out.jsonl"], "guard: -: no such file"),
        (["logs", "-o", "no/where.jsonl"], "guard: cannot write"),
    ],
)
def test_usage_errors(desk: Path, model: Path, arguments: list[str], message: str) -> None:
    done = audit(desk, model, *arguments)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.slow
def test_killed_on_a_real_engine_it_ends_with_the_same_bytes(desk: Path, model: Path) -> None:
    """Two blocks' worth of records, and kills while either is judged."""
    lines = [json.dumps({"prompt": f"question {n} " + "of much text " * (n % 7)}) for n in range(1100)]
    (desk / "many.jsonl").write_text("".join(f"{line}\n" for line in lines))
    assert audit(desk, model, "many.jsonl", "-o", "whole.jsonl", "-q").returncode == 0
    rng = random.Random(2)
    words = [*GUARD, "audit", "many.jsonl", "-o", "out.jsonl", "-q", "-m", str(model), "--threads", "1"]
    for name in ("SIGKILL", "SIGSEGV", "SIGTERM", "SIGKILL", "SIGINT", "SIGSEGV"):
        process = subprocess.Popen(words, cwd=desk, env=environment(), stderr=subprocess.PIPE)
        while process.poll() is None and not (desk / "out.jsonl").exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0.1, 1.5))
        process.send_signal(getattr(signal, name))
        process.communicate()
    assert audit(desk, model, "many.jsonl", "-o", "out.jsonl", "-q").returncode == 0
    assert (desk / "out.jsonl").read_bytes() == (desk / "whole.jsonl").read_bytes()


def stop(desk: Path, model: Path, name: str, *, blocks: int, options: Sequence[str] = ()) -> tuple[str, int]:
    """Send a signal to an audit of 512 records when a block begins; return what it says, and its exit code."""
    lines = [json.dumps({"prompt": f"question {n} " + "of much text " * 20}) for n in range(512)]
    (desk / "many.jsonl").write_text("".join(f"{line}\n" for line in lines))
    words = [*GUARD, "audit", "many.jsonl", "-o", "out.jsonl", "-q", "-m", str(model), "--threads", "1", *options]
    process = subprocess.Popen(words, cwd=desk, env=environment(), stderr=subprocess.PIPE)
    journal = desk / "out.jsonl.journal"
    while process.poll() is None and not (journal.exists() and journal.read_text().count('"begin"') >= blocks):
        time.sleep(0.005)
    process.send_signal(getattr(signal, name))
    return process.communicate(timeout=60)[1].decode(), process.returncode


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_and_is_noted(desk: Path, model: Path, name: str) -> None:
    stderr, code = stop(desk, model, name, blocks=1)
    journal = desk / "out.jsonl.journal"
    assert stderr == f"guard: stopped by {name}, before any row is kept; run the same command again to resume\n"
    assert code == 128 + getattr(signal, name)
    assert json.loads(journal.read_text().splitlines()[-1])["ended"] == {"reason": f"Interrupted: {name}"}
    assert not (desk / "out.jsonl.fault").exists()


def test_a_signal_tells_how_many_rows_are_kept(desk: Path, model: Path) -> None:
    stderr, code = stop(desk, model, "SIGINT", blocks=3, options=["--block-tokens", "5000"])
    kept = re.fullmatch(
        r"guard: stopped by SIGINT, and (\d+) rows are kept; run the same command again to resume\n", stderr
    )
    assert kept is not None
    assert code == 130
    resumed = guard("audit", "many.jsonl", "-o", "out.jsonl", "-m", model, "--threads", "1", cwd=desk)
    assert f"guard: out.jsonl has {kept[1]} rows: resuming" in resumed.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "kept"), [(0, "before any row is kept"), (42, "and 42 rows are kept")])
def test_a_signal_while_the_inputs_are_hashed_tells_what_is_kept(desk: Path, model: Path, rows: int, kept: str) -> None:
    if rows:
        assert audit(desk, model, "logs", "-o", "out.jsonl", "-q").returncode == 0
    (desk / "large.jsonl").touch()
    os.truncate(desk / "large.jsonl", 2**36)
    words = [*GUARD, "audit", "logs", "large.jsonl", "-o", "out.jsonl", "-m", str(model)]
    with subprocess.Popen(words, cwd=desk, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("hashing the inputs: ")
            process.send_signal(signal.SIGINT)
            *_, last = process.communicate(timeout=60)[1].splitlines()
        finally:
            process.kill()
    assert last == f"guard: stopped by SIGINT, {kept}; run the same command again to resume"
    assert process.returncode == 130


@pytest.mark.slow
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_progress_is_told_also_inside_a_block(desk: Path, model: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = "".join(f"{json.dumps({'prompt': f'question {n} ' * 50})}\n" for n in range(300))
    (desk / "many.jsonl").write_bytes(pack(lines.encode()))
    done = audit(desk, model, "many.jsonl", "-o", "out.jsonl")
    told = [line for line in done.stderr.splitlines() if re.fullmatch(r"\d+%, .*rows, [\d.,]+/s, .* errors.*", line)]
    shares = [int(line.split("%")[0]) for line in told]
    assert told
    assert shares == sorted(shares)
    assert 0 < shares[0] < 100
    assert " left, " in told[0]


@pytest.mark.slow
def test_shards_are_joined_to_the_whole(desk: Path, model: Path) -> None:
    lines = [json.dumps({"prompt": f"question {n}"}) for n in range(400)]
    (desk / "many.jsonl").write_text("".join(f"{line}\n" for line in lines))
    parts = [f"part-{number}.jsonl" for number in (1, 2, 3)]
    cut = ["--unit-bytes", "1000"]
    for number, part in enumerate(parts, start=1):
        done = audit(
            desk, model, "many.jsonl", "logs", "-o", part, "-q", "--reproducible", *cut, "--shard", f"{number}/3"
        )
        assert done.returncode == 0
    audit(desk, model, "many.jsonl", "logs", "-o", "whole.jsonl", "-q", "--reproducible", *cut)
    done = guard("merge", *reversed(parts), "-o", "merged.jsonl", cwd=desk)
    assert done.stderr == "guard: wrote merged.jsonl: 442 rows of 14 units in 3 shards\n"
    assert done.returncode == 0
    assert (desk / "merged.jsonl").read_bytes() == (desk / "whole.jsonl").read_bytes()
    counts = [len((desk / part).read_text().splitlines()) for part in parts]
    assert min(counts) > 80


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x", "1", "1/x", "-1/2"])
def test_an_invalid_shard_is_refused(desk: Path, model: Path, shard: str) -> None:
    done = audit(desk, model, "logs", "-o", "out.jsonl", "--shard", shard)
    assert f"invalid shard '{shard}'; expected I/N" in done.stderr
    assert done.returncode == 2


REQUESTS = [
    {"custom_id": f"q{n}", "body": {"messages": [{"role": "user", "content": text}]}}
    for n, text in enumerate(("hello", "a bomb", "bye"))
]
CHOICE = {"message": {"role": "assistant", "content": "ok"}}
ANSWERS = [{"custom_id": f"q{n}", "response": {"body": {"choices": [CHOICE]}}} for n in (2, 1, 0, 7)]


def test_answers_are_judged_behind_their_requests(desk: Path, model: Path) -> None:
    for name, values in (("requests.jsonl", REQUESTS), ("answers.jsonl", ANSWERS)):
        (desk / name).write_text("".join(f"{json.dumps(value)}\n" for value in values))
    audit(desk, model, "answers.jsonl", "--requests", "requests.jsonl", "-o", "out.jsonl", "-q")
    rows = [json.loads(line) for line in (desk / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["verdict"], row["turn"]) for row in rows] == [
        ("q2", "safe", rows[0]["turn"]),
        ("q1", "unsafe", rows[1]["turn"]),
        ("q0", "safe", rows[2]["turn"]),
        ("q7", "error", None),
    ]
    assert rows[3]["error"] == "no request has the custom_id 'q7'"
    done = audit(desk, model, "answers.jsonl", "-o", "out.jsonl", "-q")
    assert "the file of requests requests.jsonl is missing: name it again" in done.stderr


def test_requests_that_cannot_be_read(desk: Path, model: Path) -> None:
    (desk / "requests.jsonl").write_text('{"prompt":"hi"}\n')
    done = audit(desk, model, "logs", "--requests", "requests.jsonl", "-o", "out.jsonl")
    assert done.stderr == "guard: requests.jsonl:1: not a request: it has no custom_id [record/unmatched-answer]\n"
    assert done.returncode == 2


def test_an_output_in_the_audited_folder_is_not_an_input(desk: Path, model: Path) -> None:
    for _ in range(2):
        assert audit(desk, model, "logs", "-o", "logs/out.jsonl", "-q").returncode == 0
    assert len((desk / "logs" / "out.jsonl").read_text().splitlines()) == 42


def test_nor_where_a_shell_names_it(desk: Path, model: Path) -> None:
    """`guard audit *.jsonl -o out.jsonl`, again: the star now stands for the output, too."""
    for names in (["bad.jsonl"], ["bad.jsonl", "out.jsonl", "out.jsonl.journal"]):
        assert audit(desk, model, *names, "-o", "out.jsonl", "-q").returncode == 3
    assert len((desk / "out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(("names", "output"), [(["logs"], "logs/b.txt"), (["logs", "bad.jsonl"], "bad.jsonl")])
def test_an_output_that_no_audit_wrote_is_an_input(desk: Path, names: list[str], output: str) -> None:
    before = (desk / output).read_bytes()
    done = audit(desk, desk / "no-model.gguf", *names, "-o", output)
    assert done.stderr == f"guard: {output} is an input: -o would write over it [output/would-overwrite]\n"
    assert done.returncode == 2
    assert (desk / output).read_bytes() == before
    assert not (desk / f"{output}.journal").exists()


GATE = (
    "guard: the limits do not cover what was not read: 1 FIFO, 2 hidden files, 1 link to a folder; name it as an input "
    "to have it judged, or pass --allow-left-out\n"
)


@pytest.mark.parametrize(
    ("gates", "code", "told"),
    [
        ([], 0, ""),
        (["--max-unsafe", "10"], 3, GATE),
        (["--max-errors", "10"], 3, GATE),
        (["--max-unsafe", "0"], 3, f"guard: 5 of 42 are unsafe: more than --max-unsafe allows\n{GATE}"),
        (["--max-unsafe", "10", "--allow-left-out"], 0, ""),
        (
            ["--max-unsafe", "0", "--allow-left-out"],
            1,
            "guard: 5 of 42 are unsafe: more than --max-unsafe allows\n",
        ),
    ],
)
def test_what_is_left_out_of_a_folder_is_named_and_fails_the_gates(
    desk: Path, model: Path, gates: list[str], code: int, told: str
) -> None:
    (desk / "logs" / ".hidden.jsonl").write_text('{"prompt": "a bomb"}\n')
    (desk / "logs" / ".b\nguard: all is safe\x1b[2K").write_text("x")
    (desk / "logs" / "linked").symlink_to("..")
    os.mkfifo(desk / "logs" / "fifo")
    done = audit(desk, model, "logs", "-o", "out.jsonl", "-q", *gates)
    assert (
        done.stderr
        == (
            "guard: not read: 1 FIFO, 2 hidden files, 1 link to a folder\n"
            "  logs/.b\\nguard: all is safe\\x1b[2K: hidden file\n"
            "  logs/.hidden.jsonl: hidden file\n"
            "  logs/fifo: FIFO\n"
            "  logs/linked: link to a folder\n"
        )
        + told
    )
    assert done.returncode == code
    assert len((desk / "out.jsonl").read_text().splitlines()) == 42


def test_only_some_of_what_is_left_out_is_named(desk: Path, model: Path) -> None:
    for number in range(1100):
        (desk / "logs" / f".{number:04}").write_text("x")
    done = audit(desk, model, "logs", "-o", "out.jsonl", "-q")
    lines = done.stderr.splitlines()
    assert lines[0] == "guard: not read: 1,100 hidden files"
    assert lines[1:11] == [f"  logs/.{number:04}: hidden file" for number in range(10)]
    assert lines[11:] == ["  and 1,090 more"]


def test_a_file_with_two_names_is_judged_once(desk: Path, model: Path) -> None:
    os.link(desk / "logs" / "b.txt", desk / "logs" / "c.txt")
    done = audit(desk, model, "logs", "./logs/a.jsonl", "-o", "out.jsonl", "-q", "--max-errors", "0")
    assert done.stderr == "guard: read once: 1 other name\n  logs/c.txt: the same as logs/b.txt\n"
    assert done.returncode == 0
    assert len((desk / "out.jsonl").read_text().splitlines()) == 42


def test_names_that_are_not_utf_8(desk: Path, model: Path) -> None:
    for name in (b"\xff.txt", b".\xfe"):
        Path(os.fsdecode(os.fsencode(desk / "logs") + b"/" + name)).write_text("hello\n")
    for _ in range(2):
        done = audit(desk, model, "logs", "-o", "out.jsonl", "-q")
        assert done.stderr == "guard: not read: 1 hidden file\n  logs/.\\udcfe: hidden file\n"
        assert done.returncode == 0
    assert len((desk / "out.jsonl").read_text().splitlines()) == 43


@pytest.mark.slow
@needs_permissions
@pytest.mark.parametrize("locked", ["logs", "logs/locked", "logs/locked/c.jsonl"])
def test_what_may_not_be_read_is_an_error_before_a_model_is_loaded(desk: Path, locked: str) -> None:
    (desk / "logs" / "locked").mkdir()
    (desk / "logs" / "locked" / "c.jsonl").write_text('{"prompt": "a bomb"}\n')
    (desk / locked).chmod(0)
    words = [*PREFIX, *GUARD, "audit", "logs", "-o", "out.jsonl", "-m", "no-model.gguf"]
    try:
        done = subprocess.run(words, cwd=desk, env=environment(), capture_output=True, text=True, timeout=60)
    finally:
        (desk / locked).chmod(0o755)
    assert done.stderr == f"guard: {locked}: cannot be read: Permission denied [input/unreadable]\n"
    assert done.returncode == 2
    assert not (desk / "out.jsonl").exists()


def test_an_array_that_is_cut_off_is_taken_up_anywhere(desk: Path, model: Path) -> None:
    """Its error row stands behind all others, so that no block begins before it again."""
    rows = ",\n".join(json.dumps({"prompt": f"question {n}"}) for n in range(20))
    (desk / "cut.json").write_text(f"[\n{rows}")
    audit(desk, model, "cut.json", "-o", "out.jsonl", "-q")
    lines = [json.loads(line)["line"] for line in (desk / "out.jsonl").read_text().splitlines()]
    assert lines == sorted(lines)
    assert len(lines) == 21
