"""What MkDocs does not do by itself: pages and files from outside docs/, and the info strings of blocks.

README.md becomes the first page. CHANGELOG.md, CONTRIBUTING.md and the card of the model smol become pages, and the
files of examples/ and the other files that pages link to are copied, so that every link works in the site too.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
_CARD = "guardcli/models/smol/CARD.md"
_PAGES = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
_PAGES |= {_CARD: "smol.md"}
_LINK = re.compile(r"\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
_INFO = re.compile(r"^```(\w+) [^\n]+$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and files from outside docs/."""
    for path, name in _PAGES.items():
        text = (ROOT / path).read_text("utf-8")
        files.append(File.generated(config, name, content=_LINK.sub(partial(_relink, page=path), text)))
    for path in _linked_files():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Keep the language of each block, and drop what stands behind it; lead links to outside to the copies."""
    return _INFO.sub(r"```\1", _LINK.sub(partial(_relink, page="docs/index.md"), markdown))


def _relink(link: re.Match[str], page: str) -> str:
    """Return a link of the repository as a link of the site."""
    path, anchor = link.groups()
    if path.startswith(("http://", "https://")):
        return link[0]
    target = (ROOT / page).parent.joinpath(path).resolve()
    if not target.is_relative_to(ROOT):
        return link[0]
    inside = target.relative_to(ROOT).as_posix()
    return f"]({_PAGES.get(inside, inside.removeprefix('docs/'))}{anchor})"


def _linked_files() -> set[str]:
    """Return the paths of files outside docs/ that pages link to, but for pages."""
    linked = set()
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for path, _ in _LINK.findall(page.read_text("utf-8")):
            target = page.parent.joinpath(path).resolve()
            if target.is_file() and target.is_relative_to(ROOT) and target.suffix != ".md":
                linked.add(target.relative_to(ROOT).as_posix())
    return {path for path in linked if not path.startswith("docs/")}
