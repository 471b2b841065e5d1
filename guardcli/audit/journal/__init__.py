"""A run on disk that can be resumed: its output, and a journal in which every line has a digest."""

from guardcli.audit.journal.entries import Checkpoint, Guilty
from guardcli.audit.journal.files import (
    FAULT_SUFFIX,
    SUFFIX,
    Finding,
    Journal,
    OtherRun,
    files_of,
    peek_manifest,
    read_run,
)
from guardcli.audit.journal.state import MAX_SILENT_DEATHS, State

__all__ = [
    "FAULT_SUFFIX",
    "MAX_SILENT_DEATHS",
    "SUFFIX",
    "Checkpoint",
    "Finding",
    "Guilty",
    "Journal",
    "OtherRun",
    "State",
    "files_of",
    "peek_manifest",
    "read_run",
]
