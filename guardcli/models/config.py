"""Which model is loaded, and how: what a command's options say, as a value."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from guardcli.models.adapter import Adapter
from guardcli.models.identity import parts_of
from guardcli.models.llama import Gpu, Offload
from guardcli.models.lookup import bundled_adapters, find_model
from guardcli.models.model import Model
from guardcli.prompts import TEMPLATES


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model to load.

    >>> ModelConfig("llama-guard-3-8b.gguf", gpu="off").to_dict()["gpu"]
    'off'

    Args:
        model: the path of a GGUF, or what else `find_model` takes: a name, `hf:OWNER/REPO` or `ollama:NAME`.
        template: the name of the prompt template that it was trained on; detected if None.
        adapters: LoRA adapters to apply, in order.
        gpu: "auto" uses a GPU if there is one, "require" fails without one, and "off" never uses one.
        gpu_layers: how many layers are offloaded to it; all if None.
    """

    model: str | Path
    _: KW_ONLY
    template: str | None = None
    adapters: tuple[Adapter, ...] = ()
    gpu: Gpu = "auto"
    gpu_layers: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: an unknown template or value of `gpu`, or a negative number of layers."""
        if self.template is not None and self.template not in TEMPLATES:
            raise ValueError(f"unknown template {self.template!r}; expected one of {', '.join(TEMPLATES)}")
        if self.gpu not in get_args(Gpu):
            raise ValueError(f"invalid gpu {self.gpu!r}; expected one of {', '.join(get_args(Gpu))}")
        if self.gpu_layers is not None and self.gpu_layers < 0:
            raise ValueError(f"invalid gpu_layers {self.gpu_layers}; expected at least 0")

    def load(self, *, cache: Path | None = None) -> Model:
        """Load the model. `cache` is a file in which digests are kept. Raises ModelError, as `Model.load` does."""
        return Model.load(
            self.model,
            template=self.template,
            adapters=self.adapters,
            offload=Offload(self.gpu, self.gpu_layers),
            cache=cache,
        )

    @property
    def files(self) -> list[Path]:
        """The files of the model (all parts of a split one) and of the adapters, a bundled model's own among them."""
        adapters = (*bundled_adapters(self.model), *self.adapters)
        return [*parts_of(find_model(self.model)), *(adapter.path for adapter in adapters)]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        adapters = [{"path": str(adapter.path), "scale": adapter.scale} for adapter in self.adapters]
        return asdict(self) | {"model": str(self.model), "adapters": adapters}
