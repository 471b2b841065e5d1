"""The `guard` command: its subcommands, imported when they are called, and exceptions → exit codes."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO

import click

from guardcli import __version__, environment
from guardcli.cli import output
from guardcli.cli.exit_codes import BROKEN_PIPE, FINDINGS, INTERNAL_ERROR, INTERRUPTED, OK, UNJUDGED, USAGE_ERROR
from guardcli.cli.lazy import LazyGroup
from guardcli.errors import GuardError, SmallModelWarning, StdoutClosed
from guardcli.text.escaping import escape_line

# name: (module and attribute, what --help says of it). The help must not import the command.
_COMMANDS = {
    "check": ("guardcli.cli.check:check", "Judge conversations, and stream a verdict for each."),
    "filter": ("guardcli.cli.filter:filter_", "Pass safe records through, and withhold unsafe ones."),
    "audit": ("guardcli.cli.audit:audit_", "Judge large data sets; resumable after a crash."),
    "merge": ("guardcli.cli.merge:merge", "Join the shards of an audit."),
    "report": ("guardcli.cli.report:report", "Make an HTML page of stored verdicts."),
    "diff": ("guardcli.cli.diff:diff", "Show the verdicts that differ between two runs or policies."),
    "decide": ("guardcli.cli.decide:decide", "Apply new thresholds to stored verdicts, without the model."),
    "eval": ("guardcli.cli.eval:eval_", "Evaluate verdicts against labels (AUPRC, F1, …), and choose thresholds."),
    "taxonomy": ("guardcli.cli.taxonomy:taxonomy", "Create, validate, render and test policies."),
    "models": ("guardcli.cli.models:models", "Find, download and examine models."),
    "tune": ("guardcli.cli.tune:tune", "Fine-tune a Llama Guard on labeled records."),
    "schema": ("guardcli.cli.schema:schema", "Print the JSON Schema of verdict rows or taxonomies."),
    "doctor": ("guardcli.cli.doctor:doctor", "Check the installation, GPU offload and the model."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    exits={
        OK: "clean: everything was judged, and nothing was found",
        FINDINGS: "findings: something is unsafe, a limit is missed, a test failed, verdicts differ",
        USAGE_ERROR: "wrong usage, or an input, a model or a policy that cannot be used",
        UNJUDGED: "finished, but something could not be judged (outranks 1)",
        INTERNAL_ERROR: "a bug in guard",
        INTERRUPTED: "interrupted by Ctrl-C",
        BROKEN_PIPE: "the reader of the output went away",
    },
    examples=(
        "printf 'How do I bake bread?\\n' | guard check -m smol",
        "guard check -m smol -t policy.yaml chats.jsonl",
        "guard taxonomy new my-policy",
        "guard check --help",
    ),
)
@click.version_option(__version__, "-V", "--version", package_name="guardcli", prog_name="guard")
def cli() -> None:
    """Judge conversations with Llama Guard: conversations in, safety verdicts out."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code. Messages go to stderr."""
    if sys.stderr is None:  # it was closed; click and traceback need one
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    _redirect_warnings()
    code = _run(arguments)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not _try_flush(stream):
            _discard(stream)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    environment.prepare()
    try:
        # click's own handling exits with 1 on Ctrl-C and on a closed pipe, and 1 means "unsafe" here.
        words = tuple(sys.argv[1:] if arguments is None else arguments)  # a page says which command made it
        result = cli.main(args=words, prog_name="guard", standalone_mode=False, obj=words)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        output.echo_err_text(_usage_message(error))
        return USAGE_ERROR
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (StdoutClosed, SystemExit):  # click exits where nobody reads its help
        return BROKEN_PIPE
    except GuardError as error:
        output.echo_error(error)
        return USAGE_ERROR
    except OSError as error:  # a full disk under --help, for one
        output.echo_error(GuardError(str(error), code="system/io-error"))
        return USAGE_ERROR
    except Exception as error:
        if (cause := _environment_error(error)) is not None:
            output.echo_error(cause)
            return USAGE_ERROR
        output.echo_err_text(traceback.format_exc())
        output.echo_err(f"guard {__version__}: this is a bug in guard, not in your input; please report it")
        return INTERNAL_ERROR


def _usage_message(error: click.ClickException) -> str:
    """Return click's message for wrong usage, in which an argument of the user cannot begin a new line."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return f"{error.format_message()}\n"
    message = error.format_message().expandtabs(2)
    if not isinstance(error, click.MissingParameter):  # which lists the choices, a line each
        message = escape_line(message)
    buffer = io.StringIO()
    click.UsageError(message, getattr(error, "ctx", None)).show(buffer)
    return buffer.getvalue()


def _redirect_warnings() -> None:
    """Write Python's warnings and libraries' logs through `output`, which escapes hostile names."""
    logging.lastResort = output.StderrHandler(logging.WARNING)
    warnings.showwarning = _show_warning
    warnings.simplefilter("default", SmallModelWarning)  # whatever PYTHONWARNINGS says


def _show_warning(message: Warning | str, category: type[Warning], *_place: Any, **_line: Any) -> None:
    """Show a warning; our own is a message for people, without its category."""
    is_ours = issubclass(category, SmallModelWarning)
    output.echo_err(f"guard: {message}" if is_ours else f"guard: {category.__name__}: {message}")


def _environment_error(error: Exception) -> GuardError | None:
    """Return what the machine or the installation lacks if that caused the error; None if it is a bug of guard."""
    if isinstance(error, MemoryError):
        return GuardError(
            "out of memory: allow more (ulimit -v), or choose a smaller model or --max-prompt-tokens",
            code="system/out-of-memory",
        )
    if isinstance(error, RuntimeError) and str(error).startswith("can't start new thread"):
        return GuardError(
            "cannot start a thread: the limit of processes (ulimit -u) or of memory (ulimit -v) is reached",
            code="system/out-of-memory",
        )
    is_llama_cpp = isinstance(error, RuntimeError) and str(error).startswith("Failed to load shared library")
    is_import = isinstance(error, ImportError) and not (error.name or "").startswith("guardcli")
    if is_llama_cpp or is_import:
        return GuardError(
            f"cannot load a library: {_first_cause(error)}; install guardcli again, or allow more memory (ulimit -v)",
            code="system/library-missing",
        )
    return None


def _first_cause(error: BaseException) -> str:
    """Return the first line of the root cause: numpy's own message is a page long."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error).split("\n")[0]


def _try_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _discard(stream: TextIO) -> None:
    """Send Python's own flush at exit to /dev/null, so that it does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
