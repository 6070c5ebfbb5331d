"""Pages as they leave the server, asked for and taken apart without a browser."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.pages import routes
from tests.dashboard.scripted import ScriptedSource


def browse(snapshot: dict[str, Any], *, may_see: bool = True) -> TestClient:
    source = ScriptedSource(lambda: snapshot)
    return TestClient(Starlette(routes=routes(source, may_see=lambda _request: may_see)))


class Reading(HTMLParser):
    """A page's elements with their attributes, and the text outside of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._said: list[str] = []
        self._inside = ""
        self.feed(page)
        self.text = "".join(self._said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, _tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside != "script":
            self._said.append(data)
