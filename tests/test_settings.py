"""Messages of the library name its settings, and the command line shows them as options."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

import guardcli
from guardcli import EngineConfig, Guard, GuardError, JudgeConfig, ModelConfig, Taxonomy
from guardcli.audit import Shard, audit
from guardcli.cli.main import cli
from guardcli.distributed import ClusterConfig
from guardcli.errors import SETTINGS, as_options, setting
from guardcli.evaluation import EvalConfig, system_from_field
from guardcli.evaluation.datasets import CategoryMap, FieldSpec, LabelField
from guardcli.evaluation.judged_systems import JudgedSystems
from guardcli.formats import ReadOptions
from guardcli.judging.redecision import Redecision
from guardcli.models.download import plan_download
from guardcli.training import InitialAdapter, RunDir, TrainConfig, TrainingData, export_gguf
from guardcli.training.augmentation import AugmentConfig, PrepareConfig, prepare_examples
from tests.cli.running import guard

PACKAGE = Path(guardcli.__file__).parent
OWNERS: dict[str, Callable[..., Any]] = {
    "ModelConfig": ModelConfig,
    "EngineConfig": EngineConfig,
    "Guard": Guard,
    "JudgeConfig": JudgeConfig,
    "Taxonomy.load": Taxonomy.load,
    "ReadOptions": ReadOptions,
    "Redecision.from_taxonomy": Redecision.from_taxonomy,
    "audit": audit,
    "ClusterConfig": ClusterConfig,
    "FieldSpec": FieldSpec,
    "CategoryMap.load": CategoryMap.load,
    "JudgedSystems": JudgedSystems,
    "EvalConfig": EvalConfig,
    "system_from_field": system_from_field,
    "plan_download": plan_download,
    "PrepareConfig": PrepareConfig,
    "AugmentConfig": AugmentConfig,
    "prepare_examples": prepare_examples,
    "TrainConfig": TrainConfig,
    "TrainingData.from_datasets": TrainingData.from_datasets,
    "InitialAdapter.from_folder": InitialAdapter.from_folder,
    "RunDir": RunDir,
    "export_gguf": export_gguf,
}
# Rooms that are the command line's, and files that describe commands or rows.
SPEAK_OF_OPTIONS = ("cli", "report", "errors/codes.py", "errors/settings.py", "judging/verdict_schema.py")
OTHER_TOOLS = ("pip install", "llama-gguf-split")


def options() -> set[str]:
    """Every option of every command."""
    spellings: set[str] = set()
    groups: list[click.Command] = [cli]
    while groups:
        command = groups.pop()
        spellings.update(opt for param in command.params for opt in param.opts)
        if isinstance(command, click.Group):
            context = click.Context(command)
            groups += [one for name in command.list_commands(context) if (one := command.get_command(context, name))]
    return spellings


def library_texts() -> Iterator[tuple[str, str]]:
    """Each file of the library, and each text in it that is not a docstring."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(SPEAK_OF_OPTIONS):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield name, node.value


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_a_field_or_a_parameter(key: str) -> None:
    owner, _, name = key.rpartition(".")
    assert name in inspect.signature(OWNERS[owner]).parameters


def test_every_option_exists() -> None:
    assert {option.split()[0] for option in SETTINGS.values()} <= options()


@pytest.mark.parametrize("config", [ModelConfig, EngineConfig, JudgeConfig, ReadOptions, ClusterConfig, TrainConfig])
def test_every_field_of_a_config_has_an_option(config: Any) -> None:
    assert {f"{config.__name__}.{field.name}" for field in fields(config)} <= SETTINGS.keys()


def test_no_message_of_the_library_names_an_option() -> None:
    option = re.compile(r"(?<![\w-])--[a-z]")
    named = [
        (name, text)
        for name, text in library_texts()
        if option.search(re.sub(r"guard (?:\w+ )+--[a-z-]+", "", text)) and not text.startswith(OTHER_TOOLS)
    ]
    assert [(name, text) for name, text in named if not any(tool in text for tool in OTHER_TOOLS)] == []


def test_messages_name_settings_that_exist() -> None:
    mention = re.compile(rf"\b({'|'.join(map(re.escape, OWNERS))})\.([a-z_]+)")
    named = {f"{match[1]}.{match[2]}" for _, text in library_texts() for match in mention.finditer(text)}
    assert len(named) > 20
    assert named <= SETTINGS.keys()


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("EngineConfig.threads", None, "--threads"),
        ("EngineConfig.threads", 2, "--threads 2"),
        ("JudgeConfig.threshold", 0.25, "--threshold 0.25"),
        ("EngineConfig.reproducible", True, "--reproducible"),
        ("ReadOptions.ignore", 'a "b" \\ \n c', "--ignore 'a \"b\" \\ \n c'"),
        ("ReadOptions.text_fields", ["a", "b, c"], "--text-field a --text-field 'b, c'"),
        ("FieldSpec.label", "toxicity>=0.5", "--label-field 'toxicity>=0.5'"),
        ("audit.shard", "2/8", "--shard 2/8"),
        ("audit.unit_bytes", None, "--unit-bytes"),
    ],
)
def test_a_setting_becomes_its_option(key: str, value: Any, option: str) -> None:
    assert as_options(f"x {setting(key, value)}: y") == f"x {option}: y"


def test_parsers_take_what_messages_say() -> None:
    assert eval(setting("FieldSpec.label", "grade=bad"), {"FieldSpec": FieldSpec, "LabelField": LabelField}) == (
        FieldSpec(label=LabelField("grade", ("bad",)))
    )
    assert Shard.parse("2/8") == Shard(2, 8)


@pytest.mark.parametrize("text", ["EngineConfig", "EngineConfig.nothing", "JudgeConfig(target=last)", "a.EngineConfig"])
def test_other_text_stays(text: str) -> None:
    assert as_options(text) == text


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(KeyError):
        setting("EngineConfig.nothing")


def test_the_library_names_settings_and_the_command_line_options(guard_path: Path) -> None:
    config = JudgeConfig(max_record_tokens=1)
    with Guard(ModelConfig(guard_path, template="llama-guard-3-1b"), config=config) as judge:
        verdict = judge.check_one("How do I bake bread?")
    assert "JudgeConfig.max_record_tokens" in (verdict.error or "")
    assert "--max-record-tokens" in verdict.to_dict()["error"]


def test_errors_on_the_terminal_name_options(tiny_path: Path) -> None:
    done = guard(
        "check", "-m", tiny_path, "--template", "llama-guard-3-1b", "--max-prompt-tokens", "99999", stdin="a\n"
    )
    assert done.stderr.startswith("guard: --max-prompt-tokens 99999: the model was trained on at most")
    with pytest.raises(GuardError, match=r"^EngineConfig\(max_prompt_tokens=99999\): the model was trained"):
        Guard(ModelConfig(tiny_path, template="llama-guard-3-1b"), engine=EngineConfig(max_prompt_tokens=99999))
