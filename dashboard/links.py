"""The addresses of the pages that names, topics, threads and messages lead to. `static/links.js` has the same."""

from __future__ import annotations

from urllib.parse import quote

UNRESERVED = "!~*'()"  # what encodeURIComponent leaves as it is, beside what `quote` does


def instance(name: str) -> str:
    """The page of one instance."""
    return f"/instances/{escaped(name)}"


def conversation(name: str) -> str:
    """All that an instance says and is told."""
    return f"/conversation?with={escaped(name)}"


def thread(name: str) -> str:
    """A thread's conversation."""
    return f"/conversation?thread={escaped(name)}"


def topic(name: str) -> str:
    """A topic's conversation; that of an inbox is its owner's page."""
    owner = name.removeprefix("inbox.")
    return f"/conversation?topic={escaped(name)}" if owner == name else instance(owner)


def step(topic: str) -> str:
    """Where a person holds a queue, by its topic, or lets it go; of an inbox, all that can be done about its owner."""
    owner = topic.removeprefix("inbox.")
    if owner != topic:
        return f"{instance(owner)}#step"
    return f"/part?queue={escaped(topic if topic == 'all' else '#' + topic)}#queues"


def message(message_id: str, offset: int | None = None) -> str:
    """One message: by its id, which an import keeps, or by its offset where an address would not keep the id."""
    return f"/messages/{offset if offset is not None and not message_id.strip('.') else escaped(message_id)}"


def attachment(sha256: str, message_id: str) -> str:
    """The bytes of a file, as a download."""
    return f"/api/v1/attachments/{escaped(sha256)}?message={escaped(message_id)}"


def escaped(text: str) -> str:
    """Text as a part of an address, as encodeURIComponent makes it."""
    return quote(text, safe=UNRESERVED, errors="replace")
