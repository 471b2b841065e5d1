"""Training a tiny guard: the loss falls, the seed decides everything, and a resumed run ends the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from guardcli.errors import InputError, TuneError
from guardcli.prompts import TEMPLATES
from guardcli.taxonomy import Taxonomy
from guardcli.training.augmentation import AugmentConfig, make_examples
from guardcli.training.config import TrainConfig
from guardcli.training.dataset import TokenizedDataset
from guardcli.training.initial_adapter import InitialAdapter
from guardcli.training.loop import TrainingData, TrainProgress, fine_tune, patience_exhausted, training_manifest
from guardcli.training.lora_model import ADAPTER_CONFIG_FILE, ADAPTER_FILE, LoraModel
from guardcli.training.prefix_groups import prefix_labels
from guardcli.training.run_dir import HeldOutScore, RunDir, read_log
from guardcli.training.sampler import sample_batches
from tests.training.augmentation.samples import labeled, record
from tests.training.conftest import SETTINGS, TEMPLATE, Bench

SHORT = replace(SETTINGS, epochs=0.5)


def trained_in(
    folder: Path,
    bench: Bench,
    settings: TrainConfig = SHORT,
    *,
    stop: int | None = None,
    resume: bool = False,
    start: InitialAdapter | None = None,
) -> tuple[RunDir, list[TrainProgress]]:
    """Train in a folder, perhaps only up to the step `stop`, as if the run were killed after it."""
    run = RunDir(folder, {}, resume=resume)
    seen = []
    for progress in fine_tune(LoraModel(bench.base, settings), bench.data, run, settings, start):
        seen.append(progress)
        if progress.step == stop:
            break
    return run, seen


def without_held_out(bench: Bench) -> Bench:
    return replace(bench, data=TrainingData(bench.data.train, (), bench.data.verdict_ids))


def adapter_of(run: RunDir) -> bytes:
    assert run.last_checkpoint is not None
    return (run.last_checkpoint / ADAPTER_FILE).read_bytes()


def test_loss_falls(trained: RunDir) -> None:
    lines = [json.loads(line) for line in (trained.folder / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 12  # one and a half times 16 examples, by two
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3])
    evaluations = [(line["step"], line["auprc"]) for line in lines if "auprc" in line]
    assert [step for step, _ in evaluations] == [0, 4, 8, 12]
    assert all(0 <= auprc <= 1 for _, auprc in evaluations)


def test_every_linear_layer_has_an_adapter(trained: RunDir) -> None:
    assert trained.last_checkpoint is not None
    tensors = pytest.importorskip("safetensors.torch").load_file(trained.last_checkpoint / ADAPTER_FILE)
    assert len(tensors) == 2 * 2 * 7  # A and B, two layers, seven matrices
    assert all(tensor.abs().sum() > 0 for tensor in tensors.values())
    assert not any("lm_head" in name or "embed" in name for name in tensors)


def test_adapter_config_is_the_same_in_each_run(trained: RunDir) -> None:
    assert trained.last_checkpoint is not None
    layers = json.loads((trained.last_checkpoint / ADAPTER_CONFIG_FILE).read_text())["target_modules"]
    assert (len(layers), layers) == (14, sorted(layers))


def test_same_seed_gives_the_same_adapter(bench: Bench, tmp_path: Path) -> None:
    (first, seen), (again, seen_again) = (trained_in(tmp_path / name, bench) for name in ("a", "b"))
    other, _ = trained_in(tmp_path / "c", bench, replace(SHORT, seed=1))
    assert adapter_of(first) == adapter_of(again) != adapter_of(other)
    assert seen == seen_again
    assert (first.folder / "log.jsonl").read_bytes() == (again.folder / "log.jsonl").read_bytes()


@pytest.mark.parametrize("stop", [1, 4, 6, 9])
def test_resumed_run_ends_with_the_same_adapter(bench: Bench, trained: RunDir, tmp_path: Path, stop: int) -> None:
    trained_in(tmp_path, bench, SETTINGS, stop=stop)
    run, seen = trained_in(tmp_path, bench, SETTINGS, resume=True)
    assert seen[0].step == (0 if stop < 4 else stop // 4 * 4 + 1)
    assert adapter_of(run) == adapter_of(trained)
    assert (tmp_path / "log.jsonl").read_bytes() == (trained.folder / "log.jsonl").read_bytes()


def test_resumed_run_continues_its_lr_schedule(bench: Bench, tmp_path: Path) -> None:
    without = without_held_out(bench)
    constant, _ = trained_in(tmp_path / "constant", without, SETTINGS)
    cosine = replace(SETTINGS, lr_schedule="cosine", warmup_ratio=0.25)
    whole, _ = trained_in(tmp_path / "whole", without, cosine)
    trained_in(tmp_path / "stopped", without, cosine, stop=6)
    stopped, _ = trained_in(tmp_path / "stopped", without, cosine, resume=True)
    assert adapter_of(stopped) == adapter_of(whole) != adapter_of(constant)


def test_learning_rate_of_zero_trains_nothing(bench: Bench, tmp_path: Path) -> None:
    model = LoraModel(bench.base, SHORT)
    model.save_adapter(tmp_path)
    before = (tmp_path / ADAPTER_FILE).read_bytes()
    model.train_step(bench.data.train[:2], learning_rate=0.0)
    model.save_adapter(tmp_path)
    assert (tmp_path / ADAPTER_FILE).read_bytes() == before


def test_finished_run_has_no_steps_left(bench: Bench, tmp_path: Path) -> None:
    trained_in(tmp_path, bench)
    assert trained_in(tmp_path, bench, resume=True)[1] == []


def test_gradient_accumulation_equals_a_larger_batch(bench: Bench, tmp_path: Path) -> None:
    """Up to rounding, as the sums are computed in another order."""
    without = without_held_out(bench)
    whole = trained_in(tmp_path / "a", without, replace(SHORT, batch_size=4))[1]
    parts = trained_in(tmp_path / "b", without, replace(SHORT, batch_size=1, gradient_accumulation_steps=4))[1]
    assert [progress.loss for progress in parts] == pytest.approx([progress.loss for progress in whole], rel=1e-3)


def test_loss_is_that_of_the_answer_only(bench: Bench) -> None:
    """The cross-entropy of the answer's tokens, each given the tokens before it."""
    torch = pytest.importorskip("torch")
    example = bench.data.train[0]
    with torch.no_grad():
        logits = bench.base.load("cpu", "float32")(torch.tensor([list(example.tokens)])).logits[0].log_softmax(dim=-1)
    expected = [-float(logits[at - 1, example.tokens[at]]) for at in range(example.prompt_length, len(example.tokens))]
    loss = LoraModel(bench.base, SHORT).train_step([example], learning_rate=0.0)
    assert loss.total == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    verdict = example.verdict_index - example.prompt_length
    assert loss.verdict == pytest.approx(expected.pop(verdict), rel=1e-4)
    assert loss.ids == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_scores_do_not_depend_on_the_batch(bench: Bench) -> None:
    model = LoraModel(bench.base, SHORT)
    examples = bench.data.train[:3]
    together = model.scores(examples, bench.data.verdict_ids)
    alone = [score for example in examples for score in model.scores([example], bench.data.verdict_ids)]
    assert together == pytest.approx(alone, abs=1e-5)


