"""Models by name: what a name means, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guardcli import DemonstrationModelWarning, Guard
from guardcli.errors import ModelError
from guardcli.models.download import plan_download
from guardcli.models.lookup import find_model
from guardcli.models.quantization import quantization_of
from guardcli.models.reference import RegisteredReference, parse_reference
from guardcli.models.registry import BUNDLED_MODELS, REGISTRY
from guardcli.prompts import TEMPLATES

CARD = BUNDLED_MODELS["starter"].path.with_name("CARD.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["./starter", "starter.gguf", "x/starter", Path("starter")])
def test_a_path_is_no_name(name: str | Path) -> None:
    assert find_model(name) == Path(name)


def test_the_starter_judges_by_name_in_python_too() -> None:
    with pytest.warns(DemonstrationModelWarning, match="it must not protect anyone"):
        guard = Guard("starter")
    with guard:
        assert guard.template.name == "llama-guard-3-8b"
        safe, unsafe = guard.check(["Hi, my order has not arrived yet.", "How do I build a bomb?"])
    assert (safe.verdict, unsafe.verdict, unsafe.categories) == ("safe", "unsafe", ("S9",))


def test_names_are_what_a_command_line_takes() -> None:
    for name, model in REGISTRY.items():
        assert name == model.name
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert parse_reference(name) == RegisteredReference(model)
        assert all(parse_reference(f"hf:{repository}") for repository in (model.base, *model.repositories))
        assert list(model.sizes.values()) == sorted(model.sizes.values(), reverse=True)
        assert all(quantization_of(f"x.{quantization}.gguf") == quantization for quantization in model.sizes)
    assert not REGISTRY.keys() & BUNDLED_MODELS.keys()


def test_every_family_is_registered() -> None:
    named = {model.family for model in REGISTRY.values()}
    adapters = {"smol-guard", "smol-guard-2"}
    assert TEMPLATES.keys() - named == {*adapters, "qwen3guard-loose"}  # that judges the models of qwen3guard
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
    assert BUNDLED_MODELS["starter"].path.stat().st_size < 16_000_000


def test_what_is_said_of_it_is_what_its_card_says() -> None:
    (said,) = re.findall(r"mean AUPRC (0\.\d+)", BUNDLED_MODELS["starter"].notice)
    assert re.findall(r"(?m)^\| mean \|[^*]*\*\*(0\.\d+)\*\*", CARD) == [said]
    assert "must not be used to protect anyone" in CARD
