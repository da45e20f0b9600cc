# SPDX-License-Identifier: Apache-2.0
"""An HTML page taken apart, and what every page of ours promises."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "path", "rect", "circle"}


class Page(HTMLParser):
    """A page taken apart; `unclosed` and `misplaced` are empty when its tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.unclosed: list[str] = []
        self.misplaced: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.unclosed and self.unclosed[-1] == tag:
            self.unclosed.pop()
        else:
            self.misplaced.append(tag)

    def handle_data(self, data: str) -> None:
        inside = self.unclosed[-1] if self.unclosed else ""
        if inside == "script":
            self.scripts.append(data)
        elif inside != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_sound(page: Page) -> None:
    """Assert that the page is well-formed, loads nothing, runs nothing, and is usable without eyes."""
    assert page.unclosed == [] and page.misplaced == []
    assert {attributes["src"][:5] for attributes in page.all("img")} <= {"data:"}
    assert [attributes["type"] for attributes in page.all("script")] == ["application/ld+json"]
    assert not page.all("link") and not page.all("iframe") and not page.all("form") and not page.all("object")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert all(re.match(r"#|https://|[\w./@ ()%&-]+$", a["href"]) for a in page.all("a")), "only links, no javascript:"
    identifiers = [a["id"] for _, a in page.tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    assert {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")} <= set(identifiers)
    assert all(a["alt"] for a in page.all("img")) and len(page.all("h1")) == len(page.all("main")) == 1
    assert all("scope" in a for a in page.all("th")) and page.all("html")[0]["lang"] == "en"
    for svg in page.all("svg"):
        assert svg.get("aria-hidden") or set(svg["aria-labelledby"].split()) <= set(identifiers)