def test_non_finite_loss_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    wild = replace(SETTINGS, learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(
        TuneError, match=r"the loss is not finite at step 2: lower TrainConfig.learning_rate; .*step 1 is valid"
    ):
        trained_in(tmp_path, without_held_out(bench), wild)
    assert RunDir(tmp_path, {}, resume=True).step == 1


def test_non_finite_score_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    wild = replace(SETTINGS, learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(TuneError, match="the scores of held-out examples are not finite at step 1"):
        trained_in(tmp_path, bench, wild)


def test_held_out_data_is_for_the_same_model_and_not_trained_on(bench: Bench, files: tuple[Path, Path]) -> None:
    dataset, held_out = (TokenizedDataset.from_file(path, bench.tokenizer, max_length=4096) for path in files)
    assert TrainingData.from_datasets(dataset, held_out, bench.tokenizer) == bench.data
    assert TrainingData.from_datasets(dataset, None, bench.tokenizer).held_out == ()
    with pytest.raises(InputError, match=r"^8 conversations of the held-out examples are trained on: prepare"):
        TrainingData.from_datasets(dataset, dataset, bench.tokenizer)
    with pytest.raises(InputError, match=r"^the held-out examples are for x, and the others for llama-guard-3-8b$"):
        TrainingData.from_datasets(dataset, replace(held_out, template="x"), bench.tokenizer)


def test_examples_are_counted_as_they_are_tokenized(bench: Bench, files: tuple[Path, Path]) -> None:
    seen: list[int] = []
    dataset = TokenizedDataset.from_file(files[1], bench.tokenizer, max_length=4096, on_example=seen.append)
    assert seen == list(range(1, 1 + len(dataset.examples)))


def test_manifest_names_all_that_the_adapter_depends_on(bench: Bench, files: tuple[Path, Path]) -> None:
    dataset, held_out = (TokenizedDataset.from_file(path, bench.tokenizer, max_length=4096) for path in files)
    assert training_manifest(bench.base, dataset, held_out, SETTINGS) == {
        "template": "llama-guard-3-8b",
        "base": bench.base.fingerprint(),
        "data": dataset.sha256,
        "held_out": held_out.sha256,
        "init_from": None,
        "sampler": "by prefix",
        **SETTINGS.as_json(),
    }


def initial(folder: Path, bench: Bench, settings: TrainConfig = SHORT) -> InitialAdapter:
    return InitialAdapter.from_folder(folder, bench.base, settings)


def test_examples_of_several_policies_and_pairs_train_together(bench: Bench, tmp_path: Path) -> None:
    """Prepared by several commands and joined by `cat`: each step has pairs whole."""
    template = TEMPLATES[TEMPLATE]
    lines = []
    for name in ("llama-guard-3", "llama-guard-2"):
        policy = Taxonomy.load(name)
        asked = [record(f"How do I make {word}?", at, label="safe") for at, word in enumerate(("tea", "rope"))]
        group = [replace(labeled(one, policy), pair="p") for one in asked]
        examples = make_examples(group, template, policy, AugmentConfig(), copies=2, seed=0)
        lines += [f"{example.to_json()}\n" for example in examples]
    path = tmp_path / "mix.jsonl"
    path.write_text("".join(lines))
    dataset = TokenizedDataset.from_file(path, bench.tokenizer, max_length=4096)
    assert (len(dataset.examples), len(set(prefix_labels(dataset.examples)))) == (12, 6)
    assert {example.pair for example in dataset.examples} == {("a.jsonl", "p")}
    data = TrainingData(dataset.examples, (), bench.data.verdict_ids)
    run, _ = trained_in(tmp_path / "run", replace(bench, data=data), replace(SETTINGS, epochs=1.0))
    assert (run.step, len(losses_of(run))) == (6, 6)


def losses_of(run: RunDir) -> list[float]:
    return [entry["loss"] for entry in read_log(run.folder) if "loss" in entry]


def test_run_starts_with_the_adapter_of_another(bench: Bench, trained: RunDir, tmp_path: Path) -> None:
    """Its scores before the first step are those of the best checkpoint, and its optimizer is new."""
    start = initial(trained.folder, bench)
    (run, seen), (again, _) = (trained_in(tmp_path / name, bench, start=start) for name in ("a", "b"))
    assert seen[0].auprc == pytest.approx(max(evaluation.auprc for evaluation in trained.evaluations[1:]))
    assert adapter_of(run) == adapter_of(again) != adapter_of(trained)
    model = LoraModel(bench.base, SHORT)
    model.load_adapter(start.folder)
    indices = next(sample_batches(prefix_labels(bench.data.train), batch_size=2, epochs=0.5, seed=SHORT.seed))
    loss = model.train_step([bench.data.train[index] for index in indices], learning_rate=SHORT.learning_rate)
    assert losses_of(run)[0] == pytest.approx(loss.total)
    assert losses_of(run)[0] < losses_of(trained)[0]


def test_run_that_started_with_an_adapter_resumes(bench: Bench, trained: RunDir, tmp_path: Path) -> None:
    start = initial(trained.folder, bench)
    settings = replace(SHORT, checkpoint_every=2)
    whole, _ = trained_in(tmp_path / "whole", bench, settings, start=start)
    for stop in (1, 3):
        trained_in(tmp_path / f"{stop}", bench, settings, start=start, stop=stop)
        resumed, _ = trained_in(tmp_path / f"{stop}", bench, settings, start=start, resume=True)
        assert adapter_of(resumed) == adapter_of(whole)


def test_manifest_has_the_digest_of_the_adapter_that_a_run_starts_with(
    bench: Bench, trained: RunDir, files: tuple[Path, Path]
) -> None:
    dataset = TokenizedDataset.from_file(files[0], bench.tokenizer, max_length=4096)
    start = initial(trained.folder, bench)
    digest = hashlib.sha256((start.folder / ADAPTER_FILE).read_bytes()).hexdigest()
    assert training_manifest(bench.base, dataset, None, SHORT, start)["init_from"] == digest


# At this rate no score changes its rank: no evaluation is better than the one before the first step.
IMPATIENT = replace(SETTINGS, learning_rate=1e-12, checkpoint_every=2, patience=2)


def test_run_ends_when_its_patience_is_exhausted(bench: Bench, tmp_path: Path) -> None:
    run, seen = trained_in(tmp_path, bench, IMPATIENT)
    assert [(one.step, one.saved, one.stopped) for one in seen] == [
        (0, False, False), (1, False, False), (2, True, False), (3, False, False), (4, True, True),
    ]  # fmt: skip
    assert (run.step, seen[-1].num_steps) == (4, 12)
    assert trained_in(tmp_path, bench, IMPATIENT, resume=True)[1] == []


def test_resumed_run_remembers_its_evaluations(bench: Bench, tmp_path: Path) -> None:
    trained_in(tmp_path, bench, IMPATIENT, stop=3)
    assert [one.step for one in trained_in(tmp_path, bench, IMPATIENT, resume=True)[1]] == [3, 4]


@pytest.mark.parametrize(
    ("auprcs", "patience", "exhausted"),
    [
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.6], 1, False),
        ([0.5, 0.7, 0.6, 0.7], 2, True),
        ([0.5, 0.7, 0.6, 0.7], 3, False),
        ([0.9, 0.1, 0.2, 0.3], 3, True),
        ([0.9, 0.1, 0.2, 0.3], None, False),
    ],
)
def test_patience(auprcs: list[float], patience: int | None, exhausted: bool) -> None:
    evaluations = [HeldOutScore(step, auprc) for step, auprc in enumerate(auprcs)]
    assert patience_exhausted(evaluations, patience) is exhausted


def test_data_without_examples_or_of_one_label_is_rejected(bench: Bench) -> None:
    safe = [example for example in bench.data.train if not example.unsafe]
    with pytest.raises(InputError, match="there are no examples to train on"):
        TrainingData((), (), bench.data.verdict_ids)
    with pytest.raises(InputError, match="the held-out examples are all of one label: AUPRC needs"):
        TrainingData(bench.data.train, safe, bench.data.verdict_ids)
