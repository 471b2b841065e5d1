"""The template of a model is detected by the marks of the published chat templates, then by its names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardcli.errors import ModelError
from guardcli.models.detection import detect
from guardcli.models.gguf import GgufHeader
from guardcli.prompts import TEMPLATES
from tests.prompts.test_prompt import GOLDEN, TEMPLATE_OF

KEYED = {"Llama-Guard-3-1B", "Llama-Guard-4-12B"}  # whose chat templates take categories and exclusions


WITH_MARKS = {source: name for source, name in TEMPLATE_OF.items() if TEMPLATES[name].chat_template_marks}


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
    ],
)  # fmt: skip
def test_then_the_name_then_the_file_name(name: str, template: str) -> None:
    assert detect(Path("llama-guard-2.gguf"), header(name, "{{ messages }}")).template.name == template
    assert detect(Path(f"/models/{name}.gguf"), header("model", "{{ messages }}")).template.name == template


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Meta Llama 3.1 8B Instruct", "Meta Llama 3.1 8B Instruct"),
        ("Prompt Guard 86M", "Prompt Guard 86M"),
        ("Smollm2 135M 8k Lc100K Mix1 Ep2", "Smollm2 135M 8k Lc100K Mix1 Ep2"),
        ("", "x.gguf"),
    ],
)
def test_no_guard(name: str, called: str) -> None:
    with pytest.raises(ModelError) as caught:
        detect(Path("llama-guard-3/x.gguf"), header(name))
    assert str(caught.value) == (
        f"llama-guard-3/x.gguf ({called!r}) is not a known guard model: neither its chat template nor "
        f"its name says so. If it is one, name its prompt format with --template ({', '.join(TEMPLATES)})."
    )
