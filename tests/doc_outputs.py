"""Take the outputs on README.md and the pages of docs/ anew where commands say something else by now.

    python -m tests.doc_outputs              all pages
    python -m tests.doc_outputs docs/audit.md

It runs each page as its test does, and writes what changed into the page; `…` stays where it was. It names commands
with other exit codes than the page says. Read the difference before you commit it: the text around may no longer fit.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path

from tests.doc_blocks import (
    PAGES,
    ROOT,
    SCORES_FILE,
    blocks_of,
    is_output,
    outputs_of,
    replace_texts,
    run_page,
    smol_scores,
)

_LEFT_OUT = "…"
_ALIKE = 0.6  # how similar a line must be to stand for one on the page


def main(names: Sequence[str]) -> None:
    """Take the outputs of pages anew: all of them, or those named."""
    if not names:
        SCORES_FILE.write_text(json.dumps(smol_scores()) + "\n", "utf-8")
    for page in [ROOT / name for name in names] or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            for line in retake_page(page, Path(folder)):
                print(line, flush=True)


def retake_page(page: Path, folder: Path) -> Iterator[str]:
    """Run a page in an empty folder, write its new outputs into it, and yield what a person should look at."""
    blocks = blocks_of(page)
    if not any(block.is_run for block in blocks):
        return
    shutil.copytree(ROOT / "examples", folder / "guardcli" / "examples")
    run_of = {run.block: run for run in run_page(blocks, folder / "guardcli", folder / "logs")}
    for block, run in run_of.items():
        if run.exit_codes != block.exit_codes:
            yield f"{block}: exits with {sorted(run.exit_codes)}, and the page says {sorted(block.exit_codes)}"
    changed = {}
    for block, shown in outputs_of(blocks):
        said = run_of[block].said(shown)
        if not is_output(said, shown.text):
            changed[shown] = retake(said, shown.text)
            whole = is_output(said, changed[shown])
            yield f"{shown}: taken anew" + ("" if whole else ", but it is not all of the output: correct it by hand")
    replace_texts(page, changed)


def retake(said: str, shown: str) -> str:
    """What a page should show of an output, by what it showed of an earlier one.

    >>> retake("a 2.5\\nb 3\\nc 4\\nd 5\\n", "a 1.5\\n…\\nc …\\nd 6\\n")
    'a 2.5\\n…\\nc …\\nd 5\\n'
    """
    lines = [line.rstrip() for line in said.rstrip("\n").split("\n")]
    if _LEFT_OUT not in shown:
        return "".join(f"{line}\n" for line in lines)
    taken: list[str] = []
    start = 0
    parts = [(is_gap, [*part]) for is_gap, part in groupby(shown.rstrip("\n").split("\n"), key=_is_gap)]
    for number, (is_gap, part) in enumerate(parts):
        if is_gap:
            taken.append(_LEFT_OUT)
            continue
        places = _find_all(lines, part, start)
        first, stop = min(places, default=start), max(places, default=start - 1) + 1
        if number == 0:
            first = 0
        if number + 1 == len(parts):  # the end of the output: as many lines as before, if it is not all
            first, stop = max(start, len(lines) - len(part)) if number else 0, len(lines)
        taken += [_keep_left_out(lines[n], places.get(n, "")) for n in range(first, stop)]
        start = stop
    return "".join(f"{line}\n" for line in taken)


def _is_gap(line: str) -> bool:
    return line.strip() == _LEFT_OUT


def _find_all(lines: Sequence[str], shown: Sequence[str], start: int) -> dict[int, str]:
    """Which lines of an output, from `start` on, stand for lines of a page, by their numbers."""
    places = {}
    for line in shown:
        found = _find(lines, line, start)
        if found is not None:
            places[found] = line
            start = found + 1
    return places


def _find(lines: Sequence[str], shown: str, start: int) -> int | None:
    """Which line stands for one on the page: the most similar, whatever its decimals."""
    wanted = _skeleton(shown)
    ratios = {n: SequenceMatcher(None, _skeleton(lines[n]), wanted).ratio() for n in range(start, len(lines))}
    best = max(ratios, key=lambda n: (ratios[n], -n), default=None)
    return best if best is not None and ratios[best] >= _ALIKE else None


def _keep_left_out(line: str, shown: str) -> str:
    """The line as it was shown, if that leaves something out of it and the rest is the same."""
    return shown if _LEFT_OUT in shown and is_output(line, shown) else line


def _skeleton(line: str) -> str:
    return " ".join(re.sub(r"[-+]?\d+\.\d+|-{2,}", "0", line).split())


if __name__ == "__main__":
    main(sys.argv[1:])
