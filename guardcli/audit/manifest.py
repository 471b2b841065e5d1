"""What a run is made of: everything that can move a score or a row, by lasting names; and how two of them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from guardcli.audit.blocks import BlockLimits
from guardcli.audit.sources import Source
from guardcli.errors import setting

if TYPE_CHECKING:
    from guardcli.engine import EngineConfig
    from guardcli.formats import ReadOptions
    from guardcli.judging import Guard
    from guardcli.models import ModelConfig

VERSION = 3

# Fields of configs that are not in a manifest, as they move neither a score nor a row by themselves.
MOVES_NOTHING = ("model.adapters",)  # they are in the identity of the model

Json: TypeAlias = Mapping[str, Any]

# What to do so that a setting has a value again: a text with the value in it, or None.
_Remedy: TypeAlias = Callable[[Any], str | None]


def make_manifest(
    guard: Guard,
    *,
    model: ModelConfig,
    engine: EngineConfig,
    reading: ReadOptions,
    requests: Sequence[Source],
    inputs: Sequence[Source],
    units: Json,
    blocks: BlockLimits,
    shard: tuple[int, int],
) -> dict[str, Any]:
    """The manifest of a run: the configs of its guard and of reading, each value that is chosen in the place of the one
    that leaves it open, and what they do not say. `units` tells how the inputs are cut.

        EngineConfig(threads=None)       →  "engine": {"threads": 2, …}
        ModelConfig("models/guard.gguf") →  "model": {"model": "guard@0123456789ab", …}
    """
    by = guard.provenance
    from guardcli.models.llama import build  # llama.cpp is not loaded to read a journal

    made = build()
    calibration = guard.config.calibration
    decided = {
        "threshold": guard.threshold,
        "calibration": None if calibration is None else f"temperature {calibration.temperature!r}",
        "per_category": by.scoring == "per_category",
    }
    chosen = {
        "model": model.to_dict() | {"model": by.model, "template": by.template},
        "engine": engine.to_dict() | guard.context_params,
        "judge": guard.config.to_dict() | decided,
        "reading": reading.to_dict(),
    }
    for name in MOVES_NOTHING:
        section, _, field = name.partition(".")
        del chosen[section][field]
    return {
        "version": VERSION,
        **chosen,
        "taxonomy": {"name": by.taxonomy, "prompt": by.prompt_digest, "decision": by.decision_digest},
        "llama_cpp": {"version": made.version, "features": made.features},
        "tolerance": guard.measure_tolerance(),
        "requests": [source.as_json() for source in requests],
        "units": dict(units),
        "blocks": asdict(blocks),
        "shard": list(shard),
        "inputs": [source.as_json() for source in inputs],
    }


def describe_differences(before: Json, after: Json) -> list[str]:
    """What differs, each with the setting that undoes it: "threads was 1 and is 2: add EngineConfig(threads=1)".

    What depends on another setting, as the size of the KV cache does on `max_prompt_tokens`, is left out.
    """
    if before.get("version") != after.get("version"):
        return ["it was started by another version of guard"]
    differences = [*_settings(before, after), *_policies(before, after), *_inputs(before, after)]
    return differences or [f"{name} differs" for name in _differing(before, after)]


def only_inputs_changed(before: Json, after: Json) -> bool:
    """Whether all that differs is the content of inputs, or of files of requests, that both runs name."""
    if before.get("version") != after.get("version") or any(_settings(before, after)) or any(_policies(before, after)):
        return False
    differing = [name for name in ("inputs", "requests") if before.get(name) != after.get(name)]
    return bool(differing) and all(_paths(before, name) == _paths(after, name) for name in differing)


def _paths(manifest: Json, name: str) -> list[str]:
    return [one["path"] for one in manifest.get(name) or ()]


def block_tokens_of(manifest: Json | None) -> int | None:
    """The limit of a block in the manifest of a run that is resumed; None if it does not tell."""
    tokens = _part(manifest or {}, "blocks").get("tokens")
    return tokens if isinstance(tokens, int) and tokens > 0 else None


def _settings(before: Json, after: Json) -> Iterator[str]:
    flat_before, flat_after = _flat(before), _flat(after)
    for name, remedy in _REMEDIES.items():
        old, new = flat_before.get(name), flat_after.get(name)
        if old != new:
            label = _LABELS.get(name) or name.rpartition(".")[2].replace("_", " ")
            yield f"{label} was {_shown(old)} and is {_shown(new)}: {remedy(old)}"


def _policies(before: Json, after: Json) -> Iterator[str]:
    old, new = _part(before, "taxonomy"), _part(after, "taxonomy")
    if old.get("name") == new.get("name") and old != new:
        yield f"the policy {_shown(old.get('name'))} was edited"


def _inputs(before: Json, after: Json) -> Iterator[str]:
    for name in ("inputs", "requests"):
        old = {one["path"]: one for one in before.get(name) or ()}
        new = {one["path"]: one for one in after.get(name) or ()}
        what = "input" if name == "inputs" else "file of requests"
        yield from (f"the {what} {path} is missing: name it again" for path in old if path not in new)
        yield from (f"{path} is a new {what}: leave it out" for path in new if path not in old)
        yield from (f"the content of {path} changed" for path in old if path in new and old[path] != new[path])
        if list(old) != list(new) and old.keys() == new.keys():
            yield f"the order of the {what}s changed"


def _differing(before: Json, after: Json) -> list[str]:
    old, new = _flat(before), _flat(after)
    return [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]


def _flat(manifest: Json) -> dict[str, Any]:
    """The values by dotted names, one level deep."""
    return {
        f"{name}.{inner}" if inner else name: value
        for name, outer in manifest.items()
        for inner, value in (outer.items() if isinstance(outer, dict) else [("", outer)])
    }


def _part(manifest: Json, name: str) -> Json:
    part = manifest.get(name)
    return part if isinstance(part, dict) else {}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "not given" if value is None else str(value)


def _value(key: str) -> _Remedy:
    """A setting with a value, or with several."""
    return lambda value: f"drop {setting(key)}" if value in (None, []) else f"add {setting(key, value)}"


def _flag(key: str) -> _Remedy:
    return lambda value: f"add {setting(key, True)}" if value else f"drop {setting(key)}"


def _shard(value: Any) -> str:
    if value == [1, 1]:
        return f"drop {setting('audit.shard')}"
    return f"add {setting('audit.shard', '/'.join(map(str, value or ())))}"


_LABELS = {
    "taxonomy.name": "taxonomy",
    "llama_cpp.version": "llama-cpp-python",
    "llama_cpp.features": "llama.cpp's build",
    "judge.text": "show text",
    "reading.format": "input format",
    "reading.text_fields": "text field",
    "units.bytes": "the size of a unit",
    "blocks.tokens": "the size of a block",
}

# Every field of a config that is in a manifest, and what else is set; in the order in which it is reported.
_REMEDIES: dict[str, _Remedy] = {
    "model.model": lambda value: (
        f"name that model with ModelConfig.model, and its adapters with ModelConfig.adapters ({value})"
    ),
    "model.template": _value("ModelConfig.template"),
    "taxonomy.name": _value("Guard.taxonomy"),
    "judge.per_category": _flag("JudgeConfig.per_category"),
    "judge.calibration": lambda value: (
        f"name that file with JudgeConfig.calibration ({value})" if value else "drop JudgeConfig.calibration"
    ),
    "judge.threshold": _value("JudgeConfig.threshold"),
    "llama_cpp.version": lambda value: f"install llama-cpp-python {value}",
    "llama_cpp.features": lambda value: "resume it on the machine where it was started",
    "engine.max_prompt_tokens": _value("EngineConfig.max_prompt_tokens"),
    "engine.parallel": _value("EngineConfig.parallel"),
    "engine.threads": _value("EngineConfig.threads"),
    "engine.batch_size": _value("EngineConfig.batch_size"),
    "engine.ubatch_size": _value("EngineConfig.ubatch_size"),
    "engine.flash_attention": _value("EngineConfig.flash_attention"),
    "engine.reproducible": _flag("EngineConfig.reproducible"),
    "model.gpu": _value("ModelConfig.gpu"),
    "model.gpu_layers": _value("ModelConfig.gpu_layers"),
    "judge.target": _value("JudgeConfig.target"),
    "judge.as_user": _value("JudgeConfig.as_user"),
    "judge.scores": _flag("JudgeConfig.scores"),
    "judge.keep": _value("JudgeConfig.keep"),
    "judge.text": _flag("JudgeConfig.text"),
    "judge.allow_unverified_model": _flag("JudgeConfig.allow_unverified_model"),
    "judge.max_record_tokens": _value("JudgeConfig.max_record_tokens"),
    "reading.format": _value("ReadOptions.format"),
    "reading.messages_path": _value("ReadOptions.messages_path"),
    "reading.max_record_bytes": _value("ReadOptions.max_record_bytes"),
    "reading.ignore": _value("ReadOptions.ignore"),
    "reading.text_fields": _value("ReadOptions.text_fields"),
    "units.bytes": _value("audit.unit_bytes"),
    "blocks.tokens": _value("audit.block_tokens"),
    "shard": _shard,
}
