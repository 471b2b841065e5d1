"""A run on disk that can be resumed: its output, and a journal in which every line has a digest."""

from guardcli.audit.journal.entries import Checkpoint, PoisonRecord
from guardcli.audit.journal.journal import (
    FAULT_SUFFIX,
    SUFFIX,
    Journal,
    ManifestMismatchError,
    RunStatus,
    files_of,
    peek_manifest,
    read_run,
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
    "files_of",
    "peek_manifest",
    "read_run",
]
