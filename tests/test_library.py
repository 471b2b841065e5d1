"""The library without the command line: scripts that judge, audit, merge and read rows, and never load click."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardcli import EngineConfig, JudgeConfig, ModelConfig
from guardcli.audit import AuditObserver, InputFiles, Shard, audit
from guardcli.audit.journal import Checkpoint
from guardcli.errors import InputError, OutputError
from guardcli.formats import ReadOptions
from tests import tiny
from tests.cli.running import environment

READS = {"bomb": ("S9", 1.0), "knife": ("S1", 1.0)}

SCRIPT = """
import json
import sys
from pathlib import Path

from guardcli import EngineConfig, Guard, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import Shard, audit, merge_shards
from guardcli.judging.reader import read_verdicts


def main():
    taxonomy = Taxonomy.from_dict({"name": "mine", "extends": "llama-guard-3", "threshold": 0.6})
    model = ModelConfig("toy.gguf", gpu="off")
    engine = EngineConfig(threads=1, reproducible=True)
    with Guard(model, taxonomy, config=JudgeConfig(target="last"), engine=engine) as guard:
        told = [verdict.verdict for verdict in guard.check(["hello", "a bomb"])]

    arguments = {"model": model, "taxonomy": taxonomy, "engine": engine, "unit_bytes": 200}
    whole = audit("logs", "whole.jsonl", **arguments)
    again = audit(["logs"], "whole.jsonl", **arguments)
    parts = [Path(f"part-{number}.jsonl") for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        audit(["logs"], part, shard=Shard(number, 2), **arguments)
    merged = merge_shards(parts)
    Path("merged.jsonl").write_bytes(b"".join(merged.rows()))
    rows = list(read_verdicts("merged.jsonl"))
    print(json.dumps({
        "told": told,
        "verdicts": dict(whole.summary.verdicts),
        "left_out": [file.path for file in whole.left_out],
        "again": again.summary.verdicts == whole.summary.verdicts,
        "units": merged.num_units,
        "rows": len(rows),
        "loaded": [name for name in sys.modules if name == "click" or name.startswith("guardcli.cli")],
    }))


if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("toy") / "toy.gguf", reads=READS, name="Llama Guard 3 (toy)")


@pytest.fixture
def desk(tmp_path: Path, toy: Path) -> Path:
    (tmp_path / "toy.gguf").symlink_to(toy)
    (tmp_path / "logs").mkdir()
    rows = [{"id": f"r{n}", "prompt": f"question {n}" + (" on a bomb" if n % 10 == 0 else "")} for n in range(40)]
    (tmp_path / "logs" / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "logs" / ".hidden").write_text("a knife\n")
    return tmp_path


def run_script(desk: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (desk / "script.py").write_text(script)
    root = str(Path(__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=desk,
        env=environment(PYTHONPATH=root),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_script_needs_nothing_of_the_command_line(desk: Path) -> None:
    done = run_script(desk, SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "told": ["safe", "unsafe"],
        "verdicts": {"safe": 36, "unsafe": 4},
        "left_out": ["logs/.hidden"],
        "again": True,
        "units": 7,
        "rows": 40,
        "loaded": [],
    }
    assert (desk / "merged.jsonl").read_bytes() == (desk / "whole.jsonl").read_bytes()


class Notes(AuditObserver):
    """What an audit told its observer."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_inputs(self, files: InputFiles) -> None:
        self.notes.append(f"{len(files.paths)} files")

    def on_open(self, guard: Any) -> None:
        self.notes.append(f"opened {guard.template.name}")

    def on_resume(self, output: Path, checkpoint: Checkpoint) -> None:
        self.notes.append(f"resumes after {checkpoint.rows}")

    def on_finished_before(self, output: Path, checkpoint: Checkpoint) -> None:
        self.notes.append(f"finished with {checkpoint.rows}")


class Stop(Exception):
    pass


class StopsAt(Notes):
    """Ends an audit where a record is read."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self._line = line

    def watch(self, records: Any) -> Any:
        for record in records:
            if record.key.line == self._line:
                raise Stop
            yield record


def run(desk: Path, output: str, **arguments: Any) -> Any:
    arguments = {"model": desk / "toy.gguf", "engine": EngineConfig(threads=1)} | arguments
    return audit([desk / "logs" / "a.jsonl"], desk / output, **arguments)


def test_an_audit_that_an_exception_ended_is_resumed(desk: Path) -> None:
    """Blocks of a record each, as no block has fewer tokens than one."""
    stopped, resumed, finished = StopsAt(20), Notes(), Notes()
    run(desk, "whole.jsonl", block_tokens=1)
    with pytest.raises(Stop):
        run(desk, "out.jsonl", block_tokens=1, observer=stopped)
    assert len((desk / "out.jsonl").read_text().splitlines()) == 18
    run(desk, "out.jsonl", observer=resumed)  # the size of a block is that of the attempt before
    result = run(desk, "out.jsonl", observer=finished)
    assert (desk / "out.jsonl").read_bytes() == (desk / "whole.jsonl").read_bytes()
    opened = ["1 files", "opened llama-guard-3-8b"]
    assert [stopped.notes, resumed.notes, finished.notes] == [
        opened,
        [*opened, "resumes after 18"],
        [*opened, "finished with 40"],
    ]
    assert (result.output, result.summary.verdicts, result.left_out) == (
        desk / "out.jsonl",
        {"safe": 36, "unsafe": 4},
        (),
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"config": JudgeConfig(threshold=0.9)}, "threshold was 0.5 and is 0.9: add JudgeConfig(threshold=0.5)"),
        ({"engine": EngineConfig(threads=2)}, "threads was 1 and is 2: add EngineConfig(threads=1)"),
        ({"read_options": ReadOptions(ignore="x")}, "ignore was not given and is x: drop ReadOptions.ignore"),
        ({"shard": Shard(1, 2)}, "shard was 1, 1 and is 1, 2: drop audit(shard=…)"),
        (
            {"taxonomy": "llama-guard-3-1b"},
            'taxonomy was llama-guard-3 and is llama-guard-3-1b: add Guard(taxonomy="llama-guard-3")',
        ),
    ],
)
def test_another_audit_is_refused(desk: Path, arguments: dict[str, Any], told: str) -> None:
    run(desk, "out.jsonl")
    with pytest.raises(OutputError) as raised:
        run(desk, "out.jsonl", **arguments)
    assert raised.value.lines == (f"{desk}/out.jsonl belongs to another run: {told}; or choose another name",)


