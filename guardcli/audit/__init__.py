"""Audits of files: blocks that are judged and committed one by one, the journal, the manifest, shards.

>>> from guardcli.audit import audit
>>> result = audit("logs/", "verdicts.jsonl", model="llama-guard-3-8b.gguf")

`audit` and what belongs to it are imported when they are first used: merging shards needs no reader of verdicts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guardcli.audit.blocks import (
    POISON_MESSAGE,
    Block,
    BlockLimits,
    Item,
    choose_block_tokens,
    replace_poison_records,
    split_into_blocks,
)
from guardcli.audit.input_files import InputFiles, SkippedFile, describe_skipped, expand_paths
from guardcli.audit.isolation import isolate_records
from guardcli.audit.manifest import block_tokens_of, describe_differences, make_manifest
from guardcli.audit.merge import MergedShards, merge_shards
from guardcli.audit.observer import AuditObserver
from guardcli.audit.progress import AuditPreparation, AuditProgress
from guardcli.audit.run import AuditPlan, Shard, isolate_poison_records, run_audit
from guardcli.audit.signals import Interrupted, Interrupts
from guardcli.audit.sources import UNIT_BYTES, Source
from guardcli.audit.units import Unit, read_unit, split_into_units

if TYPE_CHECKING:
    from guardcli.audit.auditing import AuditResult, audit
    from guardcli.audit.job import AuditJob

_HOMES = {"AuditJob": "job", "AuditResult": "auditing", "audit": "auditing"}

__all__ = [
    "POISON_MESSAGE",
    "UNIT_BYTES",
    "AuditJob",
    "AuditObserver",
    "AuditPlan",
    "AuditPreparation",
    "AuditProgress",
    "AuditResult",
    "Block",
    "BlockLimits",
    "InputFiles",
    "Interrupted",
    "Interrupts",
    "Item",
    "MergedShards",
    "Shard",
    "SkippedFile",
    "Source",
    "Unit",
    "audit",
    "block_tokens_of",
    "choose_block_tokens",
    "describe_differences",
    "describe_skipped",
    "expand_paths",
    "isolate_poison_records",
    "isolate_records",
    "make_manifest",
    "merge_shards",
    "read_unit",
    "replace_poison_records",
    "run_audit",
    "split_into_blocks",
    "split_into_units",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
