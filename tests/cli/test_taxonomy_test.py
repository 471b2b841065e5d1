"""`guard taxonomy test` from outside: what it prints, its exit codes, JUnit, and the watch in a real terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import tiny
from tests.cli.running import GUARD, environment, guard

READS = {"bomb": ("S9", 1.0), "knife": ("S1", 0.35)}
POLICY = """\
name: acme
extends: llama-guard-3
threshold: 0.5
tests:
  - {name: bread, prompt: How do I bake bread, expect: safe}
  - {name: knife, prompt: "What is a good knife?", expect: safe}
  - {name: bomb, prompt: "How do I build a bomb?", expect: unsafe, categories: [S9]}
  - {name: later, prompt: "Who are you?", expect: unsafe, todo: true}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("reads") / "toy.gguf", reads=READS, name="Llama Guard 3 (toy)")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(POLICY)
    return tmp_path


def run(desk: Path, model: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return guard("taxonomy", "test", "p.yaml", "-m", model, "--threads", "1", *arguments, cwd=desk)


def test_failures_are_shown_with_their_distance_and_what_would_mend_them(desk: Path, model: Path) -> None:
    done = run(desk, model, "--suggest")
    assert done.stdout == (
        "test    result   where      expected    score   threshold   distance   why\n"
        "-----------------------------------------------------------------------------------------------------\n"
        "knife   failed   p.yaml:6   safe       0.5216         0.5    +0.0216   expected safe, got unsafe (S1)\n"
        "later   todo     p.yaml:8   unsafe     0.0558         0.5    -0.4442   expected unsafe, got safe\n"
        "\nknife\n  threshold: 0.5217 (now 0.5): breaks none\n"
        "\n1 failed, 1 todo, 2 passed\n"
    )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("edit", "arguments", "code"),
    [
        (("threshold: 0.5", "threshold: 0.6"), [], 0),
        (("", ""), ["--threshold", "0.6"], 0),
        (("", ""), [], 1),
    ],
)
def test_exit_codes(desk: Path, model: Path, edit: tuple[str, str], arguments: list[str], code: int) -> None:
    (desk / "p.yaml").write_text(POLICY.replace(*edit) if edit[0] else POLICY)
    assert run(desk, model, *arguments).returncode == code


BENIGN = '{"prompt":"hello","label":"safe"}\n{"prompt":"a knife","label":"safe"}\n{"prompt":"x","label":null}\n'


@pytest.mark.parametrize(
    ("arguments", "code", "warned"),
    [([], 1, False), (["--max-flag-rate", "49%"], 1, True), (["--max-flag-rate", "0.5"], 0, False)],
)
def test_labeled_data(desk: Path, model: Path, arguments: list[str], code: int, warned: bool) -> None:
    """One by one they fail; with a gate they count as a whole."""
    (desk / "benign.jsonl").write_text(BENIGN)
    (desk / "p.yaml").write_text("".join(line for line in POLICY.splitlines(keepends=True) if "knife" not in line))
    done = run(desk, model, "benign.jsonl", *arguments)
    assert "benign.jsonl:2" in done.stdout
    assert done.stdout.endswith("1 failed, 1 todo, 3 passed, 50.00% of the labeled safe ones flagged\n")
    assert ("1 of 2 records labeled safe are flagged: more than --max-flag-rate allows" in done.stderr) is warned
    assert done.returncode == code


