"""What a run is made of, and how a difference is told."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from guardcli import Adapter, Calibration, EngineConfig, Guard, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import BlockLimits, Source
from guardcli.audit.manifest import (
    MOVES_NOTHING,
    block_tokens_of,
    describe_differences,
    make_manifest,
    only_inputs_changed,
)
from guardcli.errors import as_options
from guardcli.formats import ReadOptions
from guardcli.models import Model
from guardcli.models.llama import build
from tests.fake import FakeEngine

BEFORE: dict[str, Any] = {
    "version": 3,
    "model": {"model": "abc", "template": "llama-guard-3-8b", "gpu": "auto", "gpu_layers": None},
    "taxonomy": {"name": "policy", "prompt": "1", "decision": "2"},
    "engine": {"max_prompt_tokens": 1024, "threads": 1, "cells": 2304},
    "judge": {
        "as_user": ["system", "tool"],
        "scores": True,
        "threshold": 0.5,
        "calibration": "temperature 2.5",
        "max_record_tokens": 65536,
    },
    "requests": [],
    "units": {"bytes": 4096, "number": 3},
    "blocks": {"records": 512, "tokens": 4096, "prompts": 1},
    "shard": [1, 2],
    "inputs": [{"path": "a", "size": 1, "sha256": "x"}, {"path": "b", "size": 1, "sha256": "y"}],
}


CONFIGS: dict[str, type[ModelConfig | EngineConfig | JudgeConfig | ReadOptions]] = {
    "model": ModelConfig,
    "engine": EngineConfig,
    "judge": JudgeConfig,
    "reading": ReadOptions,
}

CALIBRATION = Calibration(
    temperature=2.5,
    model="tiny@0",
    template="llama-guard-3-8b",
    scoring="verdict",
    taxonomy="llama-guard-2",
    prompt_digest=Taxonomy.load("llama-guard-2").prompt_digest,
)

# Another value of every field, and how what is said of it begins; None: nothing, as it moves nothing.
OTHER_VALUES: dict[str, tuple[Any, str | None]] = {
    "model.model": (
        "other.gguf",
        "model was tiny@0 and is tiny@1: name that model with --model, and its adapters with",
    ),
    "model.template": ("llama-guard-2", "template was llama-guard-3-8b and is llama-guard-2: add --template llama-"),
    "model.adapters": ((Adapter(Path("a.gguf")),), None),
    "model.gpu": ("off", "gpu was auto and is off: add --gpu auto"),
    "model.gpu_layers": (0, "gpu layers was not given and is 0: drop --gpu-layers"),
    "engine.max_prompt_tokens": (512, "max prompt tokens was not given and is 512: drop --max-prompt-tokens"),
    "engine.parallel": (2, "parallel was not given and is 2: drop --parallel"),
    "engine.threads": (2, "threads was 1 and is 2: add --threads 1"),
    "engine.reproducible": (True, "reproducible was off and is on: drop --reproducible"),
    "engine.batch_size": (512, "batch size was not given and is 512: drop --batch-size"),
    "engine.ubatch_size": (512, "ubatch size was not given and is 512: drop --ubatch-size"),
    "engine.flash_attention": ("off", "flash attention was auto and is off: add --flash-attention auto"),
    "judge.target": ("last", "target was any and is last: add --target any"),
    "judge.calibration": (CALIBRATION, "calibration was not given and is temperature 2.5: drop --calibration"),
    "judge.threshold": (0.25, "threshold was 0.5 and is 0.25: add --threshold 0.5"),
    "judge.as_user": (frozenset({"tool"}), "as user was none and is tool: drop --as-user"),
    "judge.scores": (True, "scores was off and is on: drop --scores"),
    "judge.per_category": (True, "per category was off and is on: drop --per-category"),
    "judge.keep": (("id",), "keep was none and is id: drop --keep"),
    "judge.text": (True, "show text was off and is on: drop --with-text"),
    "judge.allow_unverified_model": (True, "allow unverified model was off and is on: drop --allow-unverified-model"),
    "judge.max_record_tokens": (9, "max record tokens was 65536 and is 9: add --max-record-tokens 65536"),
    "reading.format": ("lines", "input format was not given and is lines: drop --input-format"),
    "reading.messages_path": ("chat", "messages path was not given and is chat: drop --messages-path"),
    "reading.max_record_bytes": (2048, "max record bytes was 1048576 and is 2048: add --max-record-bytes 1048576"),
    "reading.ignore": ("note", "ignore was not given and is note: drop --ignore"),
    "reading.text_fields": (("note",), "text field was none and is note: drop --text-field"),
}


def manifest_of(loaded: Model, name: str | None = None) -> dict[str, Any]:
    """The manifest of an audit with one field of a config changed, on an engine that says how many threads it has."""
    values: dict[str, dict[str, Any]] = {section: {} for section in CONFIGS} | {"model": {"model": "tiny.gguf"}}
    if name is not None:
        section, _, field = name.partition(".")
        values[section][field] = OTHER_VALUES[name][0]
    configs: dict[str, Any] = {section: CONFIGS[section](**values[section]) for section in CONFIGS}
    engine = FakeEngine(lambda text: 0.0)
    engine.context_params = {"threads": configs["engine"].threads or 1}
    loaded = replace(
        loaded,
        identity="tiny@1" if name == "model.model" else "tiny@0",
        template=configs["model"].template or loaded.template,
    )
    with Guard(loaded, "llama-guard-2", config=configs["judge"], engine=engine) as guard:
        return make_manifest(
            guard,
            model=configs["model"],
            engine=configs["engine"],
            reading=configs["reading"],
            requests=[],
            inputs=[Source("a", 1, "x")],
            units={"bytes": 4096, "number": 3},
            blocks=BlockLimits(),
            shard=(1, 2),
        )


def test_the_values_below_are_of_every_field() -> None:
    """A field that is added to a config has to be added here, and so to the manifest, or to what moves nothing."""
    names = {f"{section}.{field.name}" for section, config in CONFIGS.items() for field in fields(config)}
    assert set(OTHER_VALUES) == names


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_another_value_of_a_field_is_another_run(model: Model, name: str) -> None:
    """Unless it moves nothing; and what is said of it names the option that undoes it."""
    before, after = manifest_of(model), manifest_of(model, name)
    told = OTHER_VALUES[name][1]
    assert json.loads(json.dumps(after)) == after
    assert [before == after, told is None] == [name in MOVES_NOTHING] * 2
    if told is not None:
        (difference,) = map(as_options, describe_differences(before, after))
        assert difference.startswith(told)


def test_the_manifest_of_an_audit(model: Model) -> None:
    built, taxonomy = build(), Taxonomy.load("llama-guard-2")
    assert manifest_of(model) == {
        "version": 3,
        "model": {"model": "tiny@0", "template": "llama-guard-3-8b", "gpu": "auto", "gpu_layers": None},
        "engine": EngineConfig(threads=1).to_dict(),
        "judge": JudgeConfig(threshold=0.5).to_dict(),
        "reading": ReadOptions().to_dict(),
        "taxonomy": {
            "name": "llama-guard-2",
            "prompt": taxonomy.prompt_digest,
            "decision": taxonomy.decision_digest,
        },
        "llama_cpp": {"version": built.version, "features": built.features},
        "tolerance": 0.0,
        "requests": [],
        "units": {"bytes": 4096, "number": 3},
        "blocks": {"records": 512, "tokens": 131072, "prompts": 1},
        "shard": [1, 2],
        "inputs": [{"path": "a", "size": 1, "sha256": "x"}],
    }


def changed(**changes: Any) -> dict[str, Any]:
    return {
        name: value | changes.get(name, {}) if isinstance(value, dict) else changes.get(name, value)
        for name, value in BEFORE.items()
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"version": 2}, ["it was started by another version of guard"]),
        ({"version": 4}, ["it was started by another version of guard"]),
        ({"engine": {"threads": 2}}, ["threads was 1 and is 2: add --threads 1"]),
        (
            {"judge": {"calibration": "temperature 3.0"}},
            [
                "calibration was temperature 2.5 and is temperature 3.0: name that file with --calibration "
                "(temperature 2.5)"
            ],
        ),
        (
            {"engine": {"max_prompt_tokens": 512, "cells": 1280}},
            ["max prompt tokens was 1024 and is 512: add --max-prompt-tokens 1024"],
        ),
        ({"engine": {"cells": 1280}}, ["engine.cells differs"]),
        ({"judge": {"scores": False}}, ["scores was on and is off: add --scores"]),
        ({"model": {"gpu_layers": 3}}, ["gpu layers was not given and is 3: drop --gpu-layers"]),
        (
            {"judge": {"as_user": []}},
            ["as user was system, tool and is none: add --as-user system --as-user tool"],
        ),
        (
            {"judge": {"max_record_tokens": 9}},
            ["max record tokens was 65536 and is 9: add --max-record-tokens 65536"],
        ),
        ({"taxonomy": {"prompt": "7"}}, ["the policy policy was edited"]),
        ({"units": {"bytes": 1, "number": 9}}, ["the size of a unit was 4096 and is 1: add --unit-bytes 4096"]),
        ({"blocks": {"tokens": 1}}, ["the size of a block was 4096 and is 1: add --block-tokens 4096"]),
        ({"shard": [2, 2]}, ["shard was 1, 2 and is 2, 2: add --shard 1/2"]),
        ({"inputs": BEFORE["inputs"][::-1]}, ["the order of the inputs changed"]),
        (
            {"inputs": [{"path": "a", "size": 1, "sha256": "z"}, {"path": "c", "size": 1, "sha256": "y"}]},
            [
                "the input b is missing: name it again",
                "c is a new input: leave it out",
                "the content of a changed",
            ],
        ),
    ],
)
def test_a_difference_names_the_setting_that_undoes_it(changes: dict[str, Any], told: list[str]) -> None:
    assert list(map(as_options, describe_differences(BEFORE, changed(**changes)))) == told
    assert not only_inputs_changed(BEFORE, changed(**changes))


def test_only_the_content_of_inputs_changed() -> None:
    first, *others = BEFORE["inputs"]
    after = changed(inputs=[{**first, "sha256": "z"}, *others], units={"bytes": 4096, "number": 99})
    assert only_inputs_changed(BEFORE, after)
    assert not only_inputs_changed(BEFORE, BEFORE)


@pytest.mark.parametrize(
    ("manifest", "tokens"),
    [(BEFORE, 4096), (None, None), ({}, None), ({"blocks": []}, None), ({"blocks": {"tokens": "4"}}, None)],
)
def test_the_limit_of_a_block_is_taken_from_the_manifest(manifest: dict[str, Any] | None, tokens: int | None) -> None:
    assert block_tokens_of(manifest) == tokens
