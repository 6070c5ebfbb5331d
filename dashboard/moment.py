"""An earlier moment in a page's address: `?at=`, and that what the page leads to is of that moment too."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from dashboard.links import escaped

# Pages, and an answer of the API, that show an earlier moment too.
_KNOW_THE_PAST = re.compile(
    r"/(?:$|[?#]|(?:conversation|topics|search|time|cost)(?:$|[?#])|(?:api/v1/)?messages/|instances/)"
)
_LINK = re.compile(r'(<a (?![^>]*\sdata-now\b)(?:[^>]*\s)?href=")([^"]*)"')
_OVERVIEW = ("/", "/time")
_PAGES_BACK = "before"  # part of an address that leads back in a list: of another moment it means another list


class Here(Struct, frozen=True, kw_only=True):
    """A page's address but for the moment. `path` is as the browser has it, escaped."""

    path: str
    query: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, path: str, query: Iterable[tuple[str, str]]) -> Here:
        return cls(path=path, query=tuple((key, value) for key, value in query if key not in ("at", _PAGES_BACK)))

    def at(self, moment: str) -> str:
        """The address of the same page at a moment; "" is the present. Of the overview the past has its own."""
        path = self.target if moment or self.path not in _OVERVIEW else "/"
        told = [f"{escaped(key)}={escaped(value)}" for key, value in self.query]
        told += [f"at={escaped(moment)}"] if moment else []
        return path + ("?" + "&".join(told) if told else "")

    @property
    def target(self) -> str:
        """Where the form goes that asks for a moment."""
        return "/time" if self.path in _OVERVIEW else self.path


def stay(html: str, moment: str) -> str:
    """A page whose links lead to the same moment, where what they lead to knows one.

    What others wrote is escaped, so nothing of it looks like a tag here. `data-now` marks a link to the present.
    """
    return _LINK.sub(lambda found: f'{found[1]}{_moved(found[2], moment)}"', html)


def _moved(link: str, moment: str) -> str:
    """`link` as it stands in an attribute, `&` as `&amp;`."""
    if not _KNOW_THE_PAST.match(link) or re.search(r"[?;]at=", link):
        return link
    address, mark, fragment = link.partition("#")
    return f"{address}{'&amp;' if '?' in address else '?'}at={escaped(moment)}{mark}{fragment}"
