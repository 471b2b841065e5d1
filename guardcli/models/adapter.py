"""LoRA adapters: parse `path:scale`, and check that an adapter was made for a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from guardcli.errors import ModelError
from guardcli.models.gguf import GgufHeader, read_header

# Written by `guard tune export`, beside what llama.cpp asks for; an adapter made elsewhere has neither.
TEMPLATE, FINGERPRINT = "guardcli.template", "guardcli.base.output_norm"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter's GGUF file, and the factor by which its changes are multiplied: 0 leaves the model as it is."""

    path: Path
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """Parse `adapter.gguf` or `adapter.gguf:0.5`. A file that has the whole text as its name wins.

        Raises:
            ValueError: there is no such file, or the scale is no finite number.
        """
        if Path(text).exists():
            return cls(Path(text))
        path, colon, scale = text.rpartition(":")
        if not (colon and Path(path).exists()):
            raise ValueError(f"{text}: no such file")
        try:
            number = float(scale)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"the scale of {path} is {scale!r}: write a number, such as {path}:0.5")
        return cls(Path(path), number)

    def read_template(self) -> str:
        """The name of the prompt template that it was trained for, or "" where the file does not say.

        Raises:
            ModelError: the file is damaged, or no GGUF.
        """
        return read_header(self.path).get_str(TEMPLATE)

    def check(self, model: Path, header: GgufHeader, template: str) -> None:
        """Raise ModelError: it is no LoRA adapter, or one for another model, as far as the two files say."""
        own = read_header(self.path)
        if own.get_str("general.type") != "adapter":
            raise ModelError(
                f"{self.path} is a model, not an adapter: name it with ModelConfig.model",
                code="model/adapter-mismatch",
            )
        if own.get_str("adapter.type") != "lora":
            raise ModelError(
                f"{self.path} is an adapter of the type {own.get_str('adapter.type')!r}; expected lora",
                code="model/unsupported",
            )
        for what, mine, theirs in (
            ("architecture", own.get_str("general.architecture"), header.get_str("general.architecture")),
            ("prompt", own.get_str(TEMPLATE), template),
            ("weights", own.get_str(FINGERPRINT), header.fingerprint),
        ):
            if mine and theirs and mine != theirs:
                raise ModelError(
                    f"{self.path} was trained for another model than {model}: its {what} {_are(what)} {mine}, "
                    f"and the model's {theirs}",
                    code="model/adapter-mismatch",
                )


def _are(what: str) -> str:
    return "are" if what.endswith("s") else "is"
