"""The configurations: what they refuse, and that they are JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import guardcli
from guardcli import Adapter, EngineConfig, Guard, JudgeConfig, ModelConfig
from guardcli.models import Model
from guardcli.models.llama import build


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (
            ModelConfig(Path("a.gguf")),
            {"model": "a.gguf", "template": None, "adapters": [], "gpu": "auto", "gpu_layers": None},
        ),
        (
            ModelConfig(
                "smol", template="llama-guard-3-8b", adapters=(Adapter(Path("b"), 0.5),), gpu="off", gpu_layers=0
            ),
            {
                "model": "smol",
                "template": "llama-guard-3-8b",
                "adapters": [{"path": "b", "scale": 0.5}],
                "gpu": "off",
                "gpu_layers": 0,
            },
        ),
        (
            EngineConfig(threads=2, reproducible=True),
            {
                "max_prompt_tokens": None,
                "parallel": None,
                "threads": 2,
                "reproducible": True,
                "batch_size": None,
                "ubatch_size": None,
                "flash_attention": "auto",
            },
        ),
        (
            JudgeConfig(as_user=frozenset({"tool", "system"}), keep=("id",), threshold=0.25),
            {
                "target": "any",
                "threshold": 0.25,
                "calibration": None,
                "as_user": ["system", "tool"],
                "scores": False,
                "per_category": False,
                "keep": ["id"],
                "text": False,
                "allow_unverified_model": False,
                "max_record_tokens": 65536,
            },
        ),
    ],
)
def test_a_config_as_json(config: ModelConfig | EngineConfig | JudgeConfig, values: dict[str, Any]) -> None:
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict() == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"template": "x"}, "unknown template 'x'; expected one of llama-guard-1, "),
        ({"gpu": "on"}, "invalid gpu 'on'; expected one of auto, require, off"),
        ({"gpu_layers": -1}, "invalid gpu_layers -1; expected at least 0"),
    ],
)
def test_models_that_cannot_be_asked_for(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig("a.gguf", **values)


def test_an_engine_that_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="expected one of auto, on, off"):
        EngineConfig(flash_attention="yes")  # type: ignore[arg-type]


def test_tolerances_that_were_measured_by_an_earlier_version_are_found(model: Model, tmp_path: Path) -> None:
    """The key has the names of that version."""
    cache = tmp_path / "cache.json"
    offloaded = model.llama.offloaded
    key = (
        f"('tolerance 2', {model.identity!r}, {model.template!r}, {build()!r}, {offloaded!r}, "
        "Options(ctx_size=None, parallel=None, threads=1, reproducible=False, batch_size=None, ubatch_size=None, "
        "flash_attention='auto'))"
    )
    cache.write_text(json.dumps({key: "0.125"}))
    with Guard(model, "llama-guard-3", engine=EngineConfig(threads=1), cache=cache) as guard:
        assert guard.measure_tolerance() == 0.125


def test_the_package_lists_its_names() -> None:
    assert dir(guardcli) == sorted([*guardcli.__all__, "__version__"])
    assert {"Guard", "Taxonomy", "Verdict", "ModelConfig", "EngineConfig", "JudgeConfig"} < set(dir(guardcli))
    assert [name for name in guardcli.__all__ if not getattr(guardcli, name).__doc__] == []


def test_the_package_says_that_it_is_typed() -> None:
    """By the file in which type checkers look for that; hatchling packs it as it packs every file of the package."""
    assert Path(guardcli.__file__).with_name("py.typed").read_bytes() == b""
