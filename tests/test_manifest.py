"""What a run is made of, and how a difference is told."""

from __future__ import annotations

from typing import Any

import pytest

from guardcli.audit.manifest import differences

BEFORE: dict[str, Any] = {
    "version": 1,
    "model": "abc",
    "template": "llama-guard-3-8b",
    "per_category": False,
    "taxonomy": {"name": "policy", "prompt": "1", "decision": "2"},
    "threshold": 0.5,
    "engine": {"ctx_size": 1024, "threads": 1, "cells": 2304},
    "options": {"as_user": ["system", "tool"], "scores": True, "gpu_layers": None},
    "requests": [],
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
        ({"taxonomy": {"prompt": "7"}}, ["the policy policy was edited"]),
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
    assert differences(BEFORE, changed(**changes)) == told
