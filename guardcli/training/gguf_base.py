"""A base model in a GGUF file: its tensors dequantized, and named and ordered as Hugging Face has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardcli.errors import ModelError
from guardcli.models.gguf import GgufHeader, read_header
from guardcli.models.identity import parts_of
from guardcli.models.llama import LlamaModel, Offload
from guardcli.models.vocab import Vocab
from guardcli.training.config import WeightType
from guardcli.training.dependencies import require
from guardcli.training.encoders import VocabEncoder
from guardcli.training.llama_loading import load_llama
from guardcli.training.tensor_names import hugging_face_name, to_hugging_face_order
from guardcli.training.tokenizer import Tokenizer

ARCHITECTURE = "llama"
_ROPE_FACTORS = "rope_freqs.weight"
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"


@dataclass(frozen=True, slots=True)
class GgufBase:
    """A GGUF file of a Llama, quantized or not. Training computes with its weights as llama.cpp does, but in float32
    or bfloat16."""

    path: Path
    header: GgufHeader

    @classmethod
    def from_file(cls, path: Path) -> GgufBase:
        """Read and check the header. Loads no weights.

        Raises:
            ModelError: the file is missing, damaged or split, or not a dense Llama.
        """
        header = read_header(path)
        architecture = header.get_str("general.architecture")
        if header.get_str("general.type") == "adapter":
            raise ModelError(f"{path} is an adapter; expected the model that it changes", code="model/adapter-mismatch")
        if architecture != ARCHITECTURE or header.metadata.get(f"{ARCHITECTURE}.expert_count"):
            raise ModelError(
                f"{path} is not a dense Llama (architecture {architecture or 'unknown'}); expected {ARCHITECTURE}",
                code="model/unsupported",
            )
        if len(parts_of(path)) > 1:
            raise ModelError(
                f"{path} is a part of a split model; join the parts with llama.cpp's llama-gguf-split --merge",
                code="model/unsupported",
            )
        return cls(path, header)

    @property
    def num_heads(self) -> int:
        """Attention heads of each layer."""
        return int(self._number("attention.head_count"))

    @property
    def num_kv_heads(self) -> int:
        """Key-value heads of each layer."""
        return int(self._number("attention.head_count_kv", self.num_heads))

    @property
    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def load(self, device: str, dtype: WeightType) -> Any:
        """Load the model on "cpu" or "cuda", with weights of that type.

        Raises:
            ModelError: a tensor is missing, unknown, or of a quantization that the gguf library cannot read.
        """
        torch = require("torch")
        tensors = self._read_tensors()
        factors = tensors.pop(_ROPE_FACTORS, None)
        model = load_llama(self.path, device, dtype, lambda: self._weights(tensors, dtype))
        if factors is not None:  # those of Llama 3.1 and later, as their converter computed them
            rotary = model.model.rotary_emb
            rotary.inv_freq = rotary.inv_freq / torch.from_numpy(factors).to(rotary.inv_freq)
        model.name_or_path = str(self.path)  # which PEFT writes into a checkpoint
        return model

    def tokenizer(self) -> Tokenizer:
        """Load the vocabulary through llama.cpp.

        Raises:
            ModelError: llama.cpp refuses the file, or its vocabulary is not that of a guard.
        """
        model = LlamaModel(self.path, Offload("off"), vocab_only=True)  # kept by the process: it is read to the end
        kind, pre = (self.header.get_str(f"tokenizer.ggml.{key}") for key in ("model", "pre"))
        return Tokenizer(VocabEncoder(Vocab(model.vocab, kind, pre)))

    def fingerprint(self) -> str:
        """The hash of the last normalization's weights.

        Raises:
            ModelError: the file does not have them in float32.
        """
        if not self.header.fingerprint:
            raise ModelError(f"{self.path} lacks output_norm.weight in F32", code="model/unsupported")
        return self.header.fingerprint

    def _number(self, key: str, default: float | None = None) -> float:
        value = self.header.metadata.get(f"{ARCHITECTURE}.{key}", default)
        if not isinstance(value, (int, float)):
            raise ModelError(f"{self.path}: its metadata lacks a number {ARCHITECTURE}.{key}", code="model/unsupported")
        return value

    def _weights(self, tensors: dict[str, Any], dtype: WeightType) -> dict[str, Any]:
        """The configuration and the weights by Hugging Face's names, as arguments of `from_pretrained`."""
        torch = require("torch")
        state = {
            hugging_face_name(name): torch.from_numpy(values).to(getattr(torch, dtype))
            for name, values in tensors.items()
        }
        config = self._config(vocab_size=len(tensors[_EMBEDDING]), tied=_OUTPUT not in tensors)
        return {"pretrained_model_name_or_path": None, "config": config, "state_dict": state}

    def _config(self, *, vocab_size: int, tied: bool) -> Any:
        width = int(self._number("embedding_length"))
        return require("transformers").LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            intermediate_size=int(self._number("feed_forward_length")),
            num_hidden_layers=int(self._number("block_count")),
            num_attention_heads=self.num_heads,
            num_key_value_heads=self.num_kv_heads,
            head_dim=int(self._number("attention.key_length", width // self.num_heads)),
            max_position_embeddings=int(self._number("context_length")),
            rms_norm_eps=self._number("attention.layer_norm_rms_epsilon"),
            rope_parameters={"rope_type": "default", "rope_theta": self._number("rope.freq_base", 10000.0)},
            tie_word_embeddings=tied,
        )

    def _read_tensors(self) -> dict[str, Any]:
        """The tensors in float32 by llama.cpp's names, queries and keys in Hugging Face's order."""
        gguf = require("gguf")
        tensors = {}
        for tensor in gguf.GGUFReader(self.path).tensors:
            try:
                values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            except NotImplementedError as error:
                raise ModelError(
                    f"{self.path}: {tensor.name} is quantized as {tensor.tensor_type.name}, which cannot be "
                    "dequantized here; use another quantization",
                    code="model/unsupported",
                ) from error
            num_heads = {"attn_q": self.num_heads, "attn_k": self.num_kv_heads}.get(tensor.name.split(".")[-2])
            # PyTorch wants memory of its own, and a tensor in F32 is the file's.
            tensors[tensor.name] = to_hugging_face_order(values, num_heads) if num_heads else values.copy()
        return tensors
