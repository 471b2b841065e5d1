"""A tiny vocabulary of Llama 2's kind twice: in a GGUF with random weights, and as the tokenizer.json beside weights.

SentencePiece merges whichever neighbours make the token of the highest score; a conversion to merges lists every way to
make a token, by score.

Gemma's kind differs: no space is put before a text, and runs of blanks are tokens of their own, typed as user-defined.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tokenizers import AddedToken, Tokenizer, models, normalizers

from tests import tiny

_WORDS = "▁safe ▁unsafe ▁Task INST ▁BEGIN ▁END ▁CONTENT ▁UNSAFE ▁CONVERSATION ▁User ▁Agent ▁category ▁bread"
_CHARACTERS = "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'<>/[]:.,-|_!?"
_CONTROL = ["<unk>", "<s>", "</s>"]
BLANKS = ["\n", "\n\n", "\n\n\n", "  ", "   ", "\t"]  # Gemma's, of which it has up to 31 in a row
_WIDTH = 32


def vocabulary(*, gemma: bool = False) -> tuple[list[str], list[float], list[int]]:
    """Tokens, their scores, and their types (2 unknown, 3 control, 4 user-defined, 6 byte, 1 normal)."""
    words = [*_WORDS.split(), *(["safe", "unsafe"] if gemma else [])]
    merged = dict.fromkeys(word[:end] for word in words for end in range(2, len(word) + 1))
    blanks = BLANKS if gemma else []
    known = [*_CONTROL, *(f"<0x{byte:02X}>" for byte in range(256)), *blanks]
    normal = [*merged, *_CHARACTERS]
    scores = [0.0] * len(known) + [-float(rank) for rank in range(1, len(normal) + 1)]
    return known + normal, scores, [2, 3, 3] + [6] * 256 + [4] * len(blanks) + [1] * len(normal)


def write(folder: Path, *, gemma: bool = False) -> Path:
    """Write `folder`/tokenizer.json, and a GGUF beside the folder; the folder's path."""
    folder.mkdir()
    tokens, scores, types = vocabulary(gemma=gemma)
    ids = {token: id_ for id_, token in enumerate(tokens)}
    normal = [token for token, type_ in zip(tokens, types, strict=True) if type_ == 1]
    merges = [(token[:at], token[at:]) for token in normal for at in range(1, len(token))]
    merges = [(left, right) for left, right in merges if left in ids and right in ids]
    made = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    made.normalizer = spaces if gemma else normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    made.add_special_tokens(_CONTROL)
    if gemma:
        made.add_tokens([AddedToken(blank, normalized=False) for blank in BLANKS])
    made.save(str(folder / "tokenizer.json"))
    _write_gguf(folder.with_suffix(".gguf"), tokens, scores, types, space_prefix=not gemma)
    return folder


def _write_gguf(path: Path, tokens: list[str], scores: list[float], types: list[int], *, space_prefix: bool) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("LlamaGuard-7b")
    writer.add_context_length(4096)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(2)
    writer.add_feed_forward_length(2 * _WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_WIDTH // 4)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(space_prefix)
    for name, values in tiny.weights(tokens, _WIDTH, 0, answers=False).items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
