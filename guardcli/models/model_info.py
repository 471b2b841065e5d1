"""What a model's files say of it, without loading it: family, quantization, context, memory, and what is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from guardcli.conversation import Role
from guardcli.errors import ModelError
from guardcli.models.adapter import Adapter
from guardcli.models.cached_files import read_digests
from guardcli.models.detection import DetectedTemplate, detect
from guardcli.models.gguf import GgufHeader
from guardcli.models.identity import parts_of
from guardcli.models.lookup import bundled_adapters, check_base, find_model, is_bundled
from guardcli.models.memory import MemoryEstimate, WeightSizes, estimate_memory
from guardcli.models.model_files import read_headers
from guardcli.models.quantization import LOW_BITS
from guardcli.models.tokenizers import check_tokenizer, missing_bytes
from guardcli.prompts import Renderer, Template
from guardcli.prompts.turns import ROLES, Turn
from guardcli.taxonomy import Taxonomy

# llama.cpp's names of what it calls the type of a file (llama.h, LLAMA_FTYPE).
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0",
    38: "MXFP4_MOE",
}  # fmt: skip

_TOKENS, _TOKEN_TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_PROMPT_LENGTHS = (1024, 2048, 4096, 8192, 32768)  # tokens, of which memory is estimated
_CONTROL = 3  # the type of a token that no text becomes


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """An adapter that belongs to a model by its name, with the SHA-256 of its file."""

    path: Path
    n_bytes: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What the files of a model say.

    Args:
        parts: its files, in order: several of a split model.
        digest: the SHA-256 of the files together, as in the identity of a run.
        adapters: those that are applied to it, in order.
        family: the name of the prompt template that it was trained on; None if it is not recognized.
        recognized_by: by what the family was recognized, or why it was not.
        judges: the roles whose messages the family judges; none if it is not recognized.
        tensor_types: how many weights are stored in each type, the most first.
        unpacked: whether its matrices are unpacked into F16 when it is loaded, as those of a bundled model are.
        imatrix: the importance matrix that it was quantized with; "" if the file names none.
        n_ctx_train: tokens that it was trained on.
        chat_template: the first 16 hex digits of its chat template's SHA-256; "" if it has none.
        problems: why guard would refuse to judge with it.
        warnings: what to know of it.
    """

    path: Path
    parts: tuple[Path, ...]
    n_bytes: int
    digest: str
    adapters: tuple[AdapterFile, ...]
    name: str
    family: str | None
    recognized_by: str
    judges: tuple[Role, ...]
    architecture: str
    quantization: str
    tensor_types: dict[str, int]
    unpacked: bool
    imatrix: str
    n_weights: int
    n_layers: int
    n_ctx_train: int | None
    sizes: WeightSizes
    tokenizer: str
    pretokenizer: str
    n_tokens: int
    chat_template: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...]

    def memory(self, gpu_layers: Iterable[int]) -> list[MemoryNeed]:
        """What the model needs by its longest prompt, for each of several lengths and numbers of layers on a GPU."""
        trained = self.n_ctx_train or max(_PROMPT_LENGTHS)
        lengths = [length for length in _PROMPT_LENGTHS if length < trained] + [min(trained, max(_PROMPT_LENGTHS))]
        return [
            MemoryNeed(length, layers, estimate_memory(self.sizes, length, layers))
            for length in dict.fromkeys(lengths)
            for layers in gpu_layers
        ]

    def to_dict(self, gpu_layers: Iterable[int]) -> dict[str, Any]:
        """The fields as JSON values, with the memory that the model needs."""
        values = asdict(self) | {
            "path": str(self.path),
            "parts": [str(part) for part in self.parts],
            "adapters": [asdict(adapter) | {"path": str(adapter.path)} for adapter in self.adapters],
        }
        memory = [
            {
                "max_prompt_tokens": need.max_prompt_tokens,
                "gpu_layers": need.gpu_layers,
                "main_bytes": need.estimate.main,
                "gpu_bytes": need.estimate.gpu,
            }
            for need in self.memory(gpu_layers)
        ]
        return {key: value for key, value in values.items() if key != "sizes"} | {
            "kv_bytes_per_token": sum(self.sizes.kv_per_token) or None,
            "memory": memory,
        }


class MemoryNeed(NamedTuple):
    """What a model needs with a longest prompt of so many tokens, and so many layers on a GPU."""

    max_prompt_tokens: int
    gpu_layers: int
    estimate: MemoryEstimate


