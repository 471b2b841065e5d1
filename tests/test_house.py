"""The house keeps its order: layers, doors and light imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardcli.cli.main import _COMMANDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "guardcli"

# From the ground up; a module may import from its own row only inside its own package, and from rows below.
ROWS = [
    {"errors", "environment"},
    {"conversation"},
    {"text"},
    {"files", "formats"},
    {"taxonomy"},
    {"prompts"},
    {"models"},
    {"engine"},
    {"judging"},
    {"audit", "evaluation"},
    {"distributed", "training"},
    {"report"},
    {"cli"},
    {"__main__", "__init__"},
]

# Each outside library has its doors, and is imported nowhere else.
DOORS = {
    "llama_cpp": {"models", "engine"},
    "numpy": {"engine", "evaluation", "models", "judging"},
    "yaml": {"taxonomy"},
    "click": {"cli"},
    "rich": {"report"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "pyarrow": {"formats"},
    "zstandard": {"formats"},
    "torch": {"training"},
    "transformers": {"training"},
    "peft": {"training"},
    "tokenizers": {"training"},
    "safetensors": {"training"},
    "gguf": {"training"},
    "huggingface_hub": {"models"},
    "ray": {"distributed"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def house_of(path: Path) -> str:
    """The first name below the package: a module, or the package that it is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def row_of(house: str) -> int:
    return next(number for number, row in enumerate(ROWS) if house in row)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    house = house_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "guardcli" or parts[1] in ("__version__", house):
            continue
        assert row_of(parts[1]) < row_of(house), f"{house} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outside_libraries_come_in_by_their_doors(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        if library in sys.stdlib_module_names or library == "guardcli":
            continue
        assert house_of(path) in DOORS[library], f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not text or ast.get_docstring(ast.parse(text))


# Names that say nothing to somebody who knows the field; each had a better one.
PRIVATE_NOUNS = {
    "Ahead", "Aim", "Fitted", "Held", "How", "Known", "Largest", "Natives", "Primed", "Sifted", "Standing", "Trust",
    "ahead", "found", "held", "sieve", "sifted",
}  # fmt: skip
ALIASES = {("numpy", "np"), ("numpy.typing", "npt"), ("libggml", "_ggml"), ("importlib.metadata", "metadata")}


def names(path: Path) -> Iterator[str]:
    """The modules, classes, functions, parameters and variables that a file names."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_are_the_fields(path: Path) -> None:
    assert not PRIVATE_NOUNS.intersection(names(path))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_is_renamed(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    aliases = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    assert {(alias.name, alias.asname) for alias in aliases if alias.asname not in (None, alias.name)} <= ALIASES


def test_no_class_name_stands_for_two_classes() -> None:
    classes = Counter(
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, number in classes.items() if number > 1] == []


def test_there_are_few_rooms() -> None:
    assert len({house_of(path) for path in modules()} - {"__init__", "__main__"}) <= 19


def loaded_by(code: str) -> set[str]:
    command = [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


HELP = "from guardcli.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"


@pytest.mark.parametrize("code", ["import guardcli", HELP])
def test_what_is_light_stays_light(code: str) -> None:
    assert not {"llama_cpp", "numpy", "rich", "yaml", "torch", "ray"} & loaded_by(code)


@pytest.mark.parametrize("command", ["decide", "merge", "models.info", "models.list", "report", "taxonomy"])
def test_commands_without_a_model_do_not_load_llama_cpp(command: str) -> None:
    assert not {"llama_cpp", "numpy", "torch"} & loaded_by(f"import guardcli.cli.{command}")


def test_help_imports_no_command() -> None:
    """How long it takes is measured by `python -m benchmarks.startup`."""
    commands = {module.partition(":")[0] for module, _ in _COMMANDS.values()}
    loaded = loaded_by(HELP)
    assert "guardcli.cli.lazy" in loaded
    assert not commands & loaded
    assert loaded & DOORS.keys() == {"click"}


def test_prompts_can_be_rendered_without_llama_cpp() -> None:
    assert "llama_cpp" not in loaded_by("import guardcli.prompts")
    assert "llama_cpp" not in loaded_by("import guardcli.cli.taxonomy")


def test_an_audit_without_a_cluster_does_not_load_ray() -> None:
    assert "ray" not in loaded_by("import guardcli.distributed, guardcli.cli.audit")


def test_training_loads_its_libraries_only_when_it_uses_them() -> None:
    libraries = {library for library, rooms in DOORS.items() if rooms == {"training"}}
    assert "torch" in libraries
    assert not libraries & loaded_by("import guardcli.training, guardcli.cli.tune.train, guardcli.cli.tune.export")
