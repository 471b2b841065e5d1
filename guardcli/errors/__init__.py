"""The exceptions of guardcli, and the table of their codes."""

from guardcli.errors.codes import ERROR_CODES, TAXONOMY_CODES, ErrorCode, TaxonomyCode
from guardcli.errors.exceptions import (
    DemonstrationModelWarning,
    EngineError,
    GuardError,
    InputError,
    ModelError,
    OutputError,
    Problem,
    StdoutClosed,
    TaxonomyError,
    TuneError,
)

__all__ = [
    "ERROR_CODES",
    "TAXONOMY_CODES",
    "DemonstrationModelWarning",
    "EngineError",
    "ErrorCode",
    "GuardError",
    "InputError",
    "ModelError",
    "OutputError",
    "Problem",
    "StdoutClosed",
    "TaxonomyCode",
    "TaxonomyError",
    "TuneError",
]
