"""Backup and restore: whole or not at all, and nobody takes an old place in the log for a new one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub import schema
from hub.backup import APART, back_up, restore
from hub.daemon import HubLock
from hub.errors import BadValue, NewerDatabase, NotFound, StorageFailed, Unavailable
from hub.fold import REGISTERED, SUBSCRIBED
from hub.fold import fact as told
from hub.history import History
from hub.log import Span
from hub.message import Draft
from hub.paths import Paths
from hub.recovery import prepare
from hub.tables import TokenRow
from tests.hub.live import BOUND, Live, live
from tests.soak.consistent import epoch_and_head, faults, stored

NOON = 1_800_000_000.0


def clock() -> float:
    return NOON


def said(number: int) -> Draft:
    return Draft(
        id=f"id-{number}", sender="bob", origin=1, to="#t", topic="t", body=f"body {number}", at=NOON, size=300
    )


def registered() -> list[Draft]:
    return [
        told("f1", REGISTERED, {"name": "bob"}, "", NOON),
        told("f2", SUBSCRIBED, {"origin": 1, "name": "bob", "topic": "t.>"}, "", NOON),
    ]


async def filled(path: Path, count: int = 20) -> None:
    """A database that is closed, with two facts and `count` messages."""
    async with await History.open(path, clock=clock) as history:
        await history.append([*registered(), *(said(number) for number in range(count))])
        while await history.index_slice():
            pass


@pytest.fixture
async def paths(tmp_path: Path) -> Paths:
    """A home with a database of 22 messages."""
    home = tmp_path / "home"
    await filled(home / "hubbub.db")
    return Paths(home, home)


@pytest.fixture
def copy(paths: Paths, tmp_path: Path) -> Path:
    """A backup of it."""
    return back_up(paths.database, tmp_path / "copy.db").file


async def more(paths: Paths, first: int, count: int) -> None:
    async with await History.open(paths.database, clock=clock) as history:
        await history.append([said(number) for number in range(first, first + count)])


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


# Backup


def test_a_backup_is_one_file_for_its_owner_with_all_there_was(paths: Paths, tmp_path: Path) -> None:
    target = tmp_path / "backup" / "monday.db"
    target.parent.mkdir()
    copied = back_up(paths.database, target)
    assert (copied.file, copied.messages, copied.head, copied.size) == (target, 22, 22, target.stat().st_size)
    assert [path.name for path in target.parent.iterdir()] == ["monday.db"]
    assert sys.platform == "win32" or target.stat().st_mode & 0o777 == 0o600
    assert faults(target) == []
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT count(*) FROM full_text WHERE full_text MATCH 'body'").fetchone() == (20,)


def test_a_backup_is_not_written_over_what_is_there_unless_forced(paths: Paths, tmp_path: Path) -> None:
    target = tmp_path / "there.db"
    target.write_text("something else")
    with pytest.raises(BadValue, match="is there already") as refused:
        back_up(paths.database, target)
    assert refused.value.hint is not None
    assert "--force" in refused.value.hint
    assert target.read_text() == "something else"
    assert back_up(paths.database, target, force=True).messages == 22
    assert sys.platform == "win32" or target.stat().st_mode & 0o777 == 0o600
    assert faults(target) == []


def test_a_file_that_appears_meanwhile_is_not_written_over_either(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "there.db"
    monkeypatch.setattr("hub.backup._sync", lambda path: target.write_text("somebody was quicker"))
    with pytest.raises(BadValue, match="is there already"):
        back_up(paths.database, target)
    assert target.read_text() == "somebody was quicker"
    assert {path.name for path in tmp_path.iterdir()} == {"home", "there.db"}


def test_a_backup_over_the_database_itself_is_refused(paths: Paths) -> None:
    before = listing(paths.home)
    with pytest.raises(BadValue, match="is the database itself"):
        back_up(paths.database, paths.database, force=True)
    assert listing(paths.home) == before


@pytest.mark.parametrize("target", ["no-such-folder/x.db", "home"])
def test_a_target_that_cannot_be_a_file_is_refused(paths: Paths, tmp_path: Path, target: str) -> None:
    with pytest.raises(BadValue, match="cannot be a file"):
        back_up(paths.database, tmp_path / target, force=True)


def test_a_backup_of_no_database_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no database"):
        back_up(tmp_path / "hubbub.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_a_damaged_database_gives_an_error_and_no_file(paths: Paths, tmp_path: Path, place: float) -> None:
    raw = bytearray(paths.database.read_bytes())
    at = int(len(raw) * place)
    raw[at : at + 8192] = os.urandom(8192)
    paths.database.write_bytes(raw)
    with pytest.raises(StorageFailed, match="damaged"):
        back_up(paths.database, tmp_path / "copy.db")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


async def test_a_backup_of_a_running_hub_has_all_that_was_confirmed_before(tmp_path: Path) -> None:
    async with live(tmp_path / "home") as hub, hub.session("alice"), hub.session("bob") as bob:
        confirmed: dict[str, int] = {}
        going = True

        async def storm() -> None:
            while going:
                published = await bob.publish("all", "x" * 500)
                confirmed[published["id"]] = published["offset"]

        blowing = asyncio.create_task(storm())
        for round_ in range(5):
            before = dict(confirmed)
            target = tmp_path / f"{round_}.db"
            await asyncio.to_thread(back_up, hub.app.settings.paths.database, target)
            assert faults(target) == []
            there = stored(target)
            assert before.items() <= there.items()
        going = False
        async with asyncio.timeout(BOUND):
            await blowing


# Restore


def test_a_restored_database_is_whole_and_what_was_there_is_set_aside(paths: Paths, copy: Path) -> None:
    asyncio.run(more(paths, 20, 5))
    before, raw = epoch_and_head(paths.database), paths.database.read_bytes()
    kept = copy.read_bytes()
    done = restore(paths, copy, clock=clock)
    assert done.set_aside is not None
    assert done.set_aside.name == "hubbub.db.replaced-20270115T080000Z"
    assert done.set_aside.read_bytes() == raw
    assert (done.messages, done.head, done.tokens) == (22, 27, True)
    assert copy.read_bytes() == kept
    assert faults(paths.database) == []
    epoch, head = epoch_and_head(paths.database)
    assert epoch != before[0]
    assert head == before[1] == 27
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in paths.home.iterdir()} == {
        *("hubbub.db", "hub.lock", done.set_aside.name)
    }
    assert sys.platform == "win32" or paths.database.stat().st_mode & 0o777 == 0o600


async def test_no_offset_is_given_a_second_time_after_a_restore(paths: Paths, copy: Path) -> None:
    await more(paths, 20, 5)
    restore(paths, copy)
    async with await History.open(paths.database, clock=clock) as history:
        assert history.opened.set_aside is None
        assert [each.offset for each in await history.append([said(99)])] == [28]


async def test_twice_the_same_backup_makes_two_numberings(paths: Paths, copy: Path) -> None:
    restore(paths, copy)
    first, _ = epoch_and_head(paths.database)
    await more(paths, 50, 3)
    restore(paths, copy)
    second, head = epoch_and_head(paths.database)
    assert second != first
    assert head >= 25


@pytest.mark.parametrize("there", ["nothing", "another", "damaged"])
def test_where_the_old_numbering_is_not_known_much_is_left_free(paths: Paths, copy: Path, there: str) -> None:
    paths.database.unlink()
    if there == "another":
        asyncio.run(filled(paths.database, 2))
    elif there == "damaged":
        paths.database.write_bytes(b"SQLite format 3\0" + os.urandom(8000))
    done = restore(paths, copy)
    assert done.head == 22 + APART
    assert done.tokens is (there == "another")
    assert (done.set_aside is None) is (there == "nothing")
    assert faults(paths.database) == []
    assert epoch_and_head(paths.database)[1] == 22 + APART


async def test_what_is_left_free_costs_the_upkeep_nothing(paths: Paths, copy: Path) -> None:
    paths.database.unlink()
    restore(paths, copy)
    async with await History.open(paths.database, clock=clock) as history:
        await history.append([said(number) for number in range(100, 5100)])
        slices = 0
        while await history.tally_slice():
            slices += 1
        assert 1 <= slices <= 4
        while await history.index_slice():
            slices += 1
        assert slices < 40
        async with asyncio.timeout(BOUND):
            spans = [Span("t", 0, 2**62)]
            assert await history.count(spans, 99, NOON) == 5020
            assert {each.topic: each.messages for each in (await history.load()).topics}["t"] == 5020


async def test_tokens_stay_as_they_are_now(paths: Paths, tmp_path: Path) -> None:
    def token(name: str) -> TokenRow:
        return TokenRow(
            id=name, hash=sha256(name.encode()).hexdigest(), name=None, scopes=("publish",), created_at=NOON
        )

    async with await History.open(paths.database, clock=clock) as history:
        await history.save_token(token("revoked"))
        await history.save_token(token("kept"))
    copy = back_up(paths.database, tmp_path / "copy.db").file
    async with await History.open(paths.database, clock=clock) as history:
        await history.delete_token("revoked")
        await history.save_token(token("new"))
    restore(paths, copy)
    async with await History.open(paths.database, clock=clock) as history:
        assert {each.id for each in await history.tokens()} == {"kept", "new"}
    paths.database.unlink()
    assert not restore(paths, copy).tokens
    async with await History.open(paths.database, clock=clock) as history:
        assert {each.id for each in await history.tokens()} == {"kept", "revoked"}


def test_a_restore_waits_for_no_hub(paths: Paths, copy: Path) -> None:
    before = listing(paths.home)
    with HubLock(paths), pytest.raises(Unavailable):
        restore(paths, copy)
    assert listing(paths.home) == before


def newer(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")


def foreign(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as db:
        db.execute("PRAGMA application_id=1")


def truncated(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-5000])


def without_a_table(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute("DROP VIEW unread")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (newer, NewerDatabase),
        (foreign, BadValue),
        (truncated, BadValue),
        (without_a_table, BadValue),
        (lambda copy: copy.write_text("not a database at all, but long enough to be read as one" * 50), BadValue),
        (lambda copy: copy.write_bytes(b""), BadValue),
        (lambda copy: copy.unlink(), NotFound),
    ],
)
def test_what_is_no_sound_backup_changes_nothing(
    paths: Paths, copy: Path, spoil: Callable[[Path], Any], why: type[Exception]
) -> None:
    spoil(copy)
    before = listing(paths.home)
    with pytest.raises(why):
        restore(paths, copy)
    assert listing(paths.home) == before


def test_the_database_itself_is_no_backup(paths: Paths) -> None:
    with pytest.raises(BadValue, match="is the database itself"):
        restore(paths, paths.database)


async def test_files_copied_from_under_a_running_hub_are_taken_with_their_journal(paths: Paths, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    async with await History.open(paths.database, clock=clock) as history:
        await history.append([said(number) for number in range(20, 30)])
        for side in ("", "-wal"):
            shutil.copy(f"{paths.database}{side}", snapshot / f"hubbub.db{side}")
    done = restore(paths, snapshot / "hubbub.db")
    assert done.messages == 32
    assert faults(paths.database) == []


@pytest.mark.parametrize("renames", range(5))
def test_a_restore_that_is_killed_between_two_renames_leaves_one_whole_database(
    paths: Paths, copy: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    asyncio.run(more(paths, 20, 5))
    old = epoch_and_head(paths.database)[0]
    for side in ("-wal", "-shm"):  # as a hub that was killed leaves them
        Path(f"{paths.database}{side}").touch()
    rename, left = Path.rename, renames

    class Killed(BaseException):
        pass

    def dying(self: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying)
        with pytest.raises(Killed):
            restore(paths, copy)
    opened = prepare(paths.database, clock=clock)
    assert not opened.made
    assert faults(paths.database) == []
    epoch, _ = epoch_and_head(paths.database)
    assert (epoch == old) is (renames < 2)
    assert len(stored(paths.database)) == (25 if renames < 2 else 20)
    assert not any("restoring" in path.name or "recovering" in path.name for path in paths.home.iterdir())


# What clients make of it


async def back_and_forth(tmp_path: Path) -> tuple[Path, str, int]:
    """A hub with three messages for alice in its backup and two that are lost; (home, old epoch, last offset)."""
    home = tmp_path / "home"
    async with live(home) as hub, hub.session("alice") as alice, hub.session("bob") as bob:
        for number in range(3):
            await bob.publish("alice", f"kept {number}")
        await asyncio.to_thread(back_up, home / "hubbub.db", tmp_path / "copy.db")
        for number in range(2):
            last = (await bob.publish("alice", f"lost {number}"))["offset"]
        epoch = alice.welcome["epoch"]
    restore(Paths(home, home), tmp_path / "copy.db")
    return home, epoch, last


async def bodies(hub: Live, name: str, until: str, **hello: Any) -> list[str]:
    found: list[str] = []
    async with hub.session(name, **hello) as session:
        while not found or found[-1] != until:
            found.append((await session.frame("message"))["body"])
    return found


async def test_an_old_place_with_the_old_epoch_does_not_hold(tmp_path: Path) -> None:
    home, epoch, last = await back_and_forth(tmp_path)
    async with live(home) as hub, hub.session("bob") as bob:
        async with hub.session("alice", resume=last, epoch=epoch) as alice:
            assert alice.welcome["resumed"] is False
            assert alice.welcome["epoch"] != epoch
            assert alice.welcome["unread"] == 3
        await bob.publish("alice", "new")
        assert await bodies(hub, "alice", "new", resume=last, epoch=epoch) == ["kept 0", "kept 1", "kept 2", "new"]


async def test_a_client_that_resumes_without_an_epoch_misses_nothing_and_sees_nothing_twice(tmp_path: Path) -> None:
    home, _, last = await back_and_forth(tmp_path)
    async with live(home) as hub, hub.session("bob") as bob:
        for number in range(20):  # were offsets given again, these would pass the client's place
            assert (await bob.publish("alice", f"new {number}"))["offset"] > last
        assert await bodies(hub, "alice", "new 19", resume=last) == [f"new {number}" for number in range(20)]


async def test_a_read_of_an_offset_that_was_lost_reads_nothing_new(tmp_path: Path) -> None:
    home, _, last = await back_and_forth(tmp_path)
    async with live(home) as hub, hub.session("bob") as bob:
        await bob.publish("alice", "new")
        async with hub.session("alice") as alice:
            await alice.ask(type="read", offset=last)
        assert await bodies(hub, "alice", "new") == ["new"]


async def test_an_event_stream_goes_on_after_its_last_event_id(tmp_path: Path) -> None:
    home, _, last = await back_and_forth(tmp_path)
    async with live(home) as hub, hub.session("bob") as bob:
        await bob.publish("alice", "new")
        import httpx2

        headers = {"Authorization": f"Bearer {hub.token}", "Last-Event-ID": str(last)}
        async with (
            httpx2.AsyncClient(
                base_url=hub.http, headers=headers, timeout=BOUND, trust_env=False, verify=False
            ) as client,
            client.stream("GET", "/api/v1/events?as=alice") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    assert '"body":"new"' in line
                    break
