"""Records → verdicts, in order: what is judged (`job`), how it fits (`fitting`), the line itself (`guard`)."""

from __future__ import annotations

from guardcli.classifier.guard import Guard
from guardcli.classifier.job import MAX_RECORD_TOKENS, Settings

__all__ = ["MAX_RECORD_TOKENS", "Guard", "Settings"]
