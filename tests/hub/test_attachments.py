"""Files on a real hub: what is refused leaves nothing, what is confirmed is there, and who may have it."""

from __future__ import annotations

import asyncio
import hashlib
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.attachments import Attachments
from hub.errors import AttachmentsFull, HashMismatch, StorageFailed, TooLarge
from tests.hub.live import Live, live

MIB = 2**20


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def named(content: bytes, name: str = "notes.md", **more: Any) -> dict[str, Any]:
    return {"sha256": digest(content), "size": len(content), "name": name, "media_type": "text/plain", **more}


async def put(
    hub: Live, content: bytes, sender: str = "bob", sha256: str | None = None, **options: Any
) -> httpx2.Response:
    path = f"/api/v1/attachments/{sha256 or digest(content)}"
    return await hub.request("PUT", path, params={"as": sender}, content=content, **options)


async def send(hub: Live, to: str, *files: dict[str, Any], sender: str = "bob", **more: Any) -> httpx2.Response:
    return await hub.request(
        "POST", "/api/v1/messages", {"as": sender, "to": to, "body": "see these", "attachments": list(files), **more}
    )


async def get(hub: Live, sha256: str, message: str, method: str = "GET", **options: Any) -> httpx2.Response:
    params = {"message": message, **options.pop("params", {})}
    return await hub.request(method, f"/api/v1/attachments/{sha256}", params=params, **options)


def kept(hub: Live) -> list[Path]:
    """Every file in the hub's folder of attachments."""
    return sorted(path for path in hub.app.settings.paths.attachments.rglob("*") if path.is_file())


async def shared(hub: Live, content: bytes, to: str = "alice", name: str = "notes.md") -> str:
    """Upload and send; the message's id."""
    assert (await put(hub, content)).status_code in (200, 201)
    answer = await send(hub, to, named(content, name))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(0, id="0 B"),
        pytest.param(1, id="1 B"),
        pytest.param(MIB + 1, id="more than one block"),
        pytest.param(32 * MIB, id="32 MiB"),
    ],
)
async def test_a_file_comes_out_as_it_went_in(hub: Live, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    stored = await put(hub, content)
    assert (stored.status_code, stored.json()) == (201, {"sha256": digest(content), "size": size})
    (path,) = kept(hub)
    assert path.read_bytes() == content
    if sys.platform != "win32":
        assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)] == [
            0o600,
            0o700,
            0o700,
        ]
    sent = (await send(hub, "alice", named(content))).json()
    (told,) = (await hub.request("GET", "/api/v1/messages?as=alice&unread=1")).json()["messages"]
    assert told["attachments"] == [named(content)]
    assert (await get(hub, digest(content), sent["id"], params={"as": "alice"})).content == content


async def test_one_byte_more_than_allowed_is_refused_and_leaves_nothing(hub: Live) -> None:
    content = bytes(32 * MIB + 1)
    for options in ({}, {"headers": {"Transfer-Encoding": "chunked"}}):
        answer = await put(hub, content, **options)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "max_attachment allows 33,554,432" in answer.json()["message"]
    assert kept(hub) == []


async def test_a_hash_that_does_not_match_is_refused_and_leaves_nothing(hub: Live) -> None:
    answer = await put(hub, b"other bytes", sha256=digest(b"these bytes"))
    assert (answer.status_code, answer.json()["code"]) == (422, "hash_mismatch")
    assert kept(hub) == []
    refused = await send(hub, "alice", named(b"these bytes"))
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_attachment")


@pytest.mark.parametrize("sha256", ["x" * 64, "a" * 63, "A" * 64, "..%2f..%2ftoken"])
async def test_what_is_no_hash_is_refused(hub: Live, sha256: str) -> None:
    assert (await put(hub, b"x", sha256=sha256)).status_code in (400, 404)


async def test_the_same_bytes_are_kept_once(hub: Live) -> None:
    answers = await asyncio.gather(*(put(hub, b"the same", sender) for sender in ("bob", "carol", "bob")))
    assert sorted(each.status_code for each in answers) == [200, 200, 201]
    assert len(kept(hub)) == 1


async def test_who_has_uploaded_a_file_may_ask_whether_it_is_there_and_nobody_else(hub: Live) -> None:
    path = f"/api/v1/attachments/{digest(b'x')}"
    assert (await hub.request("HEAD", path, params={"as": "bob"})).status_code == 404
    await put(hub, b"x")
    there = await hub.request("HEAD", path, params={"as": "bob"})
    assert (there.status_code, there.headers["content-length"]) == (200, "1")
    assert (await hub.request("HEAD", path, params={"as": "carol"})).status_code == 404


async def test_to_know_a_hash_is_not_to_have_the_file(hub: Live) -> None:
    await shared(hub, b"between bob and alice")
    refused = await send(hub, "eve", named(b"between bob and alice"), sender="eve")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_attachment")


