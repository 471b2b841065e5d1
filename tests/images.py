"""The pictures in docs/images: pages as a browser shows them, and screens of a terminal with 80 columns.

`python -m tests.images` makes them anew. Pages need Chromium. Their rows are made up; the screens are those of the
model that ships.
"""

from __future__ import annotations

import datetime
import io
import json
import math
import os
import pty
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from guardcli.taxonomy import Taxonomy
from tests.rows import row, write

ROOT = Path(__file__).parent.parent
EXAMPLES, IMAGES = ROOT / "examples", ROOT / "docs" / "images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_NUM_ROWS = 20_000
_NUM_LABELED = 1_000
_COLUMNS, _LINES = 80, 60
_GUARD = [sys.executable, "-m", "guardcli"]
_FACTS = {"safe": "baking bread", "unsafe": "picking a lock"}


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_screens(folder)
        if CHROMIUM is None:
            sys.exit("no Chromium here: the pictures of pages stay as they are")
        make_pages(folder)


def make_pages(folder: Path) -> None:
    """Make pages of made-up rows, and take their pictures."""
    _write_rows(folder)
    report = ["report", "verdicts.jsonl", "--time", "day", "--title", "Chats of January", "--with-text"]
    _run([*report, "-o", "report.html"], folder)
    _run(["diff", "verdicts.jsonl", "after.jsonl", "--format", "html", "-o", "diff.html"], folder)
    gates = ["--min-auprc", "0.6", "--max-fpr", "0.01"]
    _run(
        ["eval", "labeled.jsonl", "--verdicts", "verdicts.jsonl", *gates, "--format", "html", "-o", "eval.html"], folder
    )
    for page in ("report", "diff", "eval"):
        take_picture(folder / f"{page}.html", IMAGES / f"{page}.png", width=1000, height=1300)
    take_picture(folder / "report.html", IMAGES / "report-dark.png", width=1000, height=1300, dark=True)
    take_picture(folder / "report.html", IMAGES / "report-phone.png", width=400, height=1300)


def take_picture(page: Path, picture: Path, *, width: int, height: int, dark: bool = False) -> None:
    """Take a picture of the top of a page. It is in a frame, because a window has at least 500 pixels of width."""
    scheme = "dark" if dark else "light"
    frame = page.with_name("frame.html")
    frame.write_text(
        f"<!doctype html><meta name=color-scheme content={scheme}><body style='margin:0'>"
        f"<iframe src={page.name} width={width} height={height} style='border:0;display:block;color-scheme:{scheme}'>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files"]
    size = [f"--window-size={width},{height}", f"--screenshot={picture}", f"--user-data-dir={page.parent / 'browser'}"]
    settings = ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [str(CHROMIUM), *flags, *settings, *size, frame.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)


def make_screens(folder: Path) -> None:
    """Run commands in a terminal, and draw what they print."""
    shutil.copy(EXAMPLES / "chats.txt", folder)
    for name, words in (
        ("check", ["check", "-m", "smol", "chats.txt"]),
        ("audit", ["audit", "-m", "smol", "chats.txt", "-o", "out.jsonl"]),
        ("check-help", ["check", "--help"]),
    ):
        (IMAGES / f"{name}.svg").write_text(draw_screen(f"guard {' '.join(words)}", _run_in_terminal(words, folder)))


def draw_screen(command: str, printed: str) -> str:
    """Draw a terminal's output as SVG, in a font of the reader's own: nothing is fetched."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(f"$ {command}\n{printed}"))
    svg = console.export_svg(title="guard", unique_id="screen")  # the same picture each time
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    return svg.replace("Fira Code", "ui-monospace")


def _run_in_terminal(words: Sequence[str], folder: Path) -> str:
    """What a command prints to a terminal, each line as it is in the end."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(_COLUMNS), "LINES": str(_LINES)}
    process = subprocess.Popen(
        [*_GUARD, *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=_environment() | size
    )
    os.close(theirs)
    parts = []
    while part := _read(ours):
        parts.append(part)
    process.wait()
    os.close(ours)
    printed = b"".join(parts).decode()
    return "\n".join(line.split("\r\x1b[2K")[-1].rstrip("\r") for line in printed.split("\n"))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # a terminal that the last process has left
        return b""


def _run(words: Sequence[str], folder: Path) -> None:
    done = subprocess.run([*_GUARD, *words], cwd=folder, env=_environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1, 3):  # clean, findings, something not judged: made up like the rest
        raise RuntimeError(done.stderr)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "GUARD_MODEL": "", "GUARD_TAXONOMY": ""}


def _write_rows(folder: Path) -> None:
    """Write two runs over the same made-up records, and labels for the first of them."""
    for name, seed in (("verdicts", 1), ("after", 2)):
        write(folder / f"{name}.jsonl", list(_rows(seed)))
    rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()[:_NUM_LABELED]]
    truth = random.Random(3)
    labels = (
        json.dumps(
            {"prompt": row["text"], "label": "unsafe" if truth.random() < _truth(row) else "safe", "id": row["id"]}
        )
        for row in rows
    )
    (folder / "labeled.jsonl").write_text("".join(f"{line}\n" for line in labels))


def _truth(row: dict[str, Any]) -> float:
    """How likely a made-up record is labeled unsafe."""
    return 0.3 if row["score"] is None else 0.02 + 0.9 * float(row["score"])


def _rows(seed: int) -> Iterator[dict[str, Any]]:
    """Rows of a busy chat; another seed moves their scores a little, as another model would."""
    policy = Taxonomy.load("llama-guard-3")
    taxonomy = {"name": policy.name, "prompt": policy.prompt_digest, "decision": policy.decision_digest}
    records, run = random.Random(0), random.Random(seed)
    model = f"llama-guard-3-8b-{'q8_0' if seed == 1 else 'q4_k_m'}@{seed:012x}"
    for line in range(1, _NUM_ROWS + 1):
        day = datetime.date(2026, 1, 1) + datetime.timedelta(days=31 * (line - 1) // _NUM_ROWS)
        is_unsafe, is_error = records.random() < 0.05 + 0.05 * (day.day in (17, 18)), records.random() < 0.004
        log_odds = records.gauss(2.5 if is_unsafe else -4.5, 1.8) + run.gauss(0, 0.5)
        categories = [records.choices(["S10", "S2", "S11", "S9", "S1"], [8, 5, 3, 2, 1])[0]]
        made = row(
            line,
            None if is_error else 1 / (1 + math.exp(-log_odds)),
            id=f"chat-{line:05}",
            model=model,
            taxonomy=taxonomy,
            meta={"day": day.isoformat()},
            text=f"A question about {_FACTS['unsafe' if is_unsafe else 'safe']}, number {line}.",
        )
        if made["verdict"] == "unsafe":
            made |= {"categories": categories, "listed": categories}
        yield made


if __name__ == "__main__":
    main()
