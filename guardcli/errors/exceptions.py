"""The exceptions that leave guardcli's own code. Each carries the code of its kind.

::

    GuardError
    ├── InputError        an input that cannot be opened
    ├── OutputError       an output that cannot be written
    ├── TaxonomyError     every problem found in a taxonomy, each with its place in the file
    ├── ModelError        a model that cannot be loaded, or cannot be trusted with this template
    ├── EngineError       llama.cpp failed while evaluating
    ├── ClusterError      a cluster that cannot be used, or workers that are not alike
    └── TuneError         a training that cannot begin, or cannot go on
    StdoutClosed          the reader of stdout closed it: the run ends, without an error

A record that cannot be judged is no exception: it is a `Malformed` value and becomes an `error` verdict.
Errors of foreign libraries are translated where the library enters (its doors are in tests/test_house.py).
"""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from typing import Any, Literal

from guardcli.errors.codes import ErrorCode, TaxonomyCode


class GuardError(Exception):
    """Anything that ends a run with a message for a person; the command line exits with 2.

    Each argument is a line. A line break inside one came with a name, and is escaped where the message is shown. `code`
    says what kind of error it is, and stays the same when the message is worded differently.
    """

    def __init__(self, *lines: str, code: ErrorCode) -> None:
        super().__init__(*lines)
        self.code = code

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and unpickle without `__init__`, which takes other arguments than the lines."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, a line each."""
        return tuple(map(str, self.args))


class InputError(GuardError):
    """An input that cannot be opened."""


class OutputError(GuardError):
    """An output that cannot be written."""


class ModelError(GuardError):
    """A model that cannot be loaded, or cannot be trusted with this template."""


class EngineError(GuardError):
    """llama.cpp failed while evaluating; what was judged before stands."""


class ClusterError(GuardError):
    """A cluster that cannot be used, or workers that are not alike; what was judged before stands."""


class TuneError(GuardError):
    """A training that cannot begin, or cannot go on; checkpoints that were written stand."""


class StdoutClosed(Exception):
    """The reader of stdout closed it: the run ends without a message.

    Not an OSError, because click would exit with 1.
    """


class SmallModelWarning(UserWarning):
    """A model was loaded that is small, and often wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a taxonomy. `line` and `column` count from 1; the message says what to do.

    A `warning` is a part of a valid taxonomy that will not have the effect that its author may expect.

    In a taxonomy that was made of a dict `key` is the place, such as "categories[0].threshold", and `line` is 0.
    """

    path: str
    line: int
    column: int
    message: str
    code: TaxonomyCode
    key: str = ""
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        message = f"warning: {self.message}" if self.level == "warning" else self.message
        if not self.line:
            return f"{self.path}: {self.key}: {message}" if self.key else f"{self.path}: {message}"
        return f"{self.path}:{self.line}:{self.column}: {message}"


class TaxonomyError(GuardError):
    """All problems of one taxonomy at once, in the order of the file. Its code is that of the first."""

    def __init__(self, first: Problem, *others: Problem) -> None:
        self.problems = (first, *others)
        super().__init__(*map(str, self.problems), code=first.code)
