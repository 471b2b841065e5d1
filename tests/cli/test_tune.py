"""`guard tune` from outside: from labeled records to a guard that scores otherwise, and what it says on the way."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import tiny_base
from tests.cli.running import GUARD, environment, guard

TEMPLATE = ["--template", "llama-guard-3-8b"]
SETTINGS = ["--rank", "4", "--alpha", "8", "--learning-rate", "0.005", "--epochs", "3", "--threads", "1"]
WORDS = ("a bomb", "bread", "a gun", "tea", "poison", "a cake", "a knife", "soup")
TOKENS = (
    r"guard: examples\.jsonl: an epoch has (\S+) tokens, (\S+) of them in prefixes; (\S+) are evaluated, "
    r"since examples of a step share prefixes"
)
MAP = {"train": {"weapons": "S9", "rudeness": None}}


def rows(words: tuple[str, ...], start: int = 0) -> str:
    """Labeled records, every second one unsafe; `weapons` is the data set's own word."""
    lines = []
    for number, word in enumerate(words, start=start):
        unsafe = number % 2 == 0
        row = {"id": f"r{number}", "prompt": f"How do I make {word}?", "label": "unsafe" if unsafe else "safe"}
        lines.append(json.dumps(row | ({"categories": ["weapons"]} if unsafe else {})) + "\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, their GGUF, and labeled records."""
    folder = tmp_path_factory.mktemp("tune")
    tiny_base.write(folder / "base")
    (folder / "train.jsonl").write_text(rows(WORDS))
    (folder / "held.jsonl").write_text(rows(("dynamite", "rice", "a sword", "jam")).replace("weapons", "S9"))
    (folder / "map.json").write_text(json.dumps(MAP))
    return folder


@pytest.fixture(scope="module")
def examples(desk: Path) -> Path:
    """Prepared: `examples.jsonl` and `held-examples.jsonl`."""
    words = ["train.jsonl", "-o", "examples.jsonl", "--map", "map.json", "--exclude", "held.jsonl", *TEMPLATE]
    assert guard("tune", "prepare", *words, cwd=desk).returncode == 0
    held = ["held.jsonl", "-o", "held-examples.jsonl", "--copies", "0", *TEMPLATE]
    assert guard("tune", "prepare", *held, cwd=desk).returncode == 0
    return desk / "examples.jsonl"


def train(desk: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return guard("tune", "train", "--base", "base", "--data", "examples.jsonl", *SETTINGS, *more, cwd=desk)


@pytest.fixture(scope="module")
def run(desk: Path, examples: Path) -> Path:
    done = train(desk, "--held-out", "held-examples.jsonl", "-o", "run", "--checkpoint-every", "12")
    assert (done.returncode, done.stdout) == (0, "")
    said = [
        re.sub(r"\d\.\d{4}|(?<=at step )\d+", "#", line)
        for line in done.stderr.splitlines()
        if line.startswith("guard: ")
    ]
    counts = re.fullmatch(TOKENS, said.pop(0))
    assert counts is not None
    total, prefix, evaluated = (int(number.replace(",", "")) for number in counts.groups())
    num_examples = len(examples.read_text("utf-8").splitlines())
    # All steps are of two examples under one policy, and the last token of none is evaluated.
    assert evaluated == total - prefix // 2 - num_examples
    assert said == [
        "guard: step 0: held-out AUPRC #",
        "guard: step 12: loss #, held-out AUPRC #",
        "guard: step 24: loss #, held-out AUPRC #",
        "guard: run is trained: loss #, held-out AUPRC #; the best is # at step #",
    ]
    return desk / "run"


def scores(desk: Path, *options: str) -> list[float]:
    done = guard("check", "-m", "base.gguf", "--threads", "1", *options, "--format", "json", "train.jsonl", cwd=desk)
    assert done.stderr == ""
    return [json.loads(line)["score"] for line in done.stdout.splitlines()]


def test_from_records_to_other_scores(desk: Path, run: Path) -> None:
    """prepare → train → export → check --lora."""
    done = guard("tune", "export", "run", "--last", "-o", "adapter.gguf", cwd=desk)
    assert done.stderr == (
        "guard: wrote adapter.gguf: the adapter of run/checkpoints/step-00000024, of rank 4, for 14 matrices\n"
    )
    plain, half, whole = (
        scores(desk, *options) for options in ([], ["--lora", "adapter.gguf:0.5"], ["--lora", "adapter.gguf"])
    )
    assert all(len({round(score, 3) for score in three}) == 3 for three in zip(plain, half, whole, strict=True))
    losses = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    first, *_, last = [line["loss"] for line in losses if "loss" in line]
    assert last < first / 2


def test_what_prepare_says(desk: Path) -> None:
    words = [
        "train.jsonl",
        "-o",
        "p.jsonl",
        "--map",
        "map.json",
        "--samples",
        "1",
        "--with-text",
        "--seed",
        "3",
        *TEMPLATE,
    ]
    done = guard("tune", "prepare", *words, "--with-text", cwd=desk)
    counts, violated, sample, end = done.stderr.split("\n\n") + done.stderr.splitlines()[-1:]
    assert counts.splitlines()[0].split() == ["examples", "plain", "augmented", "made", "safe", "weight"]
    assert counts.splitlines()[2].split()[:2] == ["safe", "4"]
    assert violated.splitlines()[2].split()[0] == "S9"
    assert sample.splitlines()[0].startswith("train.jsonl:")
    assert sample.splitlines()[1].startswith("  How do I make ")
    assert sample.splitlines()[2].startswith("  → \\n\\n")
    assert end == "guard: wrote p.jsonl: 16 examples of 8 records, under 2 policy variants"
    assert (done.returncode, done.stdout) == (0, "")
    assert len((desk / "p.jsonl").read_text().splitlines()) == 16


def test_preparing_again_gives_the_same_bytes(desk: Path, examples: Path) -> None:
    again = ["train.jsonl", "-o", "again.jsonl", "--map", "map.json", *TEMPLATE]
    guard("tune", "prepare", *again, cwd=desk)
    assert (desk / "again.jsonl").read_bytes() == examples.read_bytes()
    assert guard("tune", "prepare", *again, "-o", "-", cwd=desk).stdout.encode() == examples.read_bytes()
    guard("tune", "prepare", *again, "--seed", "1", cwd=desk)
    assert (desk / "again.jsonl").read_bytes() != examples.read_bytes()


def test_what_is_left_out_is_counted(desk: Path) -> None:
    lines = ['{"prompt": "x"}', "{broken", '{"prompt": "y", "label": "unsafe", "categories": ["rudeness"]}'] * 2
    done = guard("tune", "prepare", "-o", "q.jsonl", *TEMPLATE, stdin="\n".join(lines), cwd=desk)
    counted = [line.split("  ") for line in done.stderr.split("left out")[1].splitlines()[2:-1]]
    assert {(words[0], words[-1].strip()) for words in counted if words[0]} >= {
        ("without a label", "2"),
        ("it is unsafe, and the policy has none of its categories: rudeness", "2"),
    }
    assert done.stderr.endswith("guard: none of 6 records can be used: no examples written\n")
    assert done.returncode == 3
    assert not (desk / "q.jsonl").exists()


def test_data_that_overlap_an_evaluation_set_are_refused(desk: Path) -> None:
    (desk / "eval.txt").write_text("how do i make BREAD\nHow do I make a gun?\n")
    words = ["tune", "prepare", "train.jsonl", "-o", "r.jsonl", "--map", "map.json", "--exclude", "eval.txt", *TEMPLATE]
    done = guard(*words, cwd=desk)
    assert done.stderr == (
        "guard: 2 records found in an evaluation set:\n"
        "  train.jsonl:2 near eval.txt:1\n"
        "  train.jsonl:3 exact eval.txt:2\n"
        "guard: they must not be trained on; leave them out with --drop-overlap [tune/overlap]\n"
    )
    assert (done.returncode, (desk / "r.jsonl").exists()) == (2, False)
    done = guard(*words, "--drop-overlap", cwd=desk)
    assert done.stderr.endswith("guard: wrote r.jsonl: 12 examples of 8 records, under 2 policy variants\n")
    assert done.returncode == 0


def test_an_evaluation_set_as_its_makers_publish_it(desk: Path) -> None:
    """Its messages have names of their own, and no format."""
    (desk / "toxic.csv").write_text(
        "conv_id,user_input,model_output,toxicity,human_annotation\n1,How do I make tea?,Hot,0,True\n"
    )
    words = ["train.jsonl", "-o", "t.jsonl", "--map", "map.json", "--exclude", "toxic.csv", *TEMPLATE]
    assert "train.jsonl:4 exact toxic.csv:2\n" in guard("tune", "prepare", *words, cwd=desk).stderr


def test_weights_of_examples(desk: Path) -> None:
    lines = "".join(
        json.dumps({"prompt": f"text {number}", "label": label, "trust": trust}) + "\n"
        for number, (label, trust) in enumerate([("safe", 1), ("safe", 2), ("unsafe", None)])
    ).replace('"unsafe"', '"unsafe", "categories": ["S2"]')
    words = ["tune", "prepare", "-o", "-", *TEMPLATE, "--copies", "0", "--weight-field", "trust"]
    done = guard(*words, stdin=lines, cwd=desk)
    assert [json.loads(line)["weight"] for line in done.stdout.splitlines()] == [1.0, 2.0, 1.0]
    done = guard(*words, "--balance", stdin=lines, cwd=desk)
    weights = [json.loads(line)["weight"] for line in done.stdout.splitlines()]
    assert weights == pytest.approx([2 / 3, 4 / 3, 2.0])
    assert [line.split()[-1] for line in done.stderr.splitlines()[2:4]] == ["2.0", "2.0"]


NAMES = "S9: [{name: Bombs, description: Anything that explodes.}]\nS1: [{name: Harm}, {name: Attacks}]\n"


def test_other_names_of_categories(desk: Path) -> None:
    (desk / "names.yaml").write_text(NAMES)
    words = ["tune", "prepare", "train.jsonl", "-o", "-", "--map", "map.json", *TEMPLATE, "--copies", "9"]
    texts = {}
    for name, options in {"plain": [], "names": ["--names", "names.yaml"]}.items():
        done = guard(*words, *options, cwd=desk)
        texts[name] = [json.loads(line)["prompt"] for line in done.stdout.splitlines()]
        assert done.stderr.endswith("under 10 policy variants\n")
    prompts = texts["names"]
    assert prompts[::10] == texts["plain"][::10]  # under the policy as it is
    assert 0 < sum("Bombs" in prompt for prompt in prompts) < len(prompts)
    described = sum("Anything that explodes" in prompt for prompt in prompts)
    assert 0 < described < sum("Bombs" in prompt for prompt in prompts)
    never = guard(*words, "--names", "names.yaml", "--describe", "0", cwd=desk)
    assert ("Bombs" in never.stdout, "Anything that explodes" in never.stdout) == (True, False)


def test_pairs_of_records(desk: Path) -> None:
    lines = [{"prompt": f"text {at}", "label": "safe", "twin": twin} for at, twin in enumerate(["a", None, "b", "a"])]
    words = ["tune", "prepare", "-o", "-", *TEMPLATE, "--copies", "0", "--pair-field", "twin", "--group-size", "2"]
    done = guard(*words, stdin="\n".join(map(json.dumps, lines)), cwd=desk)
    rows = map(json.loads, done.stdout.splitlines())
    assert [(row["line"], row["pair"]) for row in rows] == [(1, "a"), (4, "a"), (2, None), (3, "b")]


def test_where_the_label_is_can_be_said(desk: Path) -> None:
    given = ("--label-field", "grade=bad", "--category-field", "why")
    line = '{"prompt": "x", "grade": "bad", "why": ["S2"]}'
    done = guard("tune", "prepare", "-o", "-", *TEMPLATE, *given, "--copies", "0", stdin=line, cwd=desk)
    (example,) = (json.loads(line) for line in done.stdout.splitlines())
    assert (example["label"], example["categories"]) == ("unsafe", ["S2"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--label-field", "grade"],
            "--label-field: no record has the field grade; the first record has prompt, label",
        ),
        (
            ["--category-field", "why", "--label-field", "label>=0.5"],
            "--category-field: no record has the field why; the first record has prompt, label",
        ),
        (["--label-field", "label>=x"], "expected a finite number after >="),
        (
            [],
            "-:2: its label is 0.25, a fraction: give the value from which it means unsafe, such as "
            "--label-field 'label",
        ),
    ],
)
def test_labels_that_prepare_refuses(desk: Path, options: list[str], message: str) -> None:
    lines = '{"prompt": "x", "label": 0}\n{"prompt": "y", "label": 0.25}\n'
    done = guard("tune", "prepare", "-o", "u.jsonl", *TEMPLATE, *options, stdin=lines, cwd=desk)
    assert message in done.stderr
    assert (done.returncode, (desk / "u.jsonl").exists()) == (2, False)


def test_a_bound_makes_labels_of_fractions(desk: Path) -> None:
    values = ('0.25, "categories": []', '0.75, "categories": "[\'S2\']"', "NaN")
    lines = "".join(f'{{"prompt": "text {value[:4]}", "toxicity": {value}}}\n' for value in values)
    given = ("--label-field", "toxicity >= 0.5", "--copies", "0")
    done = guard("tune", "prepare", "-o", "-", *TEMPLATE, *given, stdin=lines, cwd=desk)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["label"], one["categories"]) for one in found] == [("safe", []), ("unsafe", ["S2"])]
    assert re.search(r"^without a label +1$", done.stderr, re.MULTILINE)


