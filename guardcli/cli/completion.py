"""Completion in a shell of arguments and options that name a file, a policy or a model, by their metavar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from click.shell_completion import CompletionItem


class _Name(click.ParamType[str]):
    """A name, or the path of a file; taken as it is. Whether it exists is checked where it is opened."""

    name = "text"

    def known(self) -> Sequence[str]:
        """Return the names that are not files."""
        return ()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # Shells complete files where no name fits.
        names = [CompletionItem(name) for name in self.known() if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file"), *names]


class _TaxonomyName(_Name):
    def known(self) -> Sequence[str]:
        from guardcli.taxonomy import bundled_taxonomies

        return bundled_taxonomies()


class _ModelName(_Name):
    def known(self) -> Sequence[str]:
        from guardcli.models.registry import BUNDLED_MODELS, REGISTRY

        return [*BUNDLED_MODELS, *REGISTRY]


_FILE, _TAXONOMY, _MODEL = _Name(), _TaxonomyName(), _ModelName()

# What a metavar in the help stands for, without its dots and brackets.
_TYPES: dict[str, _Name] = {
    "FILES": _FILE,
    "FILE": _FILE,
    "INPUT": _FILE,
    "LABELED": _FILE,
    "VERDICTS": _FILE,
    "TAXONOMY": _TAXONOMY,
    "NAME|YAML": _TAXONOMY,
    "MODEL": _MODEL,
    "GGUF": _MODEL,
}


def complete_names(params: Iterable[click.Parameter]) -> None:
    """Let shells complete the values of parameters that name something."""
    for param in params:
        named = _TYPES.get((param.metavar or "").strip("[]."))
        if named is not None and param.type is click.STRING:
            param.type = named
