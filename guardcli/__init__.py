"""Llama Guard as a filter: conversations in, safety verdicts out, judged against a taxonomy in YAML.

>>> from guardcli import Guard, Taxonomy
>>> guard = Guard("llama-guard-3-8b.gguf", Taxonomy.load("llama-guard-3"))
>>> [verdict.verdict for verdict in guard.check(["How do I bake bread?"])]
['safe']

Names are imported when they are first used: importing the package costs nothing. What is not a name of this package is
in its subpackages:

    from guardcli.audit import audit, merge_shards            files into a file that can be resumed, and shards joined
    from guardcli.formats import ReadOptions                  records of files, for Guard.judge
    from guardcli.judging.reader import read_verdicts         stored rows
    from guardcli.judging.summary import summarize            and what they add up to
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guardcli import environment

if TYPE_CHECKING:
    from guardcli.conversation import Conversation, Message
    from guardcli.engine import EngineConfig
    from guardcli.errors import GuardError, SmallModelWarning
    from guardcli.evaluation.evaluation import evaluate
    from guardcli.judging import Calibration, Guard, JudgeConfig, Verdict
    from guardcli.models import Adapter, Model, ModelConfig, Offload
    from guardcli.taxonomy import Taxonomy

__version__ = "0.1.0"

_HOMES = {
    "Adapter": "guardcli.models",
    "Calibration": "guardcli.judging",
    "Conversation": "guardcli.conversation",
    "SmallModelWarning": "guardcli.errors",
    "EngineConfig": "guardcli.engine",
    "Guard": "guardcli.judging",
    "GuardError": "guardcli.errors",
    "Message": "guardcli.conversation",
    "Model": "guardcli.models",
    "ModelConfig": "guardcli.models",
    "Offload": "guardcli.models",
    "JudgeConfig": "guardcli.judging",
    "Taxonomy": "guardcli.taxonomy",
    "Verdict": "guardcli.judging",
    "evaluate": "guardcli.evaluation",
}

__all__ = [
    "Adapter",
    "Calibration",
    "Conversation",
    "EngineConfig",
    "Guard",
    "GuardError",
    "JudgeConfig",
    "Message",
    "Model",
    "ModelConfig",
    "Offload",
    "SmallModelWarning",
    "Taxonomy",
    "Verdict",
    "evaluate",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'guardcli' has no attribute {name!r}")
    environment.prepare()
    return getattr(import_module(_HOMES[name]), name)
