"""A trained model → a GGUF for llama.cpp and guardcli, its matrices in blocks of eight bits, its embeddings in 16.

It knows names of tensors and metadata, and nothing of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from guardcli.prompts import Renderer
from starter.model import EPSILON, Guard
from starter.tokens import SPECIALS, Tokens

NAME = "guardcli-starter"
DESCRIPTION = (
    "A demonstration: a small guard trained from scratch on public safety data, for trying guardcli out. "
    "It misses much and must not decide about anything that matters."
)
CONTEXT = 1024  # longer texts are judged in windows, which suits a model that saw no longer ones
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
EMBEDDINGS = "token_embd"  # of which one place is so much larger than the others that eight bits would blur these
HALVES = gguf.GGMLQuantizationType.F16


def write(path: Path, model: Guard, tokens: Tokens, renderer: Renderer, *, quantized: bool = True) -> Path:
    """Write the file; without `quantized` in 32 bits."""
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, model, quantized=quantized)
    _vocabulary(writer, tokens)
    writer.add_chat_template(chat_template(renderer))
    for name, values in tensors(model):
        if quantized and values.ndim == 2:
            kind = HALVES if name.startswith(EMBEDDINGS) else gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(model: Guard) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Weights by llama.cpp's names. All tokens that are no answer share the last output row."""
    for name, weight in model.state_dict().items():
        if name != "output.weight":
            yield name, weight.numpy()
    *answers, other = model.state_dict()["output.weight"].numpy()
    output = np.tile(other, (model.shape.vocabulary, 1))
    output[list(model.shape.answers)] = answers
    yield "output.weight", output


def chat_template(renderer: Renderer) -> str:
    """The prompt as a chat template; guardcli recognises the generation by it."""
    head = "".join(segment.text for segment in renderer.head("User"))
    tail = "".join(segment.text for segment in renderer.tail("User"))
    who = "{{ speaker }}"
    return (
        "{%- set speaker = 'Agent' if messages[-1]['role'] == 'assistant' else 'User' -%}"
        f"{head.replace('User', who)}"
        "{% for message in messages %}{{ 'Agent' if message['role'] == 'assistant' else 'User' }}: "
        "{{ message['content'] | trim }}{{ '\\n\\n' }}{% endfor %}"
        f"{tail.replace('User', who)}{renderer.template.answer}"
    )


def _describe(writer: gguf.GGUFWriter, model: Guard, *, quantized: bool) -> None:
    shape = model.shape
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantized else gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.base)
    writer.add_vocab_size(shape.vocabulary)


def _vocabulary(writer: gguf.GGUFWriter, tokens: Tokens) -> None:
    kinds = [NORMAL] * tokens.normal + [CONTROL] * len(SPECIALS) + [USER_DEFINED] * len(tokens.fixed)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(list(tokens.tokens))
    writer.add_token_types(kinds)
    writer.add_token_merges(list(tokens.merges))
    writer.add_bos_token_id(tokens.by_text["<|begin_of_text|>"])
    writer.add_eos_token_id(tokens.by_text["<|eot_id|>"])
    writer.add_eot_token_id(tokens.by_text["<|eot_id|>"])
