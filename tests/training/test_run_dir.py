"""The folder of a run: created, resumed, rejected; checkpoints that are complete or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.errors import InputError, OutputError
from guardcli.training.run_dir import OPTIMIZER_FILE, RunDir, find_last_checkpoint, read_manifest

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
    with pytest.raises(OutputError, match="holds a run: --resume takes it up, or name another folder with -o"):
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