@pytest.mark.parametrize("output", ["toy.gguf", "logs/a.jsonl", "policy.yaml", "requests.jsonl"])
def test_no_file_that_is_read_is_written(desk: Path, output: str) -> None:
    (desk / "policy.yaml").write_text("name: mine\nextends: llama-guard-3\n")
    (desk / "requests.jsonl").write_text('{"custom_id":"a","prompt":"hi"}\n')
    before = (desk / output).read_bytes()
    with pytest.raises(OutputError, match="is an input: -o would write over it"):
        run(desk, output, taxonomy=desk / "policy.yaml", requests=[desk / "requests.jsonl"])
    assert (desk / output).read_bytes() == before


def test_an_input_that_is_missing(desk: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such file"):
        audit([desk / "nothing"], desk / "out.jsonl", model=desk / "toy.gguf")
    assert not (desk / "out.jsonl").exists()


def test_answers_are_judged_behind_their_requests(desk: Path) -> None:
    (desk / "requests.jsonl").write_text('{"custom_id":"a","prompt":"a bomb"}\n{"custom_id":"b","prompt":"hi"}\n')
    choice = {"message": {"role": "assistant", "content": "ok"}}
    answers = [{"custom_id": name, "response": {"body": {"choices": [choice]}}} for name in "ab"]
    (desk / "answers.jsonl").write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
    audit(
        [desk / "answers.jsonl"],
        desk / "out.jsonl",
        model=ModelConfig(desk / "toy.gguf"),
        engine=EngineConfig(threads=1),
        requests=[desk / "requests.jsonl"],
    )
    rows = [json.loads(line) for line in (desk / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["verdict"]) for row in rows] == [("a", "unsafe"), ("b", "safe")]


DEADLY = """
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

from guardcli import EngineConfig, Taxonomy
from guardcli.audit import AuditObserver, audit


def die_with_the_first_row():
    while not Path("out.jsonl").exists() or not Path("out.jsonl").stat().st_size:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGSEGV)


class Observer(AuditObserver):
    def phase(self, line):
        if sys.argv[1:] == ["die"]:
            threading.Thread(target=die_with_the_first_row, daemon=True).start()
        return nullcontext()

    def on_isolation(self, state):
        print("isolation:", state.faults, state.silent_deaths)

    def on_poison_record(self, location, name):
        print("poison:", location, name)

    def on_no_poison_record(self):
        print("no poison")


if __name__ == "__main__":
    policy = Taxonomy.from_dict({"name": "mine", "extends": "llama-guard-3", "threshold": 0.6})
    engine = EngineConfig(threads=1)
    audit(["many.txt"], "out.jsonl", model="toy.gguf", taxonomy=policy, engine=engine, observer=Observer())
"""


@pytest.mark.slow
def test_the_records_of_a_block_in_which_the_process_died_are_tried_one_by_one(desk: Path) -> None:
    """It died of a signal from outside, and so of none of them."""
    (desk / "many.txt").write_text("".join(f"question {number} {'of much text ' * 9}\n" for number in range(200)))
    died = run_script(desk, DEADLY, "die")
    assert died.returncode == -signal.SIGSEGV
    done = run_script(desk, DEADLY)
    assert (done.returncode, done.stdout) == (0, "isolation: 1 0\nno poison\n"), done.stderr
    assert len((desk / "out.jsonl").read_text().splitlines()) == 200