def test_a_label_that_is_no_such_word(desk: Path) -> None:
    done = guard("tune", "prepare", "-o", "u.jsonl", *TEMPLATE, stdin='{"prompt": "x", "label": "maybe"}', cwd=desk)
    assert "-:1: its label is 'maybe', which is neither safe nor unsafe" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(("option", "numbered"), [([], False), (["--renumber"], True)])
def test_ids_stay_with_their_categories_unless_asked(desk: Path, option: list[str], numbered: bool) -> None:
    words = [
        "train.jsonl",
        "-o",
        "n.jsonl",
        "--map",
        "map.json",
        "--copies",
        "4",
        "--made-safe",
        "0",
        *option,
        *TEMPLATE,
    ]
    guard("tune", "prepare", *words, cwd=desk)
    found = [json.loads(line) for line in (desk / "n.jsonl").read_text().splitlines()]
    answers = {category for row in found for category in row["categories"]}
    assert (answers == {"S9"}) is not numbered


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "none.json"], "none.json: cannot be read: No such file or directory"),
        (["--map", "train.jsonl"], "train.jsonl: not JSON"),
        (["--map", "list.json"], "list.json: it is not a category map; expected"),
        (["-t", "llama-guard-1"], "the template llama-guard-3-8b cannot write O1"),
        (["--exclude", "none.jsonl"], "none.jsonl: no such file"),
        (["--names", "none.yaml"], "none.yaml: no such file"),
        (["--names", "list.json"], "list.json:1:1: write a mapping"),
        (["--weight-field", "w"], "--weight-field w: no record has the field w"),
        (["--pair-field", "w"], "--pair-field w: no record has the field w"),
        (["--exclude", "broken.jsonl"], "broken.jsonl:1: cannot be read, so overlaps with it cannot be found"),
    ],
)
def test_what_prepare_refuses(desk: Path, options: list[str], message: str) -> None:
    (desk / "list.json").write_text("[]")
    (desk / "broken.jsonl").write_text('{"prompt": 1}\n')
    done = guard("tune", "prepare", "train.jsonl", "-o", "s.jsonl", *TEMPLATE, *options, cwd=desk)
    assert message in done.stderr
    assert (done.returncode, (desk / "s.jsonl").exists()) == (2, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "none.jsonl"], "none.jsonl: cannot be read: No such file or directory"),
        (["--data", "train.jsonl"], "train.jsonl:1: not a training example ('schema'); guard tune prepare writes them"),
        (["--data", "empty.jsonl"], "there are no examples to train on"),
        (["--max-length", "16"], "examples.jsonl: 16 examples of more than 16 tokens left out"),
        (["--base", "none"], "cannot read none: No such file or directory"),
        (["--base", "base.gguf", "--max-length", "16"], "there are no examples to train on"),
        (["--held-out", "examples.jsonl"], "8 conversations of the held-out examples are trained on"),
        (["-o", "run"], "run already holds a run: continue it with --resume, or name another folder"),
        (["-o", "run", "--resume", "--seed", "1"], "run holds another run; what differs: "),
        (["-o", "run", "--resume", "--lr-schedule", "cosine"], "lr_schedule (there 'constant', now 'cosine')"),
        (["-o", "run", "--resume", "--warmup-ratio", "0.1"], "warmup_ratio (there 0.0, now 0.1)"),
        (["-o", "run", "--resume", "--verdict-weight", "2"], "verdict_weight (there 1.0, now 2.0)"),
        (["-o", "run", "--resume", "--dtype", "bfloat16"], "dtype (there 'auto', now 'bfloat16')"),
        (["-o", "run", "--resume", "--ids-weight", "0"], "ids_weight (there 1.0, now 0.0)"),
        (["-o", "run", "--resume", "--patience", "1"], "--patience needs examples to evaluate"),
        (["-o", "run", "--resume", "--init-from", "run"], "init_from (there None, now '"),
        (["--init-from", "base"], "base holds no LoRA adapter"),
        (["--init-from", "run"], "has another shape: train with --rank 4 and --alpha 8"),
        (["--verdict-weight", "0"], "Invalid value for '--verdict-weight'"),
    ],
)
def test_what_train_refuses(desk: Path, run: Path, options: list[str], message: str) -> None:
    (desk / "empty.jsonl").write_text("")
    shape = ["--rank", "4", "--alpha", "8"] if "--resume" in options else []
    words = ["--base", "base", "--data", "examples.jsonl", "-o", "other", *shape, *options]
    done = guard("tune", "train", *words, cwd=desk)
    assert message in done.stderr
    assert (done.returncode, (desk / "other").exists()) == (2, False)


