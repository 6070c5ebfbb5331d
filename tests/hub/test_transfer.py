"""Files to a real hub and from it: what changes meanwhile, what collides, what comes damaged."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadValue, HashMismatch, TooLarge, UnknownAttachment, Unreachable
from hub.request import Requests
from hub.transfer import Sent, fetch, open_file, upload
from tests.hub.live import Live, live

MIB = 2**20


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path / "home") as running:
        yield running


@pytest.fixture
def requests(hub: Live) -> Requests:
    return Requests(hub.url, hub.token)


async def send_file(requests: Requests, path: Path, **more: Any) -> Sent:
    def work() -> Sent:
        descriptor = open_file(path)
        try:
            return upload(requests, descriptor, **{"who": "bob", "name": path.name, "limit": 32 * MIB} | more)
        finally:
            os.close(descriptor)

    return await asyncio.to_thread(work)


async def say(requests: Requests, sent: Sent, **as_named: Any) -> dict[str, Any]:
    told = {"as": "bob", "to": "alice", "body": "x", "attachments": [sent.told() | as_named]}
    return dict(await asyncio.to_thread(requests.post, "/messages", told)) | {"file": sent.told() | as_named}


async def get(requests: Requests, said: dict[str, Any], folder: Path, **more: Any) -> Path:
    return await asyncio.to_thread(lambda: fetch(requests, said["id"], said["file"], folder, who="alice", **more))


@pytest.mark.parametrize("size", [0, 1, 700_000, 32 * MIB], ids=["0 B", "1 B", "700 kB", "32 MiB"])
async def test_a_file_travels_whole(requests: Requests, tmp_path: Path, size: int) -> None:
    content = os.urandom(min(size, 1000)) * (size // 1000 + 1)
    (tmp_path / "data.bin").write_bytes(content[:size])
    counted: list[int] = []
    sent = await send_file(requests, tmp_path / "data.bin", progress=counted.append)
    assert (sent.size, sum(counted)) == (size, size)
    path = await get(requests, await say(requests, sent), tmp_path / "mine", private=True)
    assert path == tmp_path / "mine" / "data.bin"
    assert path.read_bytes() == content[:size]
    if sys.platform != "win32":
        assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]
    assert list((tmp_path / "mine").iterdir()) == [path], "no draft is left"


async def test_one_byte_more_than_allowed_is_refused_before_it_is_sent(requests: Requests, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(101))
    with pytest.raises(TooLarge, match=r"101 bytes.*up to 100"):
        await send_file(requests, tmp_path / "big", limit=100)


async def test_the_hub_has_the_last_word_on_size(requests: Requests, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(32 * MIB + 1))
    with pytest.raises(TooLarge, match="max_attachment allows 33,554,432"):
        await send_file(requests, tmp_path / "big", limit=99 * MIB)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b"y" * 600_000), id="other bytes"),
        pytest.param(lambda path: os.truncate(path, 300_000), id="shorter"),
        pytest.param(lambda path: path.write_bytes(b"x" * 600_010), id="longer"),
    ],
)
async def test_a_file_that_changes_once_is_sent_as_it_is_then(
    requests: Requests, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "busy.log"
    path.write_bytes(b"x" * 600_000)
    changes = iter([change])

    def meanwhile(_: int) -> None:
        for each in changes:
            each(path)

    sent = await send_file(requests, path, progress=meanwhile)
    mine = await get(requests, await say(requests, sent), tmp_path)
    assert mine.read_bytes() == path.read_bytes()
    assert sent.size == path.stat().st_size


async def test_a_file_that_never_stops_changing_is_refused(requests: Requests, tmp_path: Path) -> None:
    path = tmp_path / "busy.log"
    path.write_bytes(b"0" * 600_000)
    numbers = iter(range(1000))

    def meanwhile(_: int) -> None:
        path.write_bytes(b"%d" % next(numbers) * 100_000)

    with pytest.raises(BadValue, match="was changed while it was read, 3 times"):
        await send_file(requests, path, progress=meanwhile)


async def test_the_senders_name_is_reduced_to_one_of_ours(requests: Requests, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"evil")
    sent = await send_file(requests, tmp_path / "x")
    said = await say(requests, sent, name="../../.ssh/authorized_keys")
    (tmp_path / "mine").mkdir()
    assert await get(requests, said, tmp_path / "mine") == tmp_path / "mine" / "authorized_keys"


async def test_a_name_that_is_taken_gets_a_number_and_the_same_bytes_do_not(requests: Requests, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.md").write_bytes(b"my own")
    (mine / "notes-2.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_bytes(b"from bob")
    said = await say(requests, await send_file(requests, tmp_path / "notes.md"))
    assert await get(requests, said, mine) == mine / "notes-3.md"
    assert await get(requests, said, mine) == mine / "notes-3.md", "it is here already"
    assert (mine / "notes.md").read_bytes() == b"my own"
    assert not (tmp_path / "nowhere").exists(), "a link is not written through"
    # Fewer than there are threads on one core: the hub in this loop reads its files in the same ones.
    first = await asyncio.gather(*(get(requests, said, tmp_path / f"m{n % 2}", private=True) for n in range(4)))
    assert all(path.read_bytes() == b"from bob" for path in first)


async def test_bytes_that_the_hubs_disk_has_damaged_are_not_kept(hub: Live, requests: Requests, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"good")
    said = await say(requests, await send_file(requests, tmp_path / "x"))
    sha256 = said["file"]["sha256"]
    (hub.app.settings.paths.attachments / sha256[:2] / sha256).write_bytes(b"evil")
    with pytest.raises(HashMismatch, match="other bytes"):
        await get(requests, said, tmp_path / "mine", private=True)
    assert list((tmp_path / "mine").iterdir()) == []


async def test_what_a_message_does_not_carry_is_not_fetched(requests: Requests, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"good")
    said = await say(requests, await send_file(requests, tmp_path / "x"))
    for wrong in ({"sha256": "a" * 64, "size": 4, "name": "x"}, {"name": "x"}, {"sha256": "a" * 64, "size": "much"}):
        with pytest.raises(UnknownAttachment):
            await get(requests, said | {"file": wrong}, tmp_path)


class Flaky(Requests):
    """Breaks off each download after its first piece, so many times."""

    breaks = 2
    starts: list[int]

    @contextmanager
    def download(self, path: str, start: int = 0, **query: Any) -> Iterator[Iterator[bytes]]:
        self.starts = [*getattr(self, "starts", []), start]
        with super().download(path, start, **query) as pieces:
            yield self._broken(pieces) if len(self.starts) <= self.breaks else pieces

    def _broken(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        yield next(pieces)
        raise Unreachable("It broke off.")


async def test_a_download_that_breaks_off_goes_on_where_it_was(hub: Live, requests: Requests, tmp_path: Path) -> None:
    content = os.urandom(900_000)
    (tmp_path / "x").write_bytes(content)
    said = await say(requests, await send_file(requests, tmp_path / "x"))
    flaky = Flaky(hub.url, hub.token)
    mine = await get(flaky, said, tmp_path / "mine", private=True)
    assert mine.read_bytes() == content
    assert flaky.starts == [0, 262_144, 524_288]
    flaky = Flaky(hub.url, hub.token)
    flaky.breaks = 3
    with pytest.raises(Unreachable):
        await get(flaky, said, tmp_path / "again", private=True)
    assert list((tmp_path / "again").iterdir()) == []
