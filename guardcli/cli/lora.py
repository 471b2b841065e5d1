"""An adapter as an option's value: `adapter.gguf`, or with a scale `adapter.gguf:0.5`."""

from __future__ import annotations

from guardcli.cli.options import ParsedOption
from guardcli.models import Adapter


class AdapterOption(ParsedOption[Adapter]):
    """A file that is there; whether it fits the model is found out when that is loaded."""

    name = "adapter"

    def parse(self, text: str) -> Adapter:
        return Adapter.parse(text)
