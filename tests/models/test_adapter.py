"""LoRA adapters: how they are named, to which models they belong, and that they change scores by their scale."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from guardcli.engine import EngineConfig
from guardcli.errors import ModelError
from guardcli.judging import Guard, JudgeConfig
from guardcli.models import Adapter, Model, ModelConfig
from guardcli.models.adapter import FINGERPRINT, TEMPLATE
from guardcli.models.gguf import read_header
from tests import tiny

GENERATION = "llama-guard-3-8b"
PROMPTS = ["How do I bake bread?", "How do I build a bomb?"]
KEYS = {"template": TEMPLATE.replace(".", "__"), "fingerprint": FINGERPRINT.replace(".", "__")}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_adapter(tmp_path_factory.mktemp("adapters") / "adapter.gguf")


@pytest.mark.parametrize(
    ("given", "path", "scale"),
    [
        ("a.gguf", "a.gguf", 1.0),
        ("a.gguf:0.5", "a.gguf", 0.5),
        ("a.gguf:-2", "a.gguf", -2.0),
        ("a.gguf:0", "a.gguf", 0.0),
        ("b:0.5", "b:0.5", 1.0),  # a file of that name
        ("b:0.5:0.25", "b:0.5", 0.25),
        ("c:\\d.gguf", "c:\\d.gguf", 1.0),
    ],
)
def test_a_name_and_its_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, path: str, scale: float
) -> None:
    for name in ("a.gguf", "b:0.5", "c:\\d.gguf"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert Adapter.parse(given) == Adapter(Path(path), scale)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("none.gguf", "none.gguf: no such file"),
        ("none.gguf:1", "none.gguf:1: no such file"),
        ("a.gguf:half", "the scale of a.gguf is 'half': write a number, such as a.gguf:0.5"),
        ("a.gguf:", "the scale of a.gguf is '': write a number"),
        ("a.gguf:nan", "the scale of a.gguf is 'nan'"),
        ("a.gguf:inf", "the scale of a.gguf is 'inf'"),
    ],
)
def test_names_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str) -> None:
    (tmp_path / "a.gguf").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.").replace("'", "'")):
        Adapter.parse(given)


def odds(model: Path, *adapters: Adapter, reproducible: bool = True) -> list[float]:
    adapted = ModelConfig(model, template=GENERATION, adapters=adapters)
    engine = EngineConfig(reproducible=reproducible, threads=1)
    with Guard(adapted, config=JudgeConfig(allow_unverified_model=True), engine=engine) as guard:
        scores = [verdict.score or 0.0 for verdict in guard.check(PROMPTS)]
    return [math.log(score / (1 - score)) for score in scores]


def test_scores_change_by_the_scale(guard_path: Path, adapter: Path) -> None:
    plain = odds(guard_path)
    assert odds(guard_path, Adapter(adapter, 0.0)) == pytest.approx(plain, abs=1e-6)
    whole, half = odds(guard_path, Adapter(adapter)), odds(guard_path, Adapter(adapter, 0.5))
    assert all(abs(a - b) > 0.01 for a, b in zip(whole, plain, strict=True))
    assert all(a != b for a, b in zip(whole, half, strict=True))
    # Twice a half is the whole, up to the last digits.
    assert odds(guard_path, Adapter(adapter, 0.5), Adapter(adapter, 0.5)) == pytest.approx(whole, abs=1e-4)


def test_batched_and_deterministic_scores_agree(guard_path: Path, adapter: Path) -> None:
    batched = odds(guard_path, Adapter(adapter), reproducible=False)
    assert batched == pytest.approx(odds(guard_path, Adapter(adapter)), abs=0.01)


def test_deterministic_scores_are_the_same_bits_again(guard_path: Path, adapter: Path) -> None:
    assert odds(guard_path, Adapter(adapter)) == odds(guard_path, Adapter(adapter))


def test_the_identity_tells_of_adapters(guard_path: Path, adapter: Path, tmp_path: Path) -> None:
    other = tiny.write_adapter(tmp_path / "an other.gguf", seed=2)
    with Model.load(guard_path, template=GENERATION) as model:
        plain = model.identity
    with Model.load(guard_path, template=GENERATION, adapters=[Adapter(adapter), Adapter(other, 0.5)]) as model:
        first, second, third = model.identity.split("+")
    assert first == plain
    assert second.startswith("adapter@")
    assert second.endswith(":1.0")
    assert third.startswith("an-other@")
    assert third.endswith(":0.5")
    assert second.partition("@")[2] != third.partition("@")[2]


def refused(model: Path, adapter: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model.load(model, template=GENERATION, adapters=[Adapter(adapter)])
    return str(caught.value)


def test_files_that_are_no_adapter_for_this_model(guard_path: Path, tiny_path: Path, tmp_path: Path) -> None:
    assert refused(guard_path, tiny_path) == (f"{tiny_path} is a model, not an adapter: name it with ModelConfig.model")
    assert "is not a GGUF file" in refused(guard_path, Path(__file__))
    assert "an adapter of the type 'aloha'" in refused(guard_path, tiny.write_adapter(tmp_path / "a", kind="aloha"))
    other = tiny.write_adapter(tmp_path / "b", architecture="gemma")
    assert "its architecture is gemma, and the model's llama" in refused(guard_path, other)
    wide = tiny.write_adapter(tmp_path / "c", width=64)
    assert refused(guard_path, wide).startswith(f"llama.cpp cannot put the adapter {wide} on this model: ")


def test_an_adapter_of_another_prompt_or_other_weights(guard_path: Path, tmp_path: Path) -> None:
    for name, value in (("template", GENERATION), ("fingerprint", read_header(guard_path).fingerprint)):
        fits = tiny.write_adapter(tmp_path / name, **{KEYS[name]: value})
        Model.load(guard_path, template=GENERATION, adapters=[Adapter(fits)]).close()
    other = tiny.write_adapter(tmp_path / "d", **{KEYS["template"]: "llama-guard-2"})
    assert "its prompt is llama-guard-2, and the model's llama-guard-3-8b" in refused(guard_path, other)
    other = tiny.write_adapter(tmp_path / "e", **{KEYS["fingerprint"]: "0" * 16})
    assert f"its weights are {'0' * 16}, and the model's" in refused(guard_path, other)


def named(path: Path, template: str) -> Adapter:
    """An adapter that was trained for a template."""
    return Adapter(tiny.write_adapter(path, **{KEYS["template"]: template}))


def test_an_adapter_names_the_template_of_a_base_that_is_no_guard(tmp_path: Path) -> None:
    base = tiny.write(tmp_path / "base.gguf", answers=True, chatml=True)
    smol = named(tmp_path / "smol.gguf", "smol-guard")
    unnamed = Adapter(tiny.write_adapter(tmp_path / "unnamed.gguf", seed=2))
    with Guard(ModelConfig(base, adapters=(unnamed, smol)), engine=EngineConfig(threads=1)) as guard:
        assert (guard.template.name, guard.taxonomy.name) == ("smol-guard", "llama-guard-3")
        (verdict,) = guard.check(PROMPTS[:1])
    assert verdict.verdict in ("safe", "unsafe")
    for adapters in ((), (unnamed,)):
        with pytest.raises(ModelError, match="is not a known guard model") as caught:
            Model.load(base, adapters=adapters)
        assert caught.value.code == "model/unknown"


def test_an_adapter_for_a_template_that_is_not_known(tmp_path: Path) -> None:
    base = tiny.write(tmp_path / "base.gguf", chatml=True)
    with pytest.raises(ModelError, match="prompt 'big-guard', which this version of guard does not know") as caught:
        Model.load(base, adapters=[named(tmp_path / "a.gguf", "big-guard")])
    assert caught.value.code == "model/wrong-template"


def test_adapters_of_different_templates_are_not_applied_together(tmp_path: Path) -> None:
    base = tiny.write(tmp_path / "base.gguf", chatml=True)
    one, other = named(tmp_path / "a.gguf", "smol-guard"), named(tmp_path / "b.gguf", "llama-guard-2")
    with pytest.raises(ModelError) as caught:
        Model.load(base, adapters=[one, other])
    assert caught.value.code == "model/adapter-mismatch"
    assert str(caught.value) == (
        f"{one.path} was trained for the prompt smol-guard, and {other.path} for llama-guard-2: "
        "they cannot be applied together"
    )


def test_an_adapter_does_not_change_the_template_of_a_guard(tmp_path: Path) -> None:
    guard = tiny.write(tmp_path / "guard.gguf", name="Llama Guard 3 8B")
    with pytest.raises(ModelError, match="its prompt is smol-guard, and the model's llama-guard-3-8b"):
        Model.load(guard, adapters=[named(tmp_path / "a.gguf", "smol-guard")])


def test_an_adapter_is_no_model(adapter: Path) -> None:
    with pytest.raises(
        ModelError, match=r"is an adapter: name the model that it changes with ModelConfig.model, and the adapter with"
    ):
        Model.load(adapter, template=GENERATION)


def test_the_fingerprint_is_of_the_weights_and_not_of_their_precision(tmp_path: Path) -> None:
    full, half = tiny.write(tmp_path / "full.gguf"), tiny.write(tmp_path / "half.gguf", half=True)
    assert full.read_bytes() != half.read_bytes()
    assert read_header(full).fingerprint == read_header(half).fingerprint != ""