async def test_only_who_sent_or_was_sent_a_message_gets_its_file(hub: Live) -> None:
    message = await shared(hub, b"secret")
    await shared(hub, b"else")
    for reader, status in (("alice", 200), ("bob", 200), ("eve", 404)):
        assert (await get(hub, digest(b"secret"), message, params={"as": reader})).status_code == status
    assert (await get(hub, digest(b"secret"), message)).status_code == 200, "the owner may observe"
    other = await get(hub, digest(b"else"), message, params={"as": "alice"})
    assert (other.status_code, other.json()["code"]) == (404, "unknown_attachment")


async def test_a_token_needs_the_scope_for_it(hub: Live) -> None:
    message = await shared(hub, b"secret")

    async def token(*scopes: str) -> dict[str, Any]:
        made = await hub.request("POST", "/api/v1/tokens", {"name": "alice", "scopes": list(scopes)})
        return {"headers": {"Authorization": f"Bearer {made.json()['token']}"}}

    reads, writes, looks = await token("subscribe"), await token("publish"), await token("observe")
    assert (await put(hub, b"x", "alice", **reads)).status_code == 403
    assert (await put(hub, b"x", "bob", **writes)).status_code == 403, "another's name"
    assert (await put(hub, b"x", "alice", **writes)).status_code == 201
    assert (await get(hub, digest(b"secret"), message, **writes)).status_code == 403
    assert (await get(hub, digest(b"secret"), message, **reads)).status_code == 200
    assert (await get(hub, digest(b"secret"), message, **looks)).status_code == 200
    nobody = {"headers": {"Authorization": "Bearer wrong"}}
    assert (await put(hub, b"x", **nobody)).status_code == 401
    assert (await get(hub, digest(b"secret"), message, **nobody)).status_code == 401


async def test_a_browser_is_given_it_as_a_download_under_a_name_of_ours(hub: Live) -> None:
    message = await shared(hub, b"<script>alert(1)</script>", name="../../x\r\nSet-Cookie: a=b.html")
    answer = await get(hub, digest(b"<script>alert(1)</script>"), message)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert "/" not in answer.headers["content-disposition"]
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_part_of_a_file_can_be_had(hub: Live) -> None:
    message = await shared(hub, b"0123456789")
    part = await get(hub, digest(b"0123456789"), message, headers={"Range": "bytes=7-"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"789", "bytes 7-9/10")
    head = await get(hub, digest(b"0123456789"), message, method="HEAD")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        pytest.param({"size": 4}, "bad_value", id="another size"),
        pytest.param({"sha256": "b" * 64}, "unknown_attachment", id="another hash"),
        pytest.param({"sha256": "../x"}, "bad_frame", id="no hash"),
        pytest.param({"name": ""}, "bad_frame", id="no name"),
        pytest.param({"name": "x" * 256}, "bad_frame", id="a name without end"),
        pytest.param({"media_type": "text/plain\r\nx: y"}, "bad_frame", id="a media type that is none"),
    ],
)
async def test_a_message_that_does_not_fit_its_files_is_refused(hub: Live, wrong: dict[str, Any], code: str) -> None:
    await put(hub, b"abc")
    refused = await send(hub, "alice", named(b"abc") | wrong)
    assert refused.json()["code"] == code
    async with hub.session("bob") as bob:
        assert (await bob.publish("alice", "x", attachments=[named(b"abc") | wrong]))["code"] == code


async def test_a_message_over_the_websocket_carries_files_too(hub: Live) -> None:
    await put(hub, b"abc")
    async with hub.session("alice") as alice, hub.session("bob", share=True) as bob:
        await bob.publish("alice", "x", attachments=[named(b"abc")])
        assert (await alice.frame("message"))["attachments"] == [named(b"abc")]


