"""A run on disk: begun, taken up, refused; checkpoints that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.errors import InputError, OutputError
from guardcli.training.run_dir import STATE, Run, facts_of, last_checkpoint

FACTS = {"data": "abc", "seed": 0}


def write(folder: Path) -> None:
    (folder / "adapter").write_text("weights")
    (folder / STATE).write_text("state")


def test_a_new_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "deep" / "run", FACTS, resume=False)
    assert (run.step, run.checkpoint) == (0, None)
    assert facts_of(run.folder) == FACTS


def test_the_last_checkpoint_has_the_state(tmp_path: Path) -> None:
    run = Run(tmp_path, FACTS, resume=False)
    for step in (5, 10, 100):
        run.keep(step, write)
    kept = {str(path.relative_to(tmp_path / "checkpoints")) for path in tmp_path.glob("checkpoints/*/*")}
    assert kept == {
        "step-00000005/adapter", "step-00000010/adapter", "step-00000100/adapter", "step-00000100/state.pt"
    }  # fmt: skip
    assert run.checkpoint == last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-00000100"
    assert facts_of(tmp_path / "checkpoints" / "step-00000005") == FACTS


def test_a_run_is_taken_up_at_its_last_checkpoint(tmp_path: Path) -> None:
    run = Run(tmp_path, FACTS, resume=False)
    for step in range(1, 8):
        run.log({"step": step, "loss": 0.5})
        if step == 5:
            run.keep(step, write)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')  # it was killed while it wrote
    again = Run(tmp_path, FACTS, resume=True)
    assert again.step == 5
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]


def test_a_checkpoint_that_was_not_finished_is_none(tmp_path: Path) -> None:
    run = Run(tmp_path, FACTS, resume=False)
    aside = tmp_path / "checkpoints" / ".step-00000009"
    aside.mkdir(parents=True)
    write(aside)
    assert Run(tmp_path, FACTS, resume=True).step == 0
    run.keep(9, write)
    assert not aside.exists()
    assert Run(tmp_path, FACTS, resume=True).step == 9


def test_what_stands_in_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    Run(tmp_path, FACTS, resume=False)
    with pytest.raises(OutputError, match="holds a run: --resume takes it up, or name another folder with -o"):
        Run(tmp_path, FACTS, resume=False)
    with pytest.raises(OutputError, match=r"holds another run; what differs: seed \(there 0, now 1\)"):
        Run(tmp_path, FACTS | {"seed": 1}, resume=True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        Run(tmp_path / "file" / "run", FACTS, resume=False)
    run = Run(tmp_path / "run", FACTS, resume=False)

    def fail(_: Path) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(OutputError, match=r"cannot write .*step-00000001: the disk is full"):
        run.keep(1, fail)
    assert run.checkpoint is None


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_facts_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        Run(tmp_path, FACTS, resume=True)


def test_no_facts(tmp_path: Path) -> None:
    assert facts_of(tmp_path) == {}
