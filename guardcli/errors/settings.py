"""The settings of the library, and the options of the commands that set them.

Messages of the library name a setting as Python does. Where the command line shows a message, and where a verdict row
is written, `as_options` puts the option in its place:

    raise EngineConfig.max_prompt_tokens            raise --max-prompt-tokens
    judge the last one: JudgeConfig(target="last")  judge the last one: --target last
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

# A field of a class, or a parameter of a function → the option that sets it.
SETTINGS: dict[str, str] = {
    "ModelConfig.model": "--model",
    "ModelConfig.template": "--template",
    "ModelConfig.adapters": "--lora",
    "ModelConfig.gpu": "--gpu",
    "ModelConfig.gpu_layers": "--gpu-layers",
    "EngineConfig.max_prompt_tokens": "--max-prompt-tokens",
    "EngineConfig.parallel": "--parallel",
    "EngineConfig.threads": "--threads",
    "EngineConfig.reproducible": "--reproducible",
    "EngineConfig.batch_size": "--batch-size",
    "EngineConfig.ubatch_size": "--ubatch-size",
    "EngineConfig.flash_attention": "--flash-attention",
    "Guard.taxonomy": "--taxonomy",
    "JudgeConfig.target": "--target",
    "JudgeConfig.threshold": "--threshold",
    "JudgeConfig.calibration": "--calibration",
    "JudgeConfig.as_user": "--as-user",
    "JudgeConfig.scores": "--scores",
    "JudgeConfig.per_category": "--per-category",
    "JudgeConfig.keep": "--keep",
    "JudgeConfig.text": "--with-text",
    "JudgeConfig.allow_unverified_model": "--allow-unverified-model",
    "JudgeConfig.max_record_tokens": "--max-record-tokens",
    "Taxonomy.load.extends_root": "--extends-root",
    "ReadOptions.format": "--input-format",
    "ReadOptions.messages_path": "--messages-path",
    "ReadOptions.max_record_bytes": "--max-record-bytes",
    "ReadOptions.ignore": "--ignore",
    "ReadOptions.text_fields": "--text-field",
    "Redecision.from_taxonomy.before": "--from-taxonomy",
    "audit.requests": "--requests",
    "audit.shard": "--shard",
    "audit.unit_bytes": "--unit-bytes",
    "audit.block_tokens": "--block-tokens",
    "ClusterConfig.address": "--ray",
    "ClusterConfig.workers": "--workers",
    "ClusterConfig.gpus_per_worker": "--gpus-per-worker",
    "ClusterConfig.mixed": "--mixed",
    "ClusterConfig.keep_parts": "--keep-parts",
    "ClusterConfig.worker_timeout": "--worker-timeout",
    "FieldSpec.label": "--label-field",
    "FieldSpec.categories": "--category-field",
    "FieldSpec.category_bound": '--category-field "FIELD>=NUMBER"',
    "FieldSpec.schema": "--dataset",
    "CategoryMap.load.policy": "--map TAXONOMY=JSON",
    "JudgedSystems.shots": "--shots",
    "JudgedSystems.policies": "--taxonomy",
    "JudgedSystems.steerability": "--steerability",
    "EvalConfig.category_maps": "--map",
    "EvalConfig.slice_by": "--slice-by",
    "EvalConfig.objectives": "--choose-threshold",
    "EvalConfig.threshold": "--threshold",
    "EvalConfig.strict": "--strict",
    "EvalConfig.num_resamples": "--resamples",
    "EvalConfig.seed": "--seed",
    "system_from_field.path": "--score-field",
    "plan_download.quantization": "--quant",
    "PrepareConfig.template": "--template",
    "PrepareConfig.taxonomy": "--taxonomy",
    "PrepareConfig.category_map": "--map",
    "PrepareConfig.copies": "--copies",
    "PrepareConfig.group_size": "--group-size",
    "PrepareConfig.seed": "--seed",
    "PrepareConfig.target": "--target",
    "PrepareConfig.as_user": "--as-user",
    "PrepareConfig.weight_field": "--weight-field",
    "PrepareConfig.pair_field": "--pair-field",
    "PrepareConfig.balance": "--balance",
    "AugmentConfig.made_safe": "--made-safe",
    "AugmentConfig.renumber": "--renumber",
    "AugmentConfig.wordings": "--names",
    "AugmentConfig.describe": "--describe",
    "AugmentConfig.negatives": "--negatives",
    "prepare_examples.evaluation": "--exclude",
    "TrainConfig.lora_rank": "--rank",
    "TrainConfig.lora_alpha": "--alpha",
    "TrainConfig.learning_rate": "--learning-rate",
    "TrainConfig.lr_schedule": "--lr-schedule",
    "TrainConfig.warmup_ratio": "--warmup-ratio",
    "TrainConfig.epochs": "--epochs",
    "TrainConfig.batch_size": "--batch-size",
    "TrainConfig.gradient_accumulation_steps": "--accumulate",
    "TrainConfig.max_length": "--max-length",
    "TrainConfig.verdict_weight": "--verdict-weight",
    "TrainConfig.ids_weight": "--ids-weight",
    "TrainConfig.seed": "--seed",
    "TrainConfig.checkpoint_every": "--checkpoint-every",
    "TrainConfig.patience": "--patience",
    "TrainConfig.dtype": "--dtype",
    "TrainingData.from_datasets.held_out": "--held-out",
    "InitialAdapter.from_folder.folder": "--init-from",
    "RunDir.resume": "--resume",
    "export_gguf.dtype": "--dtype",
}

# Settings whose values are parsed from text.
_PARSERS = {"FieldSpec.label": "LabelField.parse", "audit.shard": "Shard.parse"}

_OWNERS = sorted({key.rpartition(".")[0] for key in SETTINGS}, key=len, reverse=True)
_STRING = r'"(?:[^"\\]|\\.)*"'
_VALUE = rf"…|True|-?\d[\w.+-]*|{_STRING}|\((?:{_STRING},? ?)+\)"
_MENTION = re.compile(
    rf"\b(?P<owner>{'|'.join(map(re.escape, _OWNERS))})"
    rf"(?:\.(?P<field>\w+)|\((?P<name>\w+)=(?:\w+\.parse\((?P<parsed>{_STRING})\)|(?P<value>{_VALUE}))\))"
)


def setting(key: str, value: str | float | Sequence[str] | None = None) -> str:
    """Name a setting in a message, as Python does, and perhaps a value for it.

    >>> setting("EngineConfig.threads"), setting("EngineConfig.threads", 2)
    ('EngineConfig.threads', 'EngineConfig(threads=2)')
    >>> setting("ReadOptions.text_fields", ["a", "b"]), setting("FieldSpec.label", "grade=bad")
    ('ReadOptions(text_fields=("a", "b"))', 'FieldSpec(label=LabelField.parse("grade=bad"))')
    >>> setting("audit.unit_bytes")
    'audit(unit_bytes=…)'

    Raises:
        KeyError: there is no such setting.
    """
    if key not in SETTINGS:
        raise KeyError(key)
    owner, _, name = key.rpartition(".")
    is_function = owner.rpartition(".")[2][0].islower()
    if value is None and not is_function:
        return key
    if value is None:
        literal = "…"
    elif isinstance(value, str):
        literal = _literal(value)
    elif isinstance(value, Sequence):
        literal = f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    else:
        literal = repr(int(value) if isinstance(value, float) and value.is_integer() else value)
    if value is not None and key in _PARSERS:
        literal = f"{_PARSERS[key]}({literal})"
    return f"{owner}({name}={literal})"


def as_options(text: str) -> str:
    """Replace the settings in a message by the options of the command line; all else stays.

    >>> as_options("raise EngineConfig.max_prompt_tokens, or lower EngineConfig(parallel=1)")
    'raise --max-prompt-tokens, or lower --parallel 1'
    >>> as_options('ReadOptions(text_fields=("a b", "c"))')
    "--text-field 'a b' --text-field c"
    """
    return _MENTION.sub(_as_option, text)


def _as_option(match: re.Match[str]) -> str:
    option = SETTINGS.get(f"{match['owner']}.{match['field'] or match['name']}")
    if option is None:
        return match[0]
    value = match["parsed"] or match["value"]
    if value in (None, "…", "True"):
        return option
    try:
        if value.startswith("("):
            values = json.loads(f"[{value[1:-1].rstrip(', ')}]", strict=False)
        else:
            values = [json.loads(value, strict=False) if value.startswith('"') else value]
    except ValueError:  # a message in which somebody else's text looks like a setting
        return match[0]
    return " ".join(f"{option} {shlex.quote(one)}" for one in values)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
