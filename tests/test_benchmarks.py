"""The comparison runs, on a model that it writes itself; its arithmetic and its picture are right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner

from benchmarks import (
    adapter,
    compare,
    contenders,
    families,
    host,
    models,
    picture,
    scale,
    startup,
    stored,
    threads,
    tolerance,
    tuning,
)
from benchmarks.contenders import Machine, Measured
from benchmarks.timing import Timed, interleaved
from benchmarks.workloads import WORKLOADS, Prompt, depth, distinct, marked
from guardcli import Guard, JudgeConfig, Model
from guardcli.models.model_info import special_tokens
from guardcli.prompts import TEMPLATES
from tests import tiny
from tests.cli.running import guard
from tests.engine import requests

TEXTS = [f"question number {n}, and what comes after it?" for n in range(150)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Machine:
    shape = models.Shape(layers=1, width=64, heads=4, kv_heads=2, feed_forward=96)
    folder = tmp_path_factory.mktemp("benchmarks")
    return Machine(models.write(folder / "random.gguf", shape, models.QUANTIZATIONS["q8_0"], tiny_path), 1)


@pytest.fixture(scope="module")
def model(machine: Machine) -> Iterator[Model]:
    with machine.load() as loaded:
        yield loaded


def test_each_stage_of_the_host_is_timed(model: Model, machine: Machine, tmp_path: Path) -> None:
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "host.json"
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in TEXTS))
    arguments = ["--model", str(machine.model), "--prompts", str(prompts), "--rounds", "1", "--times", "1"]
    result = CliRunner().invoke(host.main, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["records"] == len(TEXTS)
    stages = found["stages_alone_microseconds_a_record"]
    assert [*stages] == ["read", "choose_and_encode", "of_it_llama_tokenize", "engine_without_model", "rows", "write"]
    assert all(value > 0 for value in stages.values())


@pytest.mark.parametrize("name", WORKLOADS)
def test_guard_and_the_loop_judge_the_same_prompts(machine: Machine, model: Model, name: str) -> None:
    workload = WORKLOADS[name]
    items = workload.items(TEXTS, model.vocab, 3)
    every = [prompt for item in items for prompt in item.prompts]
    assert len(every) == (3 * 20 if name == "turns" else 3)
    with_verdicts, threshold = contenders.with_verdicts(model, machine, workload, items)
    unsafe = [prompt.unsafe for item in with_verdicts for prompt in item.prompts]
    assert len(unsafe) == len(every)
    assert max(1, len(every) // 5) <= sum(unsafe) <= max(2, len(every) // 4)
    itself = contenders.GuardItself(model, machine, workload, threshold)
    assert itself.run(with_verdicts).seconds > 0
    assert itself.stats.prompt_tokens == sum(len(prompt.tokens) for prompt in every)
    assert itself.stats.prefill_tokens <= 1.01 * distinct([prompt.tokens for prompt in every])
    itself.close()


def test_the_loop_runs(machine: Machine, model: Model) -> None:
    items = WORKLOADS["flat"].items(TEXTS, model.vocab, 3)
    loop = contenders.PlainLoop(machine)
    measured = loop.run(items)
    loop.close()
    tokens = [len(prompt.tokens) for item in items for prompt in item.prompts]
    assert max(tokens) < measured.evaluated < sum(tokens)


def test_the_command_writes_figures_and_a_picture(machine: Machine, tiny_path: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    (tmp_path / "random-small-q8_0.gguf").symlink_to(machine.model)
    done = CliRunner().invoke(
        compare.main,
        ["--vocabulary", str(tiny_path), "--prompts", str(tmp_path / "prompts.txt"), "--models", str(tmp_path),
         "--workload", "flat", "--workload", "turns", "--rounds", "2", "--per-round", "4", "--threads", "1",
         "--out", str(tmp_path / "out.json")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["setting"] == {"shape": "small", "quantization": "q8_0", "where": "1 threads", "rounds": 2}
    assert list(found["workloads"]) == ["flat", "turns"]
    for measured in found["workloads"].values():
        assert [row["name"] for row in measured["contenders"]] == ["guard", "Llama loop"]
        assert measured["evaluated_per_distinct"] <= 1.02
    ElementTree.parse(tmp_path / "out.svg")


def test_distinct_counts_the_nodes_of_the_prefix_tree() -> None:
    rng = random.Random(4)
    for _ in range(200):
        prompts = [tuple(rng.randrange(3) for _ in range(rng.randrange(1, 8))) for _ in range(rng.randrange(1, 9))]
        assert distinct(prompts) == requests.count_unique_tokens(
            [[requests.TokenRequest(prompt) for prompt in prompts]]
        )


def test_depth_is_what_stands_before_what_is_evaluated() -> None:
    prompts = [Prompt(np.array([1, 2, 3, 4, last], dtype=np.int32), 4) for last in (5, 6, 7, 8)]
    assert depth(prompts) == (4 * 5 - 8) // 4


def test_the_highest_scores_are_marked(model: Model) -> None:
    items = WORKLOADS["flat"].items(TEXTS, model.vocab, 5)
    found, threshold = marked(items, [0.1, 0.9, 0.3, 0.8, 0.2], share=0.4)
    assert [prompt.unsafe for item in found for prompt in item.prompts] == [False, True, False, True, False]
    assert threshold == 0.8


ROUNDS = [
    {"guard": Measured(1.0, 100), "slow": Measured(2.0, 300), "llama-bench": Measured(1.0, 200)},
    {"guard": Measured(2.0, 200), "slow": Measured(8.0, 300), "llama-bench": Measured(1.0, 100)},
    {"guard": Measured(1.0, 100), "slow": Measured(3.0, 300), "llama-bench": Measured(1.0, 125)},
]


def test_ratios_are_medians_of_rounds() -> None:
    guard, slow, bench = compare._result(["guard", "slow", "llama-bench"], ROUNDS, 10)
    assert guard == {"name": "guard", "prompts_per_second": 10.0, "tokens_per_second": 100.0, "evaluated": 400,
                     "guard_faster": 1.0}  # fmt: skip
    assert (slow["guard_faster"], slow["prompts_per_second"]) == (3.0, 3.333)
    assert (bench["guard_faster"], bench["prompts_per_second"]) == (0.8, None)


def test_the_table_and_the_picture() -> None:
    result = compare._result(["guard", "slow", "llama-bench"], ROUNDS, 10)
    assert [line.split()[-1] for line in compare._table(result).splitlines()[1:]] == ["1.0", "3.0", "0.8"]
    drawing = ElementTree.fromstring(picture.bars({"flat <": {"contenders": result}}, "a < b"))
    texts = [element.text for element in drawing.iter() if element.tag.endswith("text")]
    assert texts == ["Prompts judged a second (a < b)", "flat <", "guard", "10.00", "slow", "3.33"]


def test_ways_take_turns_and_ratios_are_medians_of_rounds() -> None:
    done: list[str] = []
    interleaved({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 2)
    assert "".join(done) == "ababab"
    assert Timed({"a": [1.0, 2.0, 4.0], "b": [3.0, 4.0, 4.0]}).against("a") == {
        "a": {"milliseconds": 2000.0, "ratio": 1.0},
        "b": {"milliseconds": 4000.0, "ratio": 2.0},
    }


@pytest.mark.slow
def test_startup_and_stored_write_their_figures(tmp_path: Path) -> None:
    for command, options in ((startup.main, []), (stored.main, ["--rows", "40", "--labeled", "40"])):
        out = str(tmp_path / "out.json")
        done = CliRunner().invoke(command, ["--rounds", "1", "--out", out, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        found = json.loads(Path(out).read_text())
        assert [name for name, value in found.items() if isinstance(value, dict)] == list(
            startup.COMMANDS if command is startup.main else [stored.BASE, "guard decide", "guard eval --format html"]
        )


def test_tuning_tells_what_shared_prefixes_save(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="tests of training need the extra dev-tune")
    from tests import tiny_base

    base = tiny_base.write(tmp_path / "base").with_suffix(".gguf")
    rows = [{"prompt": f"{text}?", "label": "safe"} for text in TEXTS]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    options = ["--template", "llama-guard-3-8b", "--copies", "0"]
    prepared = guard("tune", "prepare", "rows.jsonl", "-o", "train.jsonl", *options, cwd=tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    arguments = ["--base", base, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "out.json"]
    arguments += ["--max-length", 4096, "--batch-size", 4, "--threads", 1, "--rounds", 1]
    done = CliRunner().invoke(tuning.main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text())
    ways = (tuning.WHOLE, tuning.FIRST_VERSION, tuning.SHARED)
    whole, first_version, shared = (found[way]["tokens_an_example"] for way in ways)
    evaluated = found["body_tokens"] - 1  # the last one is not
    assert whole == first_version == pytest.approx(found["prefix_tokens"] + evaluated, abs=0.2)
    assert shared == pytest.approx(found["prefix_tokens"] / 4 + evaluated, abs=0.2)
    assert found["loss"][tuning.SHARED] == pytest.approx(found["loss"][tuning.WHOLE], rel=1e-5)
    assert 0 < found["gradient_difference"] < 1e-4


def test_adapter_tells_what_an_adapter_costs(guard_path: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    lora = tiny.write_adapter(tmp_path / "adapter.gguf")
    options = ["--template", "llama-guard-3-8b", "--count", "5", "--threads", "1", "--rounds", "1"]
    files = ["--model", guard_path, "--lora", lora, "--prompts", tmp_path / "prompts.txt", "--out", tmp_path / "o.json"]
    done = CliRunner().invoke(adapter.main, [*map(str, files), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["texts"] == 5
    assert found[adapter.ALONE]["ratio"] == 1
    assert found[adapter.ADAPTED]["ratio"] > 0


def test_the_coverage_of_a_tolerance_is_a_row_a_model(guard_path: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    arguments = ["--model", str(guard_path), "--prompts", str(tmp_path / "prompts.txt"), "--count", "20"]
    for _ in range(2):  # the row of the same model and kernels is replaced
        done = CliRunner().invoke(tolerance.main, [*arguments, "--out", str(tmp_path / "out.json")])
        assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert (row["model"], row["quantization"], row["prompts"], row["floor"]) == ("tiny-guard", "all F32", 20, 0.01)
    assert row["tolerance"] >= row["floor"]
    assert row["movement_p50"] <= row["movement_p99"] <= row["movement_max"]
    assert row["covered"] == 1.0


def test_callers_at_once_are_compared_with_one(guard_path: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    done = CliRunner().invoke(
        threads.main,
        ["--model", str(guard_path), "--prompts", str(tmp_path / "prompts.txt"), "--callers", "4", "--tasks", "8",
         "--calls", "10", "--rounds", "1", "--threads", "1", "--out", str(tmp_path / "out.json")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ways = json.loads((tmp_path / "out.json").read_text())["tiny-guard"]
    assert [ways[name]["answers"] for name in ("one caller", "threads", "tasks")] == [40, 40, 40]
    assert 4 <= ways["threads that leave"]["answers"] <= 40
    assert all(way["ratio"] > 0 for way in ways.values())


def test_a_lost_doubled_or_crossed_verdict_ends_the_comparison(model: Model) -> None:
    config = JudgeConfig(allow_unverified_model=True, text=True)
    with Guard(model, "llama-guard-3", config=config) as guard:
        verdicts = list(guard.check(TEXTS[:3]))
    expected = {verdict.text: verdict for verdict in verdicts}
    threads.check(verdicts, expected, 0.0, every=True)
    threads.check(verdicts[1:], expected, 0.0, every=False)
    crossed = [replace(verdicts[0], text="another"), *verdicts[1:]]
    moved = [replace(verdicts[0], score=(verdicts[0].score or 0.0) / 2), *verdicts[1:]]
    for wrong in (verdicts[1:], [*verdicts, verdicts[0]], crossed, moved):
        with pytest.raises(ClickException):
            threads.check(wrong, expected, 0.01, every=True)


def test_an_audit_of_many_rows_is_resumed(tmp_path: Path) -> None:
    out = tmp_path / "scale.json"
    done = CliRunner().invoke(scale.main, ["--records", "2000", "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["rows"] == 2000
    assert list(found["to nine tenths"]["resident_mb"]) == [str(200 * n) for n in range(1, 10)]
    assert list(found["resumed"]["resident_mb"])[-1] == "2000"


def test_families_are_measured_on_one_model(tmp_path: Path) -> None:
    names = (families.BASE, "shieldgemma", "dynaguard")
    templates = [TEMPLATES[name] for name in families.FAMILIES]
    verdicts = [word for name in names for word in (*TEMPLATES[name].answer.safe, *TEMPLATES[name].answer.unsafe)]
    special = set().union(*map(special_tokens, templates)) - set(tiny.SPECIALS)
    vocabulary = tiny.write(tmp_path / "vocabulary.gguf", special_tokens=sorted(special), verdicts=verdicts)
    shape = models.Shape(layers=1, width=64, heads=4, kv_heads=2, feed_forward=96)
    measured = families.measure(shape, vocabulary, names, count=1, rounds=1)
    assert {name: (one["architecture"], one["prompts_a_message"]) for name, one in measured.items()} == {
        families.BASE: ("llama", 1),
        "shieldgemma": ("gemma2", 4),
        "dynaguard": ("qwen3", 1),
    }
    assert measured[families.BASE]["times_the_base"] == 1
    assert all(one["evaluated_a_message"] > 0 and one["messages_per_cpu_second"] > 0 for one in measured.values())


def test_every_family_has_stored_figures() -> None:
    stored_figures = json.loads((Path(families.__file__).parent / "results" / "families-2-cores.json").read_text())
    assert sorted(stored_figures["families"]) == sorted(families.FAMILIES)
