"""The exceptions of guardcli, the table of their codes, and the names of settings in messages."""

from guardcli.errors.codes import ERROR_CODES, TAXONOMY_CODES, ErrorCode, TaxonomyCode
from guardcli.errors.exceptions import (
    ClusterError,
    EngineError,
    GuardError,
    InputError,
    ModelError,
    OutputError,
    Problem,
    SmallModelWarning,
    StdoutClosed,
    TaxonomyError,
    TuneError,
)
from guardcli.errors.settings import SETTINGS, as_options, setting

__all__ = [
    "ERROR_CODES",
    "SETTINGS",
    "TAXONOMY_CODES",
    "ClusterError",
    "EngineError",
    "ErrorCode",
    "GuardError",
    "InputError",
    "ModelError",
    "OutputError",
    "Problem",
    "SmallModelWarning",
    "StdoutClosed",
    "TaxonomyCode",
    "TaxonomyError",
    "TuneError",
    "as_options",
    "setting",
]
