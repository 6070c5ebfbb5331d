"""hubbub import: messages from elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import click

from hub.cli import exits, show
from hub.cli.command import as_json, reach, verb
from hub.config import Settings
from hub.errors import BadValue, LimitHit, NotFound, TooLarge
from hub.request import Requests

CLAUDE_IPC = "claude-ipc"
NOTE = '{"hubbub":'  # how a line of an export begins that is no message: what the hub told, which no other hub takes
BATCH = 200  # messages in one request
PATIENCE = 60.0  # seconds more for a disk that is slow

Json: TypeAlias = dict[str, Any]


class Tally:
    """What has become of each message: one of `messages` is taken, known already, or left out for a reason."""

    def __init__(self) -> None:
        self.messages = 0
        self.told: Counter[str] = Counter()
        self.left: Counter[str] = Counter()  # messages, by reason
        self.expected = 0  # of them: what nobody would miss
        self.remarks: Counter[str] = Counter()

    def add(self, answer: Json) -> None:
        for key in ("taken", "known", "again", "names", "forwards", "sessions"):
            self.told[key] += answer[key]

    def whole(self) -> bool:
        """Whether every message is accounted for."""
        return self.messages == self.told["taken"] + self.told["known"] + self.left.total()


@verb(
    "hubbub import claude-ipc",
    "hubbub import claude-ipc ~/old/messages.db",
    "hubbub import everything.jsonl --files everything-files",
    name="import",
)
@click.argument("source", metavar="claude-ipc|FILE")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--files", metavar="DIR", type=click.Path(path_type=Path), help="Where export --files has put the files.")
@as_json("Print what was taken and what was not as JSON.")
def import_(settings: Settings, *, source: str, path: Path | None, files: Path | None, in_json: bool) -> int:
    """Take over the messages of claude-ipc-mcp, or of a FILE that hubbub export has written.

    What was read stays read, what was unread waits, old names lead to the new ones. The source is only read, also while
    its broker runs. To import again takes what is new, and nothing twice.
    """
    if source == CLAUDE_IPC and files is not None:
        raise click.UsageError("claude-ipc-mcp had no files; --files is for what hubbub export --files has written")
    if source != CLAUDE_IPC and path is not None:
        raise click.UsageError("Only claude-ipc takes a second word: hubbub import claude-ipc PATH")
    hub = reach(settings)
    terms = hub.get("/import")
    tally = Tally()
    if source == CLAUDE_IPC:
        from hub import claude_ipc

        for each in claude_ipc.find(path):
            _claude_ipc(hub, terms, each, tally)
    else:
        _export_file(hub, terms, Path(source), files, tally)
    if in_json:
        show.put(_summary(tally))
    else:
        _tell(tally)
    missed = tally.left.total() - tally.expected
    return exits.FAILED if missed or not tally.whole() else exits.OK


def _claude_ipc(hub: Requests, terms: Json, path: Path, tally: Tally) -> None:
    from hub.claude_ipc import NOTICE, OldDatabase

    now = time.time()
    old = OldDatabase(path, max_body=terms["max_body"])
    show.note(f"{path}: {len(old):,} messages, {old.unread:,} of them unread")
    tally.messages += len(old)
    _names(hub, old.names(now), tally)

    _messages(hub, terms, ((row.item, row.size) for row in old.messages()), len(old), tally)
    for batch in _cut(old.sessions(now)):
        tally.add(hub.post("/import", {"sessions": batch}, patience=PATIENCE))
    tally.left.update(old.left_out)
    tally.expected += old.left_out[NOTICE]
    tally.remarks.update(old.counts)


def _export_file(hub: Requests, terms: Json, path: Path, files: Path | None, tally: Tally) -> None:
    """Twice through the file: how many there are, and the messages."""
    try:
        with path.open(encoding="utf-8") as file:
            count = sum(1 for line in file if line.strip() and not line.startswith(NOTE))
        with path.open(encoding="utf-8") as file:
            heading = _line(file.readline(), path, 1)
            if heading.get("hubbub") != "export" or heading.get("version") != 1:
                raise BadValue(
                    f"{path} is not what hubbub export writes as JSON lines.",
                    "The first line says so: hubbub export FILE. For the old system: hubbub import claude-ipc PATH.",
                )
            tally.messages += count
            names = [{key: each[key] for key in ("name", "last_seen", "topics")} for each in heading["instances"]]
            _names(hub, names, tally)
            items = _with_files(hub, _exported(file, path), files, tally)
            _messages(hub, terms, items, count, tally)
    except FileNotFoundError:
        raise NotFound(f"{path} is not there.", "hubbub import claude-ipc takes over the old system.") from None
    except (OSError, UnicodeError, KeyError, TypeError) as why:
        raise BadValue(f"{path} cannot be read: {type(why).__name__}: {why}.") from None


def _exported(file: IO[str], path: Path) -> Iterator[tuple[Json, int]]:
    for number, text in enumerate(file, start=2):
        if text.strip() and not text.startswith(NOTE):
            line = _line(text, path, number)
            item = {key: line.get(key) for key in _SAME}
            item["to"] = line.get("recipient") or line.get("to")
            item["unread"] = line.get("unread") or []
            yield item, _size(item)


def _with_files(
    hub: Requests, items: Iterable[tuple[Json, int]], folder: Path | None, tally: Tally
) -> Iterator[tuple[Json, int]]:
    """Each message, once the files that it carries are at the hub: as far as they are in the folder."""
    done: set[str] = set()
    limit: int | None = None
    for item, size in items:
        for each in item["attachments"] or ():
            sha256 = str(each.get("sha256"))
            if sha256 in done:
                continue
            done.add(sha256)
            if folder is None:
                tally.remarks["file that a message carries: without --files DIR only its name is taken"] += 1
                continue
            limit = int(hub.get("/status")["max_attachment"]) if limit is None else limit
            tally.remarks[f"file that a message carries: {_hand_in(hub, folder, sha256, item, limit)}"] += 1
        yield item, size


def _hand_in(hub: Requests, folder: Path, sha256: str, item: Json, limit: int) -> str:
    """Upload a file from the folder as its sender; what has become of it."""
    from hub.filename import is_hash
    from hub.transfer import open_file, upload

    path = folder / sha256
    if not is_hash(sha256) or not path.is_file():
        return f"not in {folder}; only its name was taken"
    descriptor = open_file(path)
    try:
        sent = upload(hub, descriptor, who=item.get("sender") or item["from"], name=sha256, limit=limit)
    except (BadValue, LimitHit, TooLarge) as why:
        return f"not taken: {why.message}"
    finally:
        os.close(descriptor)
    return "taken" if sent.sha256 == sha256 else "has other bytes than its name says, and was not named by anything"


_SAME = (
    *("id", "from", "sender", "body", "data", "at"),
    *("thread", "reply_to", "attachments", "expires_at", "answer_by"),
)


def _size(item: Json) -> int:
    """Bytes of body and data, as max_body counts them."""
    data = item["data"]
    return len(str(item["body"]).encode()) + (0 if data is None else len(json.dumps(data, ensure_ascii=False).encode()))


def _line(text: str, path: Path, number: int) -> Json:
    try:
        line = json.loads(text)
    except ValueError as why:
        raise BadValue(f"Line {number} of {path} is not JSON: {why}.", "The lines before it are imported.") from None
    if not isinstance(line, dict):
        raise BadValue(f"Line {number} of {path} is not a message.", "The lines before it are imported.")
    return line


def _names(hub: Requests, names: list[Json], tally: Tally) -> None:
    for batch in _cut(names):
        answer = hub.post("/import", {"names": batch}, patience=PATIENCE)
        tally.add(answer)
        for each in answer["left"]:
            tally.remarks[f"name {each['what']}: {each['why']}"] += 1


def _messages(hub: Requests, terms: Json, items: Iterable[tuple[Json, int]], count: int, tally: Tally) -> None:
    most = max(terms["max_bytes"] // 8, 65_536)  # in JSON a byte may take six
    batch: list[Json] = []
    size = 0
    with click.progressbar(length=count, label="Importing", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def send() -> None:
            answer = hub.post("/import", {"messages": batch}, patience=PATIENCE)
            tally.add(answer)
            for each in answer["left"]:
                tally.left[each["why"]] += 1
            bar.update(len(batch))

        for item, length in items:
            if length > terms["max_body"]:
                tally.left[f"Larger than max_body ({terms['max_body']:,} bytes)."] += 1
                continue
            if batch and (len(batch) >= BATCH or size + length > most):
                send()
                batch, size = [], 0
            batch.append(item)
            size += length
        if batch:
            send()


def _cut(items: list[Json]) -> Iterator[list[Json]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _summary(tally: Tally) -> Json:
    return {
        "messages": tally.messages,
        **{key: tally.told[key] for key in ("taken", "known", "again", "names", "forwards", "sessions")},
        "left": dict(tally.left),
        "remarks": dict(tally.remarks),
    }


def _tell(tally: Tally) -> None:
    told = tally.told
    show.say(
        f"{tally.messages:,} messages: {told['taken']:,} taken, {told['known']:,} here already, "
        f"{tally.left.total():,} left out."
    )
    if told["names"] or told["forwards"] or told["sessions"]:
        show.say(
            f"Names new here: {told['names']:,}; old names that lead to new ones: {told['forwards']:,}; "
            f"sessions of old scripts that go on: {told['sessions']:,}."
        )
    if told["again"]:
        show.say(f"{told['again']:,} had been read and come again: other mail came in that moment.")
    for why, count in tally.left.most_common():
        show.say(f"  left out {count:,}: {why}")
    for what, count in tally.remarks.most_common():
        show.note(f"  {count:,} × {show.one_line(what)}")
    if not tally.whole():
        show.note("The count does not add up: something changed the source meanwhile. Import again.")
