"""The blocks of code in README.md and on the pages of docs/, and a shell that runs those of a page as pasted.

The info string of a block says what it is:

    ```sh                run in the shell of the page; every command exits with 0
    ```sh exit=1         some command exits with 1, and none with another code but 0
    ```sh download       not run: it needs what one of `SKIPPED` says
    ```python            run by Python in the folder of the shell
    ```text output       what the block before it writes to stdout
    ```text stderr       what the block before it writes to stderr
    ```yaml policy.yaml  a part of examples/policy.yaml

In outputs `…` stands for any text, and numbers with a decimal point may differ a little. On a processor with other
instructions they may differ more, so there outputs are not compared; see `judges_as_on_the_pages`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from guardcli import Conversation, EngineConfig, Guard, Message, SmallModelWarning
from tests.cli.running import environment

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

SKIPPED = {
    "install": "it installs guard",
    "tests": "it runs the tests",
    "gpu": "it needs a GPU",
    "cluster": "it needs a cluster of machines",
    "system": "it needs another system, or programs beside guard",
    "download": "it downloads a model or data",
    "pytorch": "it trains",
    "terminal": "it goes on until it is interrupted",
}

_FENCE = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCORES_FILE = Path(__file__).parent / "smol_scores.json"
PAGE_TIMEOUT = 1800  # seconds: a page on evaluation takes minutes with a model of 135 M parameters
_TOLERANCE = 0.01  # of scores: those of smol on other processors


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: the name of its page, its line there, and what is in it."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def skipped(self) -> str | None:
        """The word for why the block is not run; None if it is run."""
        return next((word for word in self.words if word in SKIPPED), None)

    @property
    def is_run(self) -> bool:
        return self.language in ("sh", "python") and self.skipped is None

    @property
    def exit_codes(self) -> set[int]:
        """The exit codes other than 0 that its commands have."""
        return {int(word.removeprefix("exit=")) for word in self.words if word.startswith("exit=")}


@dataclass(frozen=True, slots=True)
class Run:
    """A block that was run, with the exit codes of its commands other than 0."""

    block: Block
    exit_codes: set[int]
    stdout: str
    stderr: str

    def said(self, shown: Block) -> str:
        """What it wrote to the stream that an output on the page shows."""
        return self.stdout if shown.words == ("output",) else self.stderr


def blocks_of(page: Path, root: Path = ROOT) -> list[Block]:
    """Return the blocks of a page in their order. Its name is its path in `root`."""
    text = page.read_text("utf-8")
    name = page.relative_to(root).as_posix()
    return [
        Block(name, text[: match.start()].count("\n") + 1, language, tuple((words or "").split()), code)
        for match in _FENCE.finditer(text)
        for language, words, code in [match.groups()]
    ]


def replace_texts(page: Path, texts: Mapping[Block, str], root: Path = ROOT) -> None:
    """Write a page anew with other texts in some of its blocks."""
    content = page.read_text("utf-8")
    matches = zip(_FENCE.finditer(content), blocks_of(page, root), strict=True)
    for match, block in reversed([*matches]):
        if block in texts:
            start, end = match.span(3)
            content = content[:start] + texts[block] + content[end:]
    page.write_text(content, "utf-8")


def run_page(blocks: Sequence[Block], folder: Path, logs: Path) -> list[Run]:
    """Paste the blocks of a page into one shell in `folder`, a copy of the repository; `logs` gets their outputs.

    `guard` is on the path, and no model is named: the page says which one it uses.
    """
    todo = [block for block in blocks if block.is_run]
    (logs / "bin").mkdir(parents=True)
    _write_program(logs / "bin" / "guard", f'exec "{sys.executable}" -m guardcli "$@"')
    _write_program(logs / "bin" / "python", f'exec "{sys.executable}" "$@"')
    script = "set -o pipefail\n" + "".join(_commands(index, block, logs) for index, block in enumerate(todo))
    subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(PATH=f"{logs / 'bin'}{os.pathsep}{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
        stdin=subprocess.DEVNULL,
        timeout=PAGE_TIMEOUT,
        check=False,
    )
    return [_read_run(index, block, logs) for index, block in enumerate(todo)]


def outputs_of(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield each block that is run whose output the page shows, and the block with the output."""
    before = None
    for block in blocks:
        if block.language == "text" and block.words in (("output",), ("stderr",)):
            assert before is not None, f"{block}: no command is before it"
            yield before, block
        if block.language in ("sh", "python"):
            before = block if block.is_run else None


def smol_scores() -> list[float]:
    """The scores of the example prompts, each judged alone, with smol on this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallModelWarning)
        guard = Guard("smol", engine=EngineConfig(reproducible=True))
    with guard:
        texts = (ROOT / "examples" / "prompts.txt").read_text("utf-8").splitlines()
        verdicts = guard.check([Conversation((Message("user", text),)) for text in texts])
        return [round(verdict.score or 0.0, 4) for verdict in verdicts]


@cache
def judges_as_on_the_pages() -> bool:
    """Whether smol has the scores here that it had where the outputs were taken.

    On a CPU with other instructions llama.cpp rounds otherwise, and what is near a threshold may fall on its other
    side.
    """
    taken = json.loads(SCORES_FILE.read_text("utf-8"))
    return all(abs(one - other) < 0.002 for one, other in zip(smol_scores(), taken, strict=True))


def is_output(said: str, shown: str) -> bool:
    """Whether a command said what a page shows."""
    words = [word for word in re.split(r"(…|\d+\.\d+)", " ".join(shown.split())) if word]
    match = re.fullmatch("".join(map(_pattern, words)), " ".join(said.split()))
    numbers = [float(word) for word in words if _is_number(word)]
    return match is not None and all(
        abs(float(one) - number) <= _TOLERANCE for one, number in zip(match.groups(), numbers, strict=True)
    )


def _is_number(word: str) -> bool:
    return re.fullmatch(r"\d+\.\d+", word) is not None


def _pattern(word: str) -> str:
    if word == "…":
        return ".*?"
    return r"(\d+\.\d+)" if _is_number(word) else re.escape(word)


def _write_program(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def _commands(index: int, block: Block, logs: Path) -> str:
    """Lines of the shell that run a block; the trap notes every exit code other than 0."""
    code = block.text
    if block.language == "python":
        (logs / f"{index}.py").write_text(code)
        code = f'python "{logs}/{index}.py"\n'
    streams = f'>"{logs}/{index}.output" 2>"{logs}/{index}.stderr"'
    return f"trap 'echo $? >>\"{logs}/{index}.codes\"' ERR\n{{\n{code}}} {streams}\n"


def _read_run(index: int, block: Block, logs: Path) -> Run:
    codes = logs / f"{index}.codes"
    return Run(
        block,
        {int(code) for code in codes.read_text().split()} if codes.exists() else set(),
        (logs / f"{index}.output").read_text("utf-8"),
        (logs / f"{index}.stderr").read_text("utf-8"),
    )