def examine(model: str | Path, *, adapters: Sequence[Adapter] = (), cache: Path | None = None) -> ModelInfo:
    """Examine a model's files, by its path or by what else `find_model` takes, and those of its adapters.

    `cache` is a file in which digests are kept: computing one reads all of the model. A bundled model has an adapter
    of its own, which comes before others.

    Raises:
        ModelError: a file is missing, unreadable, damaged, no GGUF, or not what its place in a cache says; or the base
            of a bundled model has another content.
    """
    path = find_model(model)
    parts = parts_of(path)
    adapters = (*bundled_adapters(model), *adapters)
    headers = read_headers(parts, whole_arrays=(_TOKENS, _TOKEN_TYPES))
    first = headers[0]
    digests = read_digests(parts, cache)
    check_base(model, digests.whole)
    detection = _try_detect(parts[0], first, adapters)
    types = _tensor_types(headers)
    sizes = WeightSizes.from_headers(headers, unpacked=is_bundled(model))
    architecture = first.get_str("general.architecture")
    chat_template = first.get_str("tokenizer.chat_template")
    tokens = first.metadata.get(_TOKENS)
    return ModelInfo(
        path=path,
        parts=tuple(parts),
        n_bytes=sum(part.stat().st_size for part in parts),
        digest=digests.whole,
        adapters=tuple(_adapter_file(adapter.path, cache) for adapter in adapters),
        name=first.get_str("general.name"),
        family=detection.template.name if isinstance(detection, DetectedTemplate) else None,
        recognized_by=detection.reason if isinstance(detection, DetectedTemplate) else detection,
        judges=_judges(detection),
        architecture=architecture,
        quantization=_quantization(first, types),
        tensor_types=types,
        unpacked=is_bundled(model),
        imatrix=first.get_str("quantize.imatrix.file"),
        n_weights=sum(types.values()),
        n_layers=len(sizes.layers),
        n_ctx_train=first.get_int(f"{architecture}.context_length"),
        sizes=sizes,
        tokenizer=first.get_str("tokenizer.ggml.model"),
        pretokenizer=first.get_str("tokenizer.ggml.pre"),
        n_tokens=len(tokens) if isinstance(tokens, list) else 0,
        chat_template=hashlib.sha256(chat_template.encode()).hexdigest()[:16] if chat_template else "",
        problems=tuple(_problems(first, detection)),
        warnings=tuple(_warnings(first, detection, types)),
    )


def special_tokens(template: Template) -> set[str]:
    """The special tokens that the prompts of a template need."""
    renderer = Renderer(template, Taxonomy.load(template.taxonomy))
    speaker = template.judges[0]
    segments = (*renderer.render([Turn(1, ROLES[speaker], speaker, "")]).segments, template.answer.end)
    return {segment.text for segment in segments if segment.special}


def _judges(detection: DetectedTemplate | str) -> tuple[Role, ...]:
    if not isinstance(detection, DetectedTemplate):
        return ()
    return tuple(ROLES[speaker] for speaker in detection.template.judges)


def _adapter_file(path: Path, cache: Path | None) -> AdapterFile:
    digest = read_digests([path], cache).whole
    return AdapterFile(path, path.stat().st_size, digest)


def _try_detect(path: Path, header: GgufHeader, adapters: Sequence[Adapter]) -> DetectedTemplate | str:
    """The template of a model, or why there is none."""
    try:
        return detect(path, header, adapters)
    except ModelError as error:
        return str(error)


def _tensor_types(headers: Sequence[GgufHeader]) -> dict[str, int]:
    weights: Counter[str] = Counter()
    for header in headers:
        for tensor in header.tensors:
            weights[tensor.type or "unknown"] += tensor.n_weights
    return dict(weights.most_common())


def quantization_name(headers: Sequence[GgufHeader]) -> str:
    """The name of a model's quantization: what its first file says, or else the type of most weights."""
    return _quantization(headers[0], _tensor_types(headers))


def _quantization(header: GgufHeader, types: dict[str, int]) -> str:
    """The name of the quantization: what the file says, or else the type of most weights."""
    named = FILE_TYPES.get(header.get_int("general.file_type") or 0)
    most = next(iter(types), "")
    # 0 stands for F32, and is also what files say whose writer did not care.
    return named if named and not (named == "F32" and most != "F32") else most


def _problems(header: GgufHeader, detection: DetectedTemplate | str) -> Iterator[str]:
    """Why guard would refuse the model."""
    if isinstance(detection, str):
        yield detection
    kind, pre = header.get_str("tokenizer.ggml.model"), header.get_str("tokenizer.ggml.pre")
    try:
        check_tokenizer(kind, pre)
    except ModelError as error:
        yield str(error)
        return
    tokens = _strings(header, _TOKENS)
    if missing := missing_bytes(kind, set(tokens)):
        yield f"its vocabulary lacks the tokens of {len(missing)} bytes: some text would be lost"
    if isinstance(detection, DetectedTemplate):
        yield from _special_token_problems(detection.template, tokens, _types(header))


def _special_token_problems(template: Template, tokens: Sequence[str], types: Sequence[int]) -> Iterator[str]:
    ids = {token: number for number, token in enumerate(tokens)}
    for name in sorted(special_tokens(template)):
        if name not in ids:
            yield f"its vocabulary has no special token {name}, which the prompt of {template.name} needs"
        elif ids[name] < len(types) and types[ids[name]] != _CONTROL:
            yield f"its vocabulary has {name} as ordinary text: a user could write it"


def _warnings(header: GgufHeader, detection: DetectedTemplate | str, types: dict[str, int]) -> Iterator[str]:
    """What somebody should know who judges with the model."""
    if not header.get_str("tokenizer.chat_template"):
        yield "it has no chat template: only its name says that it is a guard"
    if isinstance(detection, DetectedTemplate) and detection.doubt:
        yield detection.doubt
    quantization = _quantization(header, types)
    if quantization.startswith(LOW_BITS):
        yield f"{quantization} keeps less than 4 bits of a weight: scores differ from those of the original"
    if "unknown" in types:
        yield "some tensors have an unknown type: sizes do not include them"
    architecture = header.get_str("general.architecture")
    if window := header.get_int(f"{architecture}.attention.sliding_window"):
        yield f"some of its layers attend to {window:,} tokens only"
    if architecture == "llama4" and not header.get_int("llama4.expert_count"):
        yield "it is a dense Llama 4, which llama.cpp cannot load yet"


def _strings(header: GgufHeader, key: str) -> list[str]:
    value = header.metadata.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _types(header: GgufHeader) -> list[int]:
    value = header.metadata.get(_TOKEN_TYPES)
    return [item for item in value if isinstance(item, int)] if isinstance(value, list) else []
