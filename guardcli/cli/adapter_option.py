"""The value of `--lora`: `adapter.gguf`, or `adapter.gguf:0.5` with a scale."""

from __future__ import annotations

from guardcli.cli.options import ParsedOption
from guardcli.models import Adapter


class AdapterOption(ParsedOption[Adapter]):
    """An adapter file, which must exist. Whether it fits the model is checked when the model is loaded."""

    name = "adapter"

    def parse(self, text: str) -> Adapter:
        return Adapter.parse(text)