async def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_begun_again(hub: Live) -> None:
    content = bytes(3 * MIB)
    port = int(hub.http.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"PUT /api/v1/attachments/{digest(content)}?as=bob HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {hub.token}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content[: 2 * MIB])
    await writer.drain()
    drafts = hub.app.settings.paths.attachments / "drafts"
    async with asyncio.timeout(10):
        while not (drafts.exists() and list(drafts.iterdir())):
            await asyncio.sleep(0.01)
        writer.close()
        while kept(hub):
            await asyncio.sleep(0.01)
    assert (await put(hub, content)).status_code == 201
    del reader


async def test_a_retry_after_a_restart_is_answered_though_the_hub_has_forgotten_the_upload(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        await put(hub, b"abc")
        first = await send(hub, "alice", named(b"abc"), id="one")
        assert first.status_code == 201
    async with live(tmp_path / "home") as hub:
        again = await send(hub, "alice", named(b"abc"), id="one")
        assert (again.status_code, again.json()["offset"]) == (200, first.json()["offset"])
        async with hub.session("bob") as bob:
            told = await bob.publish("alice", "see these", attachments=[named(b"abc")], id="one")
            assert told["offset"] == first.json()["offset"]
        assert (await send(hub, "alice", named(b"abc"))).json()["code"] == "unknown_attachment"
        got = await get(hub, digest(b"abc"), "one", params={"as": "alice"})
        assert got.content == b"abc"


async def test_a_file_that_is_gone_from_the_disk_is_said_to_be(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub:
        message = await shared(hub, b"abc")
        (path,) = kept(hub)
    path.unlink()
    async with live(tmp_path / "home") as hub:
        gone = await get(hub, digest(b"abc"), message)
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_attachment")
        assert "not here any more" in gone.json()["message"]


async def test_the_quota_is_for_all_files_together(tmp_path: Path) -> None:
    async with live(tmp_path / "home", attachments_size="1MiB") as hub:
        assert (await put(hub, bytes(1_000_000))).status_code == 201
        full = await put(hub, bytes(100_000))
        assert (full.status_code, full.json()["code"]) == (429, "attachments_full")
        assert (await put(hub, bytes(1_000_000))).status_code == 200, "what is here needs no room"
        metrics = (await hub.request("GET", "/metrics")).text
        assert "hubbub_attachments_bytes 1e+06" in metrics
        assert "hubbub_attachments_uploaded_total 2.0" in metrics


# Behind the head


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Attachments:
    made = Attachments(tmp_path / "attachments", most=100, quota=20_000, grace=60, clock=clock)
    made.open()
    return made


async def upload(store: Attachments, content: bytes, origin: int = 1) -> str:
    await store.receive(origin, digest(content), len(content), pieces(content))
    return digest(content)


async def swept(store: Attachments, *wanted: str) -> None:
    async def named(hashes: Any) -> set[str]:
        return set(hashes) & set(wanted)

    while await store.sweep(named):
        pass


async def test_what_no_message_names_goes_after_the_grace_time(store: Attachments, clock: Clock) -> None:
    orphan, wanted = await upload(store, b"orphan"), await upload(store, b"wanted")
    clock.now += 59
    await swept(store, wanted)
    assert store.find(orphan) is not None
    clock.now += 10
    await swept(store, wanted)
    assert store.find(orphan) is None
    assert store.find(wanted) is not None
    assert [path.name for path in store.folder.rglob("*") if path.is_file()] == [wanted]
    assert (store.count, store.removed) == (1, 1)
    clock.now += 120
    await swept(store)
    assert (store.count, store.size) == (0, 0), "its messages are gone too"


async def test_a_file_that_is_named_while_the_log_is_asked_stays(store: Attachments, clock: Clock) -> None:
    file = await upload(store, b"just in time")
    clock.now += 100

    async def named(_: Any) -> set[str]:
        assert store.size_for(1, file) == len(b"just in time"), "a publish that names it is accepted meanwhile"
        return set()

    await store.sweep(named)
    path = store.find(file)
    assert path is not None
    assert path.read_bytes() == b"just in time"


async def test_many_orphans_go_slice_by_slice(tmp_path: Path, clock: Clock) -> None:
    store = Attachments(tmp_path / "attachments", grace=60, clock=clock)
    for number in range(250):
        await upload(store, b"%d" % number)
    clock.now += 100
    asked: list[int] = []

    async def named(hashes: Any) -> set[str]:
        asked.append(len(hashes))
        return set()

    assert await store.sweep(named)
    assert not await store.sweep(named)
    assert asked == [200, 50]
    assert store.count == 0


async def test_a_start_finds_what_is_there_and_clears_drafts_away(store: Attachments, clock: Clock) -> None:
    file = await upload(store, b"kept")
    (store.folder / "drafts" / "left-by-a-crash").write_bytes(b"half")
    (store.folder / "ab").mkdir(exist_ok=True)
    (store.folder / "ab" / "a-stranger").write_bytes(b"?")
    again = Attachments(store.folder, clock=clock)
    again.open()
    assert again.find(file) is not None
    assert again.count == 1
    assert list((store.folder / "drafts").iterdir()) == []
    assert again.size_for(1, file) is None, "who uploaded it is not known any more"


async def test_each_failure_leaves_no_draft_and_frees_its_room(store: Attachments) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError

    for kind, declared, chunks in (
        (TooLarge, None, pieces(b"x" * 60, b"x" * 60)),
        (HashMismatch, None, pieces(b"other")),
        (StorageFailed, 4, broken()),
    ):
        with pytest.raises(kind):
            await store.receive(1, digest(b"some"), declared, chunks)
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    for number in range(4):
        await upload(store, b"%d" % number)
    with pytest.raises(AttachmentsFull):
        await upload(store, b"one more")