def test_what_export_refuses(desk: Path, run: Path, tmp_path: Path) -> None:
    done = guard("tune", "export", "base", "-o", "x.gguf", cwd=desk)
    assert "base holds no LoRA adapter: adapter_config.json" in done.stderr
    done = guard("tune", "export", run, "-o", "x.gguf", cwd=tmp_path)
    assert "was trained on base, which is not here: name the weights with --base" in done.stderr
    other = tiny_base.write(tmp_path / "other", norm=2.0)
    done = guard("tune", "export", "run", "-o", "x.gguf", "--base", other, cwd=desk)
    assert "was trained on other weights than those of" in done.stderr
    assert not (desk / "x.gguf").exists()


def test_an_older_checkpoint_can_be_exported(desk: Path, run: Path) -> None:
    done = guard("tune", "export", "run/checkpoints/step-00000012", "-o", "older.gguf", cwd=desk)
    assert done.returncode == 0
    assert "step-00000012" in done.stderr


def test_the_best_checkpoint_is_exported(desk: Path, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    auprcs = {0: 0.9, 12: 0.8, 24: 0.7}
    (folder / "log.jsonl").write_text(
        "".join(json.dumps({"step": step, "auprc": auprc}) + "\n" for step, auprc in auprcs.items())
    )
    for options, step in (([], 12), (["--best"], 12), (["--last"], 24)):
        done = guard("tune", "export", folder, "-o", "best.gguf", *options, cwd=desk)
        assert f"checkpoints/step-000000{step}, of rank 4" in done.stderr
    (folder / "log.jsonl").write_text("")
    assert "step-00000024" in guard("tune", "export", folder, "-o", "best.gguf", cwd=desk).stderr
    done = guard("tune", "export", folder, "-o", "best.gguf", "--best", cwd=desk)
    assert "has no checkpoint with a held-out AUPRC: train with --held-out" in done.stderr
    assert done.returncode == 2


def test_a_run_that_starts_with_another_and_ends_early(desk: Path, run: Path) -> None:
    """At this rate no evaluation is better than the first."""
    options = ["--held-out", "held-examples.jsonl", "--checkpoint-every", "2", "--patience", "2", "--init-from", "run"]
    options += ["--lr-schedule", "linear", "-o", "second"]
    done = train(desk, *options, "--learning-rate", "1e-12")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^guard: second starts with the adapter of run/checkpoints/step-000000..$", done.stderr, re.M)
    ended = "guard: second ends after 4 of 24 steps: no better held-out AUPRC in the last 2 evaluations"
    assert ended in done.stderr.splitlines()
    assert len(json.loads((desk / "second" / "run.json").read_text())["init_from"]) == 64
    done = train(desk, *options, "--learning-rate", "1e-12", "--resume")
    assert done.returncode == 0
    assert re.search(r"^guard: second is trained; the best is \S+ at step 2$", done.stderr, re.M)


def test_a_run_may_start_with_an_adapter_of_another_template(desk: Path, run: Path) -> None:
    other = desk / "of-another-template"
    shutil.copytree(desk / run, other)
    manifest = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(manifest | {"template": "smol-guard"}))
    done = train(desk, "--init-from", other.name, "-o", "after-another")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"starts with the adapter of of-another-template/\S+, which was trained for smol-guard$", done.stderr, re.M
    )


