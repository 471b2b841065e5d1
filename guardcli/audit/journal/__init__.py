"""A run on disk that can be resumed: its output, and a journal in which every line has a digest."""

from guardcli.audit.journal.entries import Checkpoint, PoisonRecord
from guardcli.audit.journal.journal import (
    FAULT_SUFFIX,
    SUFFIX,
    Journal,
    ManifestMismatchError,
    RunStatus,
    check_unlocked,
    files_of,
    peek_manifest,
    read_checkpoints,
    read_run,
    read_state,
)
from guardcli.audit.journal.state import MAX_SILENT_DEATHS, JournalState

__all__ = [
    "FAULT_SUFFIX",
    "MAX_SILENT_DEATHS",
    "SUFFIX",
    "Checkpoint",
    "Journal",
    "JournalState",
    "ManifestMismatchError",
    "PoisonRecord",
    "RunStatus",
    "check_unlocked",
    "files_of",
    "peek_manifest",
    "read_checkpoints",
    "read_run",
    "read_state",
]
