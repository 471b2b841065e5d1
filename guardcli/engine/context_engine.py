"""What both engines have in common: a llama.cpp context that they own, and statistics."""

from __future__ import annotations

from guardcli.engine.context import LlamaContext
from guardcli.engine.request import EngineStats, MemoryUsage


class ContextEngine:
    """The base of an engine on one context, which it frees when it is closed. See `Engine`."""

    def __init__(self, context: LlamaContext) -> None:
        self.stats = EngineStats()
        self._context = context

    @property
    def max_model_len(self) -> int:
        return self._context.params.max_model_len

    @property
    def context_params(self) -> dict[str, int | bool | str]:
        return self._context.params.as_json()

    @property
    def memory_usage(self) -> MemoryUsage:
        return self._context.memory_usage

    def close(self) -> None:
        """Free the context."""
        self._context.close()
