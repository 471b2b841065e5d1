"""The exceptions that leave guardcli's own code, and nothing else about failing.

::

    GuardError
    ├── InputError        an input that cannot be opened
    ├── OutputError       an output that cannot be written
    ├── TaxonomyError     every problem found in a taxonomy, each with its place in the file
    ├── ModelError        a model that cannot be loaded, or cannot be trusted with this template
    ├── EngineError       llama.cpp failed while evaluating
    └── TuneError         a training that cannot begin, or cannot go on
    StdoutClosed          the reader of stdout closed it: the run ends, without an error

A record that cannot be judged is no exception: it is a `Malformed` value and becomes an `error` verdict.
Errors of foreign libraries are translated where the library enters (the doors named in the README).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args


class GuardError(Exception):
    """Anything that ends a run with a message for a person; the command line exits with 2.

    Each argument is a line. A line break inside one came with a name, and is escaped where the message is shown.
    """

    def __str__(self) -> str:
        return "\n".join(self.lines)

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


class TuneError(GuardError):
    """A training that cannot begin, or cannot go on; checkpoints that were written stand."""


class StdoutClosed(Exception):
    """The reader of stdout closed it: the run ends without a message.

    Not an OSError, because click would exit with 1.
    """


class DemonstrationModelWarning(UserWarning):
    """A model was loaded that shows what the program does, and must not protect anyone."""


Code = Literal[
    "taxonomy",
    "no-taxonomy",  # the file is something else
    "too-large",  # more text, values or levels than a policy needs
    "too-many-problems",
    "extends-outside",  # of the folder of the file
    "hidden-character",
    "posing-letter",  # one that looks Latin
    "prompt-marker",  # text that imitates the prompt's structure
    "key-reads-like-verdict",
]
CODES: tuple[Code, ...] = get_args(Code)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a taxonomy. `line` and `column` count from 1; the message says what to do.

    In a taxonomy that was made of a dict `key` is the place, such as "categories[0].threshold", and `line` is 0.

    The code stays the same when the message is worded otherwise; `taxonomy` is that of mistakes.
    """

    path: str
    line: int
    column: int
    message: str
    code: Code = "taxonomy"
    key: str = ""

    def __str__(self) -> str:
        if not self.line:
            return f"{self.path}: {self.key}: {self.message}" if self.key else f"{self.path}: {self.message}"
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class TaxonomyError(GuardError):
    """All problems of one taxonomy at once, in the order of the file."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(*map(str, problems))