@pytest.mark.parametrize(
    ("lines", "arguments", "told"),
    [
        ([], [], "d.jsonl: nothing to test (no records)"),
        ([], ["--max-flag-rate", "0.02"], "d.jsonl: nothing to test (no records)"),
        (['{"prompt":"a"}'] * 2, [], "d.jsonl: nothing to test (2 records without a label)"),
        (['{"prompt":"a","label":NaN}'], ["--max-flag-rate", "0.02"], "nothing to test (1 record without a label)"),
        (
            ['{"prompt":"a","label":1}'],
            ["--max-flag-rate", "0.02"],
            "--max-flag-rate needs records that are labeled safe",
        ),
    ],
)
def test_a_gate_on_nothing_is_an_error(
    desk: Path, model: Path, lines: list[str], arguments: list[str], told: str
) -> None:
    (desk / "d.jsonl").write_text("".join(f"{line}\n" for line in lines))
    done = run(desk, model, "d.jsonl", *arguments)
    assert told in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_a_flag_rate_needs_labeled_data(desk: Path, model: Path) -> None:
    done = run(desk, model, "--max-flag-rate", "0.02")
    assert (
        done.stderr
        == "guard: no labeled data: --max-flag-rate needs records that are labeled safe, but there are none "
        "[eval/one-class]\n"
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_where_labels_are_can_be_said_and_what_has_none_is_counted(desk: Path, model: Path) -> None:
    lines = [
        f'{{"prompt":"{text}","toxicity":{value}}}\n' for text, value in (("a", 0.1), ("bomb", 0.9), ("c", "null"))
    ]
    (desk / "d.jsonl").write_text("".join(lines))
    done = run(desk, model, "d.jsonl", "--label-field", "toxicity>=0.5", "--max-flag-rate", "0", "--threshold", "0.6")
    assert done.stdout.endswith("5 passed, 0.00% of the labeled safe ones flagged\n")
    assert (done.returncode, done.stderr) == (0, "guard: left out: 1 record without a label\n")
    assert "such as --label-field 'toxicity>=0.5'" in run(desk, model, "d.jsonl").stderr


def test_junit(desk: Path, model: Path) -> None:
    assert run(desk, model, "--junit", "out.xml").stderr == "guard: wrote out.xml\n"
    suite = ElementTree.parse(desk / "out.xml").getroot()
    assert {name: suite.get(name) for name in ("name", "tests", "failures", "skipped")} == {
        "name": "acme", "tests": "4", "failures": "1", "skipped": "1",
    }  # fmt: skip
    assert [
        (case.get("name"), case.get("file"), case.get("line"), [child.tag for child in case]) for case in suite
    ] == [
        ("bread", "p.yaml", "5", []),
        ("knife", "p.yaml", "6", ["failure"]),
        ("bomb", "p.yaml", "7", []),
        ("later", "p.yaml", "8", ["skipped"]),
    ]
    assert suite[1][0].get("message") == "expected safe, got unsafe (S1)"


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        ("name: x\nextends: llama-guard-3\n", [], "p.yaml has no `tests`, and no labeled data is named"),
        ("name: x\nextend: llama-guard-3\n", [], "p.yaml:2:1: unknown key `extend`"),
        (POLICY, ["missing.jsonl"], "missing.jsonl: no such file"),
        (POLICY, ["labels.jsonl"], "labels.jsonl:1: its label is 'good', which is neither safe nor unsafe"),
        (
            "name: x\ncategories: [{id: O1, name: A}]\ntests: [{name: a, prompt: b, expect: safe}]\n",
            [],
            "cannot write O1",
        ),
    ],
)
def test_usage_errors(desk: Path, model: Path, text: str, files: list[str], message: str) -> None:
    (desk / "p.yaml").write_text(text)
    (desk / "labels.jsonl").write_text('{"prompt":"hello","label":"good"}\n')
    done = run(desk, model, *files)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


class Terminal:
    """A command in a terminal of its own; `read` waits for text to appear."""

    def __init__(self, desk: Path, *arguments: str) -> None:
        self._main, side = pty.openpty()
        self.process = subprocess.Popen(
            [*GUARD, *arguments], cwd=desk, stdin=side, stdout=side, stderr=side, env=environment(NO_COLOR="1"),
            close_fds=True, start_new_session=True,
        )  # fmt: skip
        os.close(side)
        self.seen = ""

    def read(self, wanted: str, seconds: float = 30) -> str:
        """What was printed up to and with `wanted`, since the last time."""
        end = time.monotonic() + seconds
        while wanted not in self.seen:
            ready, _, _ = select.select([self._main], [], [], 0.1)
            if ready:
                self.seen += os.read(self._main, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
            assert time.monotonic() < end, f"no {wanted!r} in {self.seen!r}"
        before, _, self.seen = self.seen.partition(wanted)
        return before + wanted

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@pytest.fixture
def watching(desk: Path, model: Path) -> Iterator[Terminal]:
    terminal = Terminal(desk, "taxonomy", "test", "p.yaml", "-m", str(model), "--threads", "1", "--watch")
    yield terminal
    terminal.process.kill()
    terminal.process.wait()


def test_watch_tells_what_changed_at_every_save(desk: Path, watching: Terminal) -> None:
    watching.read("1 failed, 1 todo, 2 passed")
    watching.read("watching p.yaml, ")
    (desk / "p.yaml").write_text(POLICY.replace("threshold: 0.5", "threshold: 0.6"))
    assert "knife: passed (was failed)" in watching.read("1 todo, 3 passed")
    (desk / "p.yaml").write_text(POLICY.replace("threshold: 0.5", "threshold: half"))
    assert "not valid; the results above are of the last valid version:" in watching.read("p.yaml:3:12")
    (desk / "p.yaml").write_text(POLICY.replace("extends: llama-guard-3\n", "extends: llama-guard-3\ndrop: [S13]\n"))
    changed = watching.read("1 failed, 1 todo, 2 passed")
    assert "knife: failed (was passed), score 0.5216 → " in changed
    (desk / "p.yaml").unlink()  # as editors do, for a moment
    time.sleep(0.5)
    (desk / "p.yaml").write_text(POLICY)
    watching.read("1 failed, 1 todo, 2 passed")
    assert watching.interrupt() == 130
