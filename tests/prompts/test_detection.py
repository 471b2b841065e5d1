"""The template of a model is detected by the marks of the published chat templates, then by its names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from guardcli.errors import ModelError
from guardcli.models.detection import detect
from guardcli.models.gguf import GgufHeader
from guardcli.prompts import TEMPLATES, detect_template
from tests.prompts.test_prompt import GOLDEN, TEMPLATE_OF

KEYED = {"Llama-Guard-3-1B", "Llama-Guard-4-12B"}  # whose chat templates take categories and exclusions


def header(name: str = "", chat_template: str = "") -> GgufHeader:
    return GgufHeader({"general.name": name, "tokenizer.chat_template": chat_template}, 0)


def chat_template(source: str) -> str:
    """A rendered prompt, which has the literal text of the chat template, and what only the template has."""
    rendered: str = json.loads((GOLDEN / f"{source}.json").read_text("utf-8"))["cases"][0]["prompt"]
    return rendered + ("{%- if key not in excluded_category_keys -%}" if source in KEYED else "")


@pytest.mark.parametrize(
    ("source", "template"), {k: v for k, v in TEMPLATE_OF.items() if TEMPLATES[v].chat_template_marks}.items()
)
def test_the_chat_template_decides(source: str, template: str) -> None:
    for name in ("", "Llama Guard 2", "My Finetune"):
        assert detect(Path("llama-guard-3-8b.gguf"), header(name, chat_template(source))).template.name == template


@pytest.mark.parametrize(("source", "template"), TEMPLATE_OF.items())
def test_no_family_claims_the_chat_template_of_another(source: str, template: str) -> None:
    claimed = detect_template(chat_template(source), [])
    expected = template if TEMPLATES[template].chat_template_marks else None
    assert (None if claimed is None else claimed.name) == expected


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("LlamaGuard-7b", "llama-guard-1"), ("LlamaGuard 7B", "llama-guard-1"),
        ("Llama Guard", "llama-guard-1"),
        ("llama-guard-1", "llama-guard-1"), ("Meta-Llama-Guard-2-8B", "llama-guard-2"),
        ("LlamaGuard2", "llama-guard-2"),
        ("Llama Guard 3 8B", "llama-guard-3-8b"), ("llama_guard_3_8b_int8", "llama-guard-3-8b"),
        ("Llama-Guard-3-1B-INT4", "llama-guard-3-1b"), ("Llama Guard 3 11B Vision", "llama-guard-3-1b"),
        ("smol-guard", "smol-guard"), ("SmolGuard 135M", "smol-guard"),
        ("Qwen3Guard Gen 0.6B", "qwen3guard"), ("Qwen3Guard-Gen-8B.Q4_K_M", "qwen3guard"),
        ("LLAMA-GUARD-4-12B", "llama-guard-4"), ("meta-llama_Llama-Guard-4-12B-Q4_K_M", "llama-guard-4"),
        ("Granite Guardian 3.0 2b", "granite-guardian-3"), ("granite3-guardian-8b", "granite-guardian-3"),
        ("Granite Guardian 3.1 8b", "granite-guardian-3.1"), ("granite3.1-guardian-2b", "granite-guardian-3.1"),
        ("granite-guardian-3.2-3b-a800m-Q6_K", "granite-guardian-3.2"), ("granite3.2-guardian", "granite-guardian-3.2"),
        ("granite-guardian-4.1-8b-Q4_K_M", "granite-guardian-4.1"), ("shieldgemma-2b-Q4_K_M", "shieldgemma"),
        ("Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0", "aegis-1"),
        ("Shieldstral 1.0 3B", "shieldstral"), ("Shieldstral-1.0-3B-Q4_K_M", "shieldstral"),
        ("wildguard", "wildguard"), ("WildGuard.Q4_K_M", "wildguard"),
        ("Llama 3.1 Nemoguard 8B Content Safety", "nemoguard"),
        ("Llama-3.1-Nemotron-Safety-Guard-8B-v3", "nemoguard"),
        ("Llama-3.1-Nemotron-Safety-Guard-Multilingual-8B-v1", "nemoguard"),
        ("DynaGuard 8B", "dynaguard"), ("DynaGuard-1.7B.Q4_K_M", "dynaguard"),
        ("MD-Judge-v0.1", "md-judge-0.1"), ("MD Judge V0.1 Q8_0", "md-judge-0.1"),
    ],
)  # fmt: skip
def test_then_the_name_then_the_file_name(name: str, template: str) -> None:
    slug = re.sub("[^a-z0-9]+", "-", name.lower())
    claiming = {one.name for one in TEMPLATES.values() if one.model_name and one.model_name.search(slug)}
    assert claiming in ({template}, {"llama-guard-3-8b", "llama-guard-3-1b"})
    assert detect(Path("llama-guard-2.gguf"), header(name, "{{ messages }}")).template.name == template
    assert detect(Path(f"/models/{name}.gguf"), header("model", "{{ messages }}")).template.name == template


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Meta Llama 3.1 8B Instruct", "Meta Llama 3.1 8B Instruct"),
        ("Prompt Guard 86M", "Prompt Guard 86M"),
        ("Llama 3.1 Nemoguard 8B Topic Control", "Llama 3.1 Nemoguard 8B Topic Control"),
        ("Nemotron-3.5-Content-Safety", "Nemotron-3.5-Content-Safety"),
        ("Mistral-7B-wildguardmix", "Mistral-7B-wildguardmix"),
        ("Qwen3Guard Stream 8B", "Qwen3Guard Stream 8B"),
        ("Shieldgemma 2 4b It", "Shieldgemma 2 4b It"),
        ("Granite Guardian 3.3 8b", "Granite Guardian 3.3 8b"),
        ("Granite Guardian 3.2 5b Lora Harm Correction", "Granite Guardian 3.2 5b Lora Harm Correction"),
        ("MD-Judge-v0_2-internlm2_7b", "MD-Judge-v0_2-internlm2_7b"),
        ("Smollm2 135M 8k Lc100K Mix1 Ep2", "Smollm2 135M 8k Lc100K Mix1 Ep2"),
        ("", "x.gguf"),
    ],
)
def test_no_guard(name: str, called: str) -> None:
    with pytest.raises(ModelError) as caught:
        detect(Path("llama-guard-3/x.gguf"), header(name))
    assert str(caught.value) == (
        f"llama-guard-3/x.gguf ({called!r}) is not a known guard model: neither its chat template nor "
        f"its name says so. If it is one, name its prompt format with ModelConfig.template ({', '.join(TEMPLATES)})."
    )


LG1 = chat_template("LlamaGuard-7b")


@pytest.mark.parametrize(
    ("name", "file", "chat", "template", "doubt"),
    [
        ("Llama Guard 3 8B", "llama-guard-3-8b.gguf", "", "llama-guard-3-8b", ""),
        ("Llama Guard 2", "x.gguf", LG1, "llama-guard-1", "by its name, 'Llama Guard 2' it would be llama-guard-2: if"),
        (
            "Llama Guard 2",
            "shieldgemma-2b.gguf",
            "",
            "llama-guard-2",
            "; by its file's name, 'shieldgemma-2b.gguf' it would",
        ),
        # A merged model, with the chat template of its base, or even its name.
        ("Aegis LlamaGuard Defensive 1.0", "x.gguf", LG1, "aegis-1", ""),
        ("LlamaGuard 7b", "aegis-llamaguard.gguf", LG1, "aegis-1", ""),
        ("LlamaGuard 7b", "aegis-llamaguard.gguf", "", "aegis-1", ""),
        ("LlamaGuard 7b", "llama-guard-1.gguf", LG1, "llama-guard-1", ""),
    ],
)
def test_two_families_never_claim_the_same_file_silently(
    name: str, file: str, chat: str, template: str, doubt: str
) -> None:
    detected = detect(Path(file), header(name, chat))
    assert detected.template.name == template
    assert doubt in detected.doubt
    assert bool(doubt) == bool(detected.doubt)
