"""An adapter as an option's value: `adapter.gguf`, or with a scale `adapter.gguf:0.5`."""

from __future__ import annotations

from typing import Any

import click

from guardcli.model import Adapter


class AdapterOption(click.ParamType[Adapter]):
    """A file that is there; whether it fits the model is found out when that is loaded."""

    name = "adapter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Adapter:
        if isinstance(value, Adapter):
            return value
        try:
            return Adapter.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
