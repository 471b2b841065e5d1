"""Read a page as a browser does: its text by section, its tables, its scripts, and whatever could fetch something."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "input", "br"}
INERT = {"style", "script"}
TAGS = {
    *("html", "head", "body", "meta", "title", "style", "script", "h1", "h2", "h3", "p", "div", "span", "b", "br"),
    *("ul", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "details", "summary", "dl", "dt"),
    *("dd", "label", "input", "output", "figure", "figcaption", "svg", "line", "polyline", "circle", "text", "i"),
}


@dataclass
class Node:
    """An element: its tag, its attributes, and what it holds."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Any] = field(default_factory=list)

    def walk(self) -> list[Node]:
        """The element and those in it, in their order."""
        inside = [node for child in self.children if isinstance(child, Node) for node in child.walk()]
        return [self, *inside]

    def find(self, tag: str, **attributes: str) -> list[Node]:
        """The elements with a tag and these attributes; `class_` is one of their classes."""
        wanted_class = attributes.pop("class_", None)
        return [
            node
            for node in self.walk()
            if node.tag == tag
            and (wanted_class is None or wanted_class in (node.attributes.get("class") or "").split())
            and all(node.attributes.get(name.replace("_", "-")) == value for name, value in attributes.items())
        ]

    @property
    def text(self) -> str:
        """What a reader sees, with single blanks."""
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return "" if self.tag in INERT else re.sub(r"\s+", " ", " ".join(parts)).strip()


class Page(HTMLParser):
    """A parsed page. An element that is not closed, or closed twice, is an AssertionError."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]
        self.feed(html)
        self.close()
        assert self._open == [self.root], self._open[-1].tag

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    @property
    def title(self) -> str:
        (title,) = self.root.find("title")
        return title.text

    @property
    def finding(self) -> str:
        (finding,) = self.root.find("p", class_="finding")
        return finding.text

    @property
    def text(self) -> str:
        return self.root.text

    def section(self, id_: str) -> Node:
        """What follows the heading with this id, up to the next one."""
        (body,) = self.root.find("body")
        found, inside = Node("", {}), False
        for child in body.children:
            if isinstance(child, Node) and child.tag == "h2":
                inside = child.attributes.get("id") == id_
            if inside:
                found.children.append(child)
        assert found.children, id_
        return found

    def has_section(self, id_: str) -> bool:
        return any(node.attributes.get("id") == id_ for node in self.root.find("h2"))

    def rows(self, id_: str) -> list[list[str]]:
        """The cells of the tables in a section, without headings."""
        bodies = self.section(id_).find("tbody")
        return [[cell.text for cell in row.find("td")] for body in bodies for row in body.find("tr")]


def assert_inert(html: str) -> None:
    """Assert that a page runs nothing but its own script, fetches nothing, and has no element of the data's."""
    page = Page(html)
    nodes = page.root.walk()[1:]
    assert {node.tag for node in nodes} <= TAGS
    for node in nodes:
        for name, value in node.attributes.items():
            assert not name.startswith("on"), name
            assert name not in ("src", "srcset", "action", "formaction", "data", "poster", "xlink:href"), name
            assert name != "href" or (value or "").startswith("#"), value
            assert "url(" not in (value or ""), value
    (script,) = page.root.find("script")
    (policy,) = page.root.find("meta", http_equiv="Content-Security-Policy")
    assert "url(" not in page.root.find("style")[0].children[0]
    digest = b64encode(sha256(script.children[0].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in (policy.attributes["content"] or "").split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "script-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
