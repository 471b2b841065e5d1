"""The folder of a run: created, resumed, rejected; checkpoints that are complete or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.errors import InputError, OutputError
from guardcli.training.run_dir import (
    OPTIMIZER_FILE,
    HeldOutScore,
    RunDir,
    find_best_checkpoint,
    find_last_checkpoint,
    read_evaluations,
    read_log,
    read_manifest,
    resolve_checkpoint,
)

MANIFEST = {"data": "abc", "seed": 0}


def write(folder: Path) -> None:
    (folder / "adapter").write_text("weights")
    (folder / OPTIMIZER_FILE).write_text("state")


def test_new_run(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "deep" / "run", MANIFEST, resume=False)
    assert (run.step, run.last_checkpoint) == (0, None)
    assert read_manifest(run.folder) == MANIFEST


def test_only_the_last_checkpoint_keeps_the_optimizer(tmp_path: Path) -> None:
    run = RunDir(tmp_path, MANIFEST, resume=False)
    for step in (5, 10, 100):
        run.save_checkpoint(step, write)
    kept = {str(path.relative_to(tmp_path / "checkpoints")) for path in tmp_path.glob("checkpoints/*/*")}
    assert kept == {
        "step-00000005/adapter", "step-00000010/adapter", "step-00000100/adapter", "step-00000100/state.pt"
    }  # fmt: skip
    assert run.last_checkpoint == find_last_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-00000100"
    assert read_manifest(tmp_path / "checkpoints" / "step-00000005") == MANIFEST


def test_resume_at_the_last_checkpoint(tmp_path: Path) -> None:
    run = RunDir(tmp_path, MANIFEST, resume=False)
    for step in range(1, 8):
        run.log({"step": step, "loss": 0.5})
        if step == 5:
            run.save_checkpoint(step, write)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')  # it was killed while it wrote
    again = RunDir(tmp_path, MANIFEST, resume=True)
    assert again.step == 5
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]


def test_incomplete_checkpoint_is_ignored(tmp_path: Path) -> None:
    run = RunDir(tmp_path, MANIFEST, resume=False)
    temporary = tmp_path / "checkpoints" / ".step-00000009"
    temporary.mkdir(parents=True)
    write(temporary)
    assert RunDir(tmp_path, MANIFEST, resume=True).step == 0
    run.save_checkpoint(9, write)
    assert not temporary.exists()
    assert RunDir(tmp_path, MANIFEST, resume=True).step == 9


def test_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    RunDir(tmp_path, MANIFEST, resume=False)
    with pytest.raises(
        OutputError, match=r"already holds a run: continue it with RunDir\.resume, or name another folder"
    ):
        RunDir(tmp_path, MANIFEST, resume=False)
    with pytest.raises(OutputError, match=r"holds another run; what differs: seed \(there 0, now 1\)"):
        RunDir(tmp_path, MANIFEST | {"seed": 1}, resume=True)


def test_resume_of_a_run_older_than_an_option(tmp_path: Path) -> None:
    """A manifest without the learning-rate schedule means a constant rate."""
    RunDir(tmp_path, MANIFEST, resume=False)
    now = MANIFEST | {"lr_schedule": "constant", "warmup_ratio": 0.0}
    assert RunDir(tmp_path, now, resume=True).step == 0
    with pytest.raises(OutputError, match=r"what differs: lr_schedule \(there 'constant', now 'cosine'\)$"):
        RunDir(tmp_path, now | {"lr_schedule": "cosine"}, resume=True)


def test_resume_of_a_run_older_than_the_type_to_compute_in(tmp_path: Path) -> None:
    """A manifest without it means the device's."""
    RunDir(tmp_path, MANIFEST, resume=False)
    assert RunDir(tmp_path, MANIFEST | {"dtype": "auto"}, resume=True).step == 0
    with pytest.raises(OutputError, match=r"what differs: dtype \(there 'auto', now 'bfloat16'\)$"):
        RunDir(tmp_path, MANIFEST | {"dtype": "bfloat16"}, resume=True)


def test_resume_of_a_run_with_another_order_is_rejected(tmp_path: Path) -> None:
    """A manifest without a sampler is of a version that shuffled the examples one by one."""
    RunDir(tmp_path, MANIFEST, resume=False)
    message = r"what differs: sampler \(there 'by example', now 'by prefix'\)$"
    with pytest.raises(OutputError, match=message):
        RunDir(tmp_path, MANIFEST | {"sampler": "by prefix"}, resume=True)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        RunDir(tmp_path / "file" / "run", MANIFEST, resume=False)
    run = RunDir(tmp_path / "run", MANIFEST, resume=False)

    def fail(_: Path) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(OutputError, match=r"cannot write .*step-00000001: the disk is full"):
        run.save_checkpoint(1, fail)
    assert run.last_checkpoint is None


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_damaged_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        RunDir(tmp_path, MANIFEST, resume=True)


def test_folder_without_a_manifest(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}


def evaluated(folder: Path, *auprcs: float) -> RunDir:
    """A run with an evaluation before its first step, and then with a checkpoint every ten steps."""
    run = RunDir(folder, MANIFEST, resume=False)
    for number, auprc in enumerate(auprcs):
        run.log({"step": 10 * number, "auprc": auprc})
        if number:
            run.save_checkpoint(10 * number, write)
    return run


@pytest.mark.parametrize(
    ("auprcs", "best"),
    [((0.9, 0.5, 0.7, 0.6), 20), ((0.1, 0.5, 0.5), 10), ((0.1, 0.2, 0.3), 20), ((0.5,), None), ((), None)],
)
def test_best_checkpoint(tmp_path: Path, auprcs: tuple[float, ...], best: int | None) -> None:
    """Before the first step there is no checkpoint. Of equals, the first is the best."""
    run = evaluated(tmp_path, *auprcs)
    assert run.evaluations == read_evaluations(tmp_path)
    assert run.evaluations == [HeldOutScore(10 * number, auprc) for number, auprc in enumerate(auprcs)]
    expected = None if best is None else tmp_path / "checkpoints" / f"step-{best:08}"
    assert find_best_checkpoint(tmp_path) == expected


def test_evaluation_without_a_checkpoint_is_not_the_best(tmp_path: Path) -> None:
    """The run was killed between the two."""
    evaluated(tmp_path, 0.1, 0.5).log({"step": 20, "auprc": 0.9})
    assert find_best_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-00000010"


def test_resolve_checkpoint(tmp_path: Path) -> None:
    evaluated(tmp_path / "scored", 0.1, 0.9, 0.5)
    first, last = (tmp_path / "scored" / "checkpoints" / f"step-{step:08}" for step in (10, 20))
    assert resolve_checkpoint(tmp_path / "scored") == resolve_checkpoint(tmp_path / "scored", "best") == first
    assert resolve_checkpoint(tmp_path / "scored", "last") == last
    assert resolve_checkpoint(last) == last
    unscored = RunDir(tmp_path / "unscored", MANIFEST, resume=False)
    unscored.save_checkpoint(10, write)
    assert resolve_checkpoint(unscored.folder) == unscored.last_checkpoint
    with pytest.raises(
        InputError, match=r"unscored has no checkpoint with a held-out AUPRC: train with TrainingData\.from_datasets"
    ):
        resolve_checkpoint(unscored.folder, "best")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{\n", "log.jsonl cannot be read"), ("1\n", "not the log of a training run"), ("{}\n", "not the log of a")],
)
def test_other_logs_are_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_log(tmp_path)