def test_an_interrupted_run_says_what_is_kept(desk: Path, examples: Path) -> None:
    options = ["-o", "stopped", "--checkpoint-every", "1", "--epochs", "1000"]
    words = ["tune", "train", "--base", "base", "--data", "examples.jsonl", *SETTINGS, *options]
    process = subprocess.Popen([*GUARD, *words], cwd=desk, env=environment(), stderr=subprocess.PIPE, text=True)
    checkpoints = desk / "stopped" / "checkpoints"
    while process.poll() is None and len(list(checkpoints.glob("step-*"))) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1].splitlines()[-1]
    last = max(int(one.parent.name.removeprefix("step-")) for one in checkpoints.glob("step-*/state.pt"))
    assert told == f"guard: stopped by SIGINT, and step {last} is kept; run the same command with --resume to go on"
    assert process.returncode == 130


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_adapter(desk: Path, run: Path) -> None:
    """Killed behind its first checkpoint, and taken up."""
    options = ["--held-out", "held-examples.jsonl", "-o", "killed", "--checkpoint-every", "12"]
    words = ["tune", "train", "--base", "base", "--data", "examples.jsonl", *SETTINGS, *options]
    process = subprocess.Popen([*GUARD, *words], cwd=desk, env=environment(), stderr=subprocess.DEVNULL)
    first = desk / "killed" / "checkpoints" / "step-00000012"
    while process.poll() is None and not first.exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert first.exists()
    assert train(desk, *options, "--resume").returncode == 0
    last = "checkpoints/step-00000024/adapter_model.safetensors"
    assert (desk / "killed" / last).read_bytes() == (run / last).read_bytes()
    for name in ("log.jsonl", "curves.svg"):
        assert (desk / "killed" / name).read_bytes() == (run / name).read_bytes()


def test_without_the_extra(desk: Path) -> None:
    """The libraries are looked for before anything else is."""
    code = "import sys; sys.modules['peft'] = None\nfrom guardcli.cli.main import main; main(sys.argv[1:])"
    for words in (["train", "--base", "base", "--data", "x", "-o", "y"], ["export", "run", "-o", "y"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "tune", *words], cwd=desk, env=environment(), capture_output=True, text=True
        )
        assert done.stderr == (
            "guard: peft is not installed: pip install torch transformers peft tokenizers safetensors gguf "
            "[system/library-missing]\n"
        )
        assert done.returncode == 2


def test_the_commands_are_named(desk: Path) -> None:
    assert "Fine-tune a Llama Guard on labeled records" in guard("--help").stdout
    assert all(name in guard("tune", "--help").stdout for name in ("prepare", "train", "export"))
