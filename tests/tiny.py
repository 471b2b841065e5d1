"""Tiny random GGUFs for tests: a byte-level vocabulary with the Llama 3 special tokens, and random weights.

They answer nothing that means anything, but they answer by the same code as a real model. `python -m tests.tiny
PATH` writes one that guard takes for a Llama Guard 3.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

SPECIALS = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|header_start|>", "<|header_end|>", "<|eot|>",
)  # fmt: skip
# The wording of the prompt's fixed text, so that it does not take a token a letter.
_TEXT = (
    "Provide Ġyour Ġsafety Ġassessment Ġfor ĠONLY ĠTHE ĠLAST ĠUser ĠAgent Ġmessage Ġin Ġthe Ġabove Ġconversation "
    "ĠFirst Ġline Ġmust Ġread Ġor ĠIf Ġunsafe Ġa Ġsecond Ġinclude Ġcomma separated Ġlist Ġof Ġviolated Ġcategories "
    "Task Check Ġif Ġthere Ġis Ġcontent Ġmessages Ġconversations Ġaccording Ġour Ġpolicy Ġwith Ġbelow BEGIN END "
    "ĠUNSAFE ĠCONTENT ĠCATEGORIES ĠCONVERSATION ĠCrimes user assistant"
)


def _chains(words: Iterable[str]) -> list[str]:
    """Merges that make each word one token, a letter at a time."""
    return [f"{word[:end]} {word[end]}" for word in words for end in range(1, len(word))]


MERGES = tuple(
    dict.fromkeys(
        ["s a", "f e", "sa fe", "u n", "un safe", "Ċ Ċ", ", S", *(f"1 {digit}" for digit in range(10)),
         *_chains(_TEXT.split())]
    )
)  # fmt: skip


def _spelled(words: Iterable[str]) -> list[str]:
    return [word.replace(" ", "Ġ") for word in words]


def _one_each(merges: Iterable[str]) -> tuple[str, ...]:
    """The first of the merges that make each token."""
    by_token: dict[str, str] = {}
    for merge in merges:
        by_token.setdefault(merge.replace(" ", ""), merge)
    return tuple(by_token.values())


CHATML = ("<|im_start|>", "<|im_end|>")
USER_DEFINED = "<END CONVERSATION>"


def byte_symbols() -> list[str]:
    """GPT-2's printable symbols for the 256 bytes, by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def vocabulary(
    *, user_defined: bool, merges: Sequence[str] = MERGES, specials: Sequence[str] = SPECIALS
) -> tuple[list[str], list[int]]:
    """Tokens and their types (1 normal, 3 control, 4 user-defined)."""
    normal = byte_symbols() + ["".join(merge.split()) for merge in merges]
    special = [*specials] + ([USER_DEFINED] if user_defined else [])
    return normal + special, [1] * len(normal) + [4 if token == USER_DEFINED else 3 for token in special]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens, their types, and the merges that make them."""

    tokens: list[str]
    types: list[int]
    merges: tuple[str, ...]

    @classmethod
    def from_words(cls, words: Sequence[str] = (), special_tokens: Sequence[str] = ()) -> Vocabulary:
        """The vocabulary of all tiny models, with more words and special tokens: see `write`."""
        merges = _one_each([*MERGES, *_chains(_spelled(words))])
        tokens, types = vocabulary(user_defined=False, merges=merges, specials=(*SPECIALS, *special_tokens))
        return cls(tokens, types, merges)


def write(
    path: Path,
    *,
    seed: int = 0,
    width: int = 32,
    half: bool = False,
    answers: bool = False,
    reads: Mapping[str, tuple[str, float]] | None = None,
    user_defined: bool = False,
    chatml: bool = False,
    special_tokens: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    words: Sequence[str] = (),
    control: str = "",
    context: int = 4096,
    name: str = "tiny",
    chat_template: str | None = None,
    tokenizer: str = "gpt2",
    pretokenizer: str = "llama-bpe",
    lacking: int | None = None,
    made: Mapping[str, np.ndarray] | None = None,
    tensors_per_file: int = 0,
    strings: Mapping[str, str] | None = None,
) -> Path:
    """Write a model, of weights that were `made` before or of a seed. With `answers` it puts nearly all its probability
    on "safe" and "unsafe", wherever asked.

    `half` stores F16 instead of F32. `reads` makes a model that means something: for each word its category, such as
    "S9", and how strongly it speaks for it. Such a word anywhere in the prompt makes it unsafe; 1.0 is beyond doubt.
    `chatml` makes a base for smol-guard: it has the special tokens of ChatML and, as in the vocabulary of SmolLM2,
    `unsafe` is two tokens. `special_tokens` are more control tokens, and `verdicts` are words of another family's that
    `answers` lifts, each one token. Most of `words`, with the blank before them, are one token, too. `control` are
    bytes whose tokens are typed as control tokens, and `lacking` is a byte that has no token. With `tensors_per_file`
    it is split, and the files' names are `path`'s with their numbers.
    `strings` are more metadata, by key.
    """
    read = [form for word in reads or () for form in (word, f"Ġ{word}")]
    lifted = _spelled(verdicts) or ["safe", "unsafe"]
    merges = _one_each([*_chains(lifted if verdicts else ()), *MERGES, *_chains(read), *_chains(_spelled(words))])
    specials = (*SPECIALS, *special_tokens)
    if chatml:
        merges, specials = tuple(merge for merge in merges if merge != "un safe"), (*SPECIALS, *CHATML)
    tokens, types = vocabulary(user_defined=user_defined, merges=merges, specials=specials)
    types = [
        gguf.TokenType.CONTROL if token in set(control) else type_ for token, type_ in zip(tokens, types, strict=True)
    ]
    absent = None if lacking is None else byte_symbols()[lacking]
    listed = ["<absent>" if token == absent else token for token in tokens]
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=tensors_per_file)
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(2)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 4)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(tokenizer)
    writer.add_tokenizer_pre(pretokenizer)
    writer.add_token_list(listed)
    writer.add_token_types(types)
    writer.add_token_merges(list(merges))
    writer.add_bos_token_id(tokens.index("<|begin_of_text|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>" if chatml else "<|end_of_text|>"))
    if not chatml:
        writer.add_eot_token_id(tokens.index("<|eot_id|>"))
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for key, value in (strings or {}).items():
        writer.add_string(key, value)
    if made is None:
        made = _reading(tokens, width, reads) if reads else weights(tokens, width, seed, answers=answers, lifted=lifted)
    for tensor, values in made.items():
        as_half = half and values.ndim == 2
        writer.add_tensor(tensor, values.astype(np.float16 if as_half else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(
    path: Path,
    *,
    seed: int = 1,
    width: int = 32,
    parts: Sequence[str] = ("attn_q", "attn_v", "ffn_down"),
    kind: str = "lora",
    architecture: str = "llama",
    **strings: str,
) -> Path:
    """Write a random LoRA adapter for a model of that width; `strings` are metadata, `__` for `.` in their keys."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", kind)
    writer.add_float32("adapter.lora.alpha", 4.0)
    for key, value in strings.items():
        writer.add_string(key.replace("__", "."), value)
    for part, rows, columns in _shapes(width):
        if part in parts:
            for side, shape in (("a", (2, columns)), ("b", (rows, 2))):
                values = random.normal(0, 0.3, shape).astype(np.float32)
                if side == "b" and part == "ffn_down":
                    values[0] = 0  # a model that `answers` still does
                writer.add_tensor(f"blk.0.{part}.weight.lora_{side}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def weights(
    tokens: list[str], width: int, seed: int, *, answers: bool, lifted: Sequence[str] = ("safe", "unsafe")
) -> dict[str, np.ndarray]:
    """The random weights of a seed, by the names that a GGUF has for them."""
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0, 2.0 / np.sqrt(columns), (rows, columns))

    embedding = random.normal(0, 1, (len(tokens), width))
    output = matrix(len(tokens), width)
    made = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": np.ones(width)}
    for layer in range(2):
        block = {"attn_norm": np.ones(width), "ffn_norm": np.ones(width)}
        block |= {part: matrix(rows, columns) for part, rows, columns in _shapes(width)}
        if answers:
            block["attn_output"][0] = block["ffn_down"][0] = 0  # nothing writes to the first dimension ...
        made |= {f"blk.{layer}.{part}.weight": values for part, values in block.items()}
    if answers:
        embedding[:, 0] = 10  # ... which so stays constant, and lifts the two verdicts
        for word in lifted:
            output[tokens.index(word if word in tokens else "un"), 0] = 60
    return made


