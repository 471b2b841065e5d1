"""What a run is made of, and how a difference is told."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.audit.manifest import block_tokens_of, describe_differences

BEFORE: dict[str, Any] = {
    "version": 1,
    "model": "abc",
    "template": "llama-guard-3-8b",
    "per_category": False,
    "taxonomy": {"name": "policy", "prompt": "1", "decision": "2"},
    "threshold": 0.5,
    "engine": {"ctx_size": 1024, "threads": 1, "cells": 2304},
    "options": {"as_user": ["system", "tool"], "scores": True, "gpu_layers": None, "max_record_tokens": 65536},
    "requests": [],
    "units": {"bytes": 4096, "number": 3},
    "blocks": {"records": 512, "tokens": 4096, "prompts": 1},
    "shard": [1, 2],
    "inputs": [{"path": "a", "size": 1, "sha256": "x"}, {"path": "b", "size": 1, "sha256": "y"}],
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
        ({"version": 2}, ["it was begun by another version of guard"]),
        ({"engine": {"threads": 2}}, ["threads was 1 and is 2: add --threads 1"]),
        ({"engine": {"ctx_size": 512, "cells": 1280}}, ["ctx size was 1024 and is 512: add --ctx-size 1024"]),
        ({"engine": {"cells": 1280}}, ["engine.cells differs"]),
        ({"options": {"scores": False}}, ["scores was on and is off: add --scores"]),
        ({"options": {"gpu_layers": 3}}, ["gpu layers was not given and is 3: drop --gpu-layers"]),
        (
            {"options": {"as_user": []}},
            ["as user was system, tool and is none: add --as-user system --as-user tool"],
        ),
        (
            {"options": {"max_record_tokens": 9}},
            ["max record tokens was 65536 and is 9: add --max-record-tokens 65536"],
        ),
        ({"taxonomy": {"prompt": "7"}}, ["the policy policy was edited"]),
        ({"units": {"bytes": 1, "number": 9}}, ["the size of a unit was 4096 and is 1: add --unit-bytes 4096"]),
        ({"blocks": {"tokens": 1}}, ["the size of a block was 4096 and is 1: add --block-tokens 4096"]),
        ({"shard": [2, 2]}, ["shard was 1, 2 and is 2, 2: add --shard 1/2"]),
        ({"inputs": BEFORE["inputs"][::-1]}, ["the inputs come in another order"]),
        (
            {"inputs": [{"path": "a", "size": 1, "sha256": "z"}, {"path": "c", "size": 1, "sha256": "y"}]},
            [
                "the input b is missing: name it again",
                "c is a new input: leave it out",
                "the content of a is another",
            ],
        ),
    ],
)
def test_a_difference_is_told_as_what_undoes_it(changes: dict[str, Any], told: list[str]) -> None:
    assert describe_differences(BEFORE, changed(**changes)) == told


@pytest.mark.parametrize(
    ("manifest", "tokens"),
    [(BEFORE, 4096), (None, None), ({}, None), ({"blocks": []}, None), ({"blocks": {"tokens": "4"}}, None)],
)
def test_the_limit_of_a_block_is_taken_from_the_manifest(manifest: dict[str, Any] | None, tokens: int | None) -> None:
    assert block_tokens_of(manifest) == tokens