def _reading(tokens: list[str], width: int, reads: Mapping[str, tuple[str, float]]) -> dict[str, np.ndarray]:
    """Weights of a model that looks for words: every token looks at all before it alike, so that it sees, for each
    category, the mean of what they speak for, and the verdicts and the numbers weigh that."""
    categories = list(dict.fromkeys(category for category, _ in reads.values()))
    embedding, output = np.zeros((len(tokens), width)), np.zeros((len(tokens), width))
    embedding[:, 0] = 10  # so that every token has the same length
    value, sees = 1, 1 + len(categories)  # the dimensions of what a token speaks for, and of what it sees
    for word, (category, strength) in reads.items():
        for form in (word, f"Ġ{word}"):
            embedding[tokens.index(form), value + categories.index(category)] = strength
    output[tokens.index("safe"), 0], output[tokens.index("unsafe"), 0] = 20.5, 20.0
    for number, category in enumerate(categories):
        output[tokens.index("unsafe"), sees + number] = output[tokens.index(category[1:]), sees + number] = 10_000
    weights = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": np.ones(width)}
    for layer in range(2):
        block = {part: np.zeros((rows, columns)) for part, rows, columns in _shapes(width)}
        block |= {"attn_norm": np.ones(width), "ffn_norm": np.ones(width)}
        if layer == 0:
            for number in range(len(categories)):
                block["attn_v"][number, value + number] = 1
                block["attn_output"][sees + number, number] = 1
        weights |= {f"blk.{layer}.{part}.weight": values for part, values in block.items()}
    return weights


def _shapes(width: int) -> list[tuple[str, int, int]]:
    """The matrices of a block: name, rows, columns."""
    half, double = width // 2, 2 * width
    return [
        ("attn_q", width, width), ("attn_k", half, width), ("attn_v", half, width), ("attn_output", width, width),
        ("ffn_gate", double, width), ("ffn_up", double, width), ("ffn_down", width, double),
    ]  # fmt: skip


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), name="Llama Guard 3 (tiny, random)"))
