"""History: what SQLite adds to a Log. It is durable, fails without harm, and survives damage to its file."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import database, history, recovery, soundness, upkeep
from hub.errors import NewerDatabase, StorageFailed
from hub.history import History
from hub.log import Retention, Search, Span
from hub.message import Draft
from hub.registry import Registry
from hub.tables import TokenRow
from tests.hub.memory_log import MemoryLog, draft, fact

NOW = 1_700_000_000.0
END = 2**63 - 1
MUCH = 2**40
ROOT = Path(history.__file__).parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hubbub.db"


async def offsets(log: History | MemoryLog) -> list[int]:
    return [each.offset for each in await log.since(0, 100_000, MUCH)]


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


# The file


async def test_the_file_is_its_owners_alone(path: Path) -> None:
    async with await History.open(path) as log:
        await log.append([draft(1)])
        if os.name == "posix":
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            for each in path.parent.iterdir():
                assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
        assert log.opened.made
        assert log.opened.told() is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
async def test_rights_that_others_were_given_are_taken_back(path: Path) -> None:
    await (await History.open(path)).close()
    path.chmod(0o644)
    async with await History.open(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_epoch_stays_with_the_file(path: Path) -> None:
    async with await History.open(path) as first:
        epoch = first.epoch
        assert (await first.load()).epoch == epoch
    async with await History.open(path) as second:
        assert second.epoch == epoch
        assert not second.opened.made
    async with await History.open(path.with_name("other.db")) as other:
        assert other.epoch != epoch


async def test_closing_leaves_one_file_and_twice_is_once(path: Path) -> None:
    log = await History.open(path)
    await log.append([draft(1)])
    await log.close()
    await log.close()
    assert files(path) == ["hubbub.db"]
    with pytest.raises(StorageFailed):
        await log.append([draft(2)])
    with pytest.raises(StorageFailed):
        await log.tail(1, MUCH)
    with pytest.raises(StorageFailed):
        await log.load()


@pytest.mark.parametrize(("setting", "level"), [("full", 2), ("normal", 1)])
async def test_one_connection_writes_and_the_others_cannot(path: Path, setting: Any, level: int) -> None:
    async with await History.open(path, synchronous=setting) as log:

        async def pragma(db: Any, name: str) -> Any:
            ((value,),) = await db.execute_fetchall(f"PRAGMA {name}")
            return value

        assert await pragma(log._writer, "synchronous") == level
        assert await pragma(log._writer, "journal_mode") == "wal"
        for reader in (log._reader, log._searcher):
            assert await pragma(reader, "query_only") == 1
            assert await pragma(reader, "wal_autocheckpoint") == 0
            with pytest.raises(sqlite3.OperationalError):
                await reader.execute("DELETE FROM messages")


@pytest.mark.parametrize(
    ("version", "says"),
    [((3, 37, 0), "WAL-reset"), ((3, 40, 1), "WAL-reset"), ((3, 51, 2), "WAL-reset"), ((3, 51, 3), None)],
)
def test_what_is_said_of_sqlites_version(version: tuple[int, ...], says: str | None) -> None:
    said = database.check_version(version)
    assert said is None if says is None else says in (said or "")


def test_a_sqlite_without_strict_tables_is_refused() -> None:
    with pytest.raises(StorageFailed, match=r"3\.36\.0"):
        database.check_version((3, 36, 0))


async def test_a_newer_database_is_not_touched(path: Path) -> None:
    await (await History.open(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO migrations VALUES (99, 0, 'from the future')")
        db.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(NewerDatabase):
        await History.open(path)
    assert path.read_bytes() == before
    assert files(path) == ["hubbub.db"]


# Failing without harm


async def test_a_full_disk_refuses_and_the_next_append_goes_on(path: Path) -> None:
    async with await History.open(path) as log:
        await log.append([draft(1)])
        ((pages,),) = await log._writer.execute_fetchall("PRAGMA page_count")
        await log._writer.execute_fetchall(f"PRAGMA max_page_count={pages + 20}")

        async def fill() -> None:
            for number in range(2, 100):
                await log.append([draft(number, body="x" * 10_000), draft(-number, body="x" * 10_000)])

        with pytest.raises(StorageFailed, match="full") as why:
            await fill()
        assert why.value.hint
        stored = await offsets(log)
        assert len(stored) % 2 == 1  # a batch is there whole or not at all
        assert (await log.load()).head == stored[-1]
        with pytest.raises(StorageFailed):
            await log.append([draft(500, body="x" * 1_000_000)])
        await log._writer.execute_fetchall("PRAGMA max_page_count=100000")
        (message,) = await log.append([draft(501)])
        assert message.offset == stored[-1] + 1
    async with await History.open(path) as log:
        assert await offsets(log) == [*stored, message.offset]
        assert log.opened.set_aside is None


@pytest.mark.parametrize(
    "failure",
    [
        sqlite3.OperationalError("disk I/O error"),
        OSError(28, "No space left on device"),
        OSError(5, "Input/output error"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["commit", "execute", "executemany"])
async def test_a_failing_call_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, where: str
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    async with await History.open(path) as log:
        await log.append([draft(1, retry=True)])
        with monkeypatch.context() as broken:
            broken.setattr(log._ledger, where, fail)
            with pytest.raises(StorageFailed) as why:
                await log.append([draft(2), fact(3, "$instance.registered", name="alice")])
            assert str(path) in why.value.message
            assert why.value.__cause__ is failure
        state = await log.load()
        assert (state.head, state.instances) == (1, [])
        assert [each.offset for each in await log.append([draft(1, retry=True), draft(4)])] == [1, 2]
        assert await offsets(log) == [1, 2]


async def test_a_lock_held_by_another_program_is_a_failure_that_passes(path: Path) -> None:
    async with await History.open(path) as log:
        await log._writer.execute_fetchall("PRAGMA busy_timeout=10")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageFailed, match="lock"):
                await log.append([draft(1)])
            other.execute("ROLLBACK")
        assert [each.offset for each in await log.append([draft(1)])] == [1]


async def test_an_append_that_is_cancelled_leaves_the_next_one_in_order(path: Path) -> None:
    async with await History.open(path) as log:
        confirmed = 0
        for number in range(40):
            task = asyncio.create_task(log.append([draft(number), draft(-number - 1)]))
            for _ in range(number % 8):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            (message,) = await log.append([draft(1000 + number)])
            assert message.offset > confirmed
            confirmed = message.offset
        stored = await offsets(log)
        assert stored == list(range(1, confirmed + 1))


async def test_a_fault_of_the_program_is_not_taken_for_the_disks(path: Path) -> None:
    async with await History.open(path) as log:
        with pytest.raises(KeyError):
            await log.append([draft(1), fact(2, "$cursors")])
        assert [each.offset for each in await log.append([draft(3)])] == [1]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written_is_no_damage(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o500)
    with pytest.raises(StorageFailed, match="cannot be written"):
        await History.open(path)


async def test_a_folder_in_the_files_place_is_no_damage(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StorageFailed):
        await History.open(path)
    assert files(path) == ["hubbub.db"]


# kill -9

WRITER = """
import asyncio, sys
from pathlib import Path
from hub.history import History
from tests.hub.memory_log import draft

async def main():
    log = await History.open(Path(sys.argv[1]))
    number = (await log.load()).head
    while True:
        batch = [draft(number + each, id=f"{number + each}", retry=True) for each in range(1, 1 + number % 17 + 1)]
        for message in await log.append(batch):
            print(message.offset, message.id, flush=False)
        sys.stdout.flush()
        number += len(batch)
        await log.index_slice()

asyncio.run(main())
"""


async def test_whatever_was_confirmed_survives_a_kill(path: Path) -> None:
    confirmed: dict[int, str] = {}
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(random.randrange(50, 600))]
        process.kill()
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait(timeout=30)
        for line in lines:
            if line.endswith(b"\n"):
                offset, message_id = line.split()
                confirmed[int(offset)] = message_id.decode()
    async with await History.open(path) as log:
        assert log.opened.set_aside is None
        stored = {each.offset: each.id for each in await log.since(0, 1_000_000, MUCH)}
        assert list(stored) == list(range(1, len(stored) + 1))
        assert confirmed.items() <= stored.items()
        assert len(set(stored.values())) == len(stored)


# Damage


async def some_history(path: Path, messages: int = 300) -> str:
    async with await History.open(path) as log:
        await log.append([fact(0, "$instance.registered", name="alice")])
        for start in range(0, messages, 50):
            await log.append([draft(start + number, body="word " * 50) for number in range(50)])
        await log.append([fact(9999, "$cursors", moved=[{"origin": 1, "name": "alice", "received": 7, "read": 5}])])
        await log.save_token(TokenRow(id="t1", hash="ab" * 32, name=None, scopes=("publish",), created_at=1.0))
        while await log.index_slice():
            pass
        return log.epoch


def flip(path: Path, first: int, last: int) -> None:
    data = bytearray(path.read_bytes())
    for place in range(first, last):
        data[place] ^= 0xFF
    path.write_bytes(data)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def header_flipped(path: Path) -> None:
    flip(path, 0, 100)


def page_size_flipped(path: Path) -> None:
    flip(path, 16, 24)


def not_a_database(path: Path) -> None:
    path.write_text("Dear diary,\n" * 1000)


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def pages_of_garbage(path: Path) -> None:
    size = path.stat().st_size
    flip(path, size // 3 // 4096 * 4096, size // 3 // 4096 * 4096 + 3 * 4096)


def a_page_of_the_log_flipped(path: Path) -> None:
    data = path.read_bytes()
    leaves = (place for place in range(0, len(data), 4096) if data[place] == 0x0D)  # of tables
    place = next(place for place in leaves if b"word word" in data[place : place + 4096])
    flip(path, place, place + 16)


def garbage_journal(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(b"garbage" * 1000)


def journal_alone(path: Path) -> None:
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(bytes.fromhex("377f0682") + b"\0" * 5000)


def sql(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)

    damage.__name__ = statements[-1].replace(" ", "_")
    return damage


MALFORMED = sql(
    "PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET sql = 'CREATE rubbish' WHERE name = 'messages_topic'"
)
NO_TABLE = sql("DROP TABLE subscriptions")
NO_INDEX = sql("DROP INDEX messages_topic")
OTHERS = sql("PRAGMA application_id=1")


@pytest.mark.parametrize(
    ("damage", "whole"),
    [
        (truncated, False),
        (cut_short, False),
        (header_flipped, False),
        (page_size_flipped, False),
        (not_a_database, False),
        (zero_bytes, False),
        (pages_of_garbage, None),
        (a_page_of_the_log_flipped, False),
        (garbage_journal, None),
        (journal_alone, False),
        (MALFORMED, True),
        (NO_TABLE, True),
        (NO_INDEX, True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_damaged_file_is_set_aside_whole_and_read_from(
    path: Path, damage: Callable[[Path], None], whole: bool | None
) -> None:
    epoch = await some_history(path)
    damage(path)
    damaged = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    async with await History.open(path, clock=lambda: NOW) as log:
        opened = log.opened
        assert opened.set_aside is not None
        assert opened.set_aside.name == "hubbub.db.damaged-20231114T221320Z"
        assert str(opened.set_aside) in (opened.told() or "")
        kept = {
            each.name.replace(opened.set_aside.name, "hubbub.db"): each.read_bytes()
            for each in path.parent.glob("*damaged*")
            if not each.name.endswith("-shm") and each.stat().st_size
        }
        assert kept == damaged
        assert log.epoch != epoch
        stored = await log.since(0, 100_000, MUCH)
        assert len(stored) == opened.recovered
        for message in stored:
            assert message.topic.startswith("$") or message.id == f"id-{message.offset - 2}"
        if whole is not None:
            assert (opened.lost == 0) is whole
        if whole:
            state = await log.load()
            assert opened.recovered == state.head == 302
            assert [(each.name, each.read, each.received) for each in state.instances] == [("alice", 5, 7)]
            assert [each.id for each in await log.tokens()] == ["t1"]
            assert len(await log.search(Search(text="word", limit=1000))) == 300
        head = (await log.load()).head
        assert [each.offset for each in await log.append([draft(5000)])] == [head + 1]
    async with await History.open(path) as again:
        assert again.opened.set_aside is None
        assert len(await offsets(again)) == opened.recovered + 1


@pytest.mark.parametrize("damage", [truncated, a_page_of_the_log_flipped], ids=lambda value: value.__name__)
async def test_damage_costs_little_more_than_what_it_hit(path: Path, damage: Callable[[Path], None]) -> None:
    await some_history(path, 3000)
    damage(path)
    async with await History.open(path) as log:
        assert log.opened.lost is None
        assert log.opened.recovered > 3000 * (0.2 if damage is truncated else 0.98)
        stored = await offsets(log)
        assert stored == sorted(set(stored))
        state = await log.load()
        assert state.head >= stored[-1]
        if damage is a_page_of_the_log_flipped:
            assert state.head == 3002


async def test_a_journal_that_was_left_behind_is_no_damage(path: Path) -> None:
    log = await History.open(path)
    await log.append([draft(1)])
    for side in ("", "-wal"):
        path.with_name("copy.db" + side).write_bytes(path.with_name(path.name + side).read_bytes())
    await log.close()
    async with await History.open(path.with_name("copy.db")) as copy:
        assert copy.opened.set_aside is None
        assert await offsets(copy) == [1]


async def test_the_database_of_another_program_is_set_aside_untouched(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url)")
        other.execute("INSERT INTO bookmarks VALUES ('https://example.com')")
        other.commit()
    before = path.read_bytes()
    async with await History.open(path) as log:
        assert log.opened.set_aside is not None
        assert "another program" in (log.opened.told() or "")
        assert log.opened.set_aside.read_bytes() == before
        assert await offsets(log) == []


async def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    async with await History.open(path) as log:
        assert log.opened.made
        assert log.opened.set_aside is None


async def test_two_damaged_files_in_one_second_have_two_names(path: Path) -> None:
    names = set()
    for _ in range(2):
        path.parent.mkdir(exist_ok=True)
        path.write_text("not a database")
        async with await History.open(path, clock=lambda: NOW) as log:
            assert log.opened.set_aside is not None
            names.add(log.opened.set_aside.name)
    assert len(names) == 2


async def test_a_recovery_that_was_interrupted_is_finished(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await some_history(path)
    NO_TABLE(path)
    real = Path.rename
    renamed: list[str] = []

    def interrupted(self: Path, target: Any) -> Path:
        renamed.append(self.name)
        if self.name.endswith(".recovering"):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recovery.prepare(path)
    assert (renamed[0], renamed[-1]) == ("hubbub.db", "hubbub.db.recovering")
    assert not path.exists()
    async with await History.open(path) as log:
        assert len(await offsets(log)) == 302
        assert not list(path.parent.glob("*.recovering*"))


async def test_tables_that_are_lost_are_folded_again_from_the_facts(path: Path) -> None:
    await some_history(path)
    sql("DROP TABLE instances")(path)
    async with await History.open(path) as log:
        assert [(each.name, each.read) for each in (await log.load()).instances] == [("alice", 5)]
        assert [each.key for each in (await log.load()).holdings] == ["alice"]


async def test_a_large_file_that_was_closed_properly_is_not_read_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_history(path)
    checked: list[Path] = []
    monkeypatch.setattr(soundness, "_check_pages", lambda _, path: checked.append(path))
    monkeypatch.setattr(soundness, "SMALL", 1000)
    await (await History.open(path)).close()
    assert checked == []
    monkeypatch.setattr(soundness, "SMALL", 10**9)
    await (await History.open(path)).close()
    assert checked == [path]


async def test_a_check_that_takes_too_long_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await some_history(path, 3000)
    monkeypatch.setattr(soundness, "CHECK_SECONDS", -1.0)
    async with await History.open(path) as log:
        assert log.opened.set_aside is None
        assert len(await offsets(log)) == 3002


# Full text


async def test_the_index_follows_in_slices(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "INDEX_BYTES", 1000)
    async with await History.open(path) as log:
        await log.append([draft(number, size=100) for number in range(35)])
        slices = [await log.index_slice()]
        while slices[-1]:
            slices.append(await log.index_slice())
        assert len(slices) == 4
        assert not await log.index_slice()
        ((count,),) = await log._writer.execute_fetchall(
            "SELECT count(*) FROM full_text WHERE full_text MATCH 'message'"
        )
        assert count == 35
        await log.append([draft(50)])
        assert not await log.index_slice()
    async with await History.open(path) as log:
        assert log._indexed == 36


async def segments(log: History) -> int:
    ((count,),) = await log._writer.execute_fetchall("SELECT count(DISTINCT segid) FROM full_text_idx")
    return int(count)


async def test_the_slices_of_the_index_are_merged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "INDEX_ROWS", 10)
    async with await History.open(path) as log:
        await log.append([draft(number, body=f"both unique{number}") for number in range(640)])
        while await log.index_slice():
            pass
        many = await segments(log)
        assert many > 3
        while await log.merge_slice():
            pass
        assert await segments(log) < many
        assert not await log.merge_slice(), "there is nothing new"
        await log.trim(Retention(age=1e12, size=300 * 100, facts_age=1e12), NOW)
        assert len(await log.search(Search(text="both", limit=500))) == len(await offsets(log))
        assert [each.offset for each in await log.search(Search(text="unique639"))] == [640]
        await log._writer.execute("INSERT INTO full_text (full_text, rank) VALUES ('integrity-check', 1)")


async def test_a_database_of_an_earlier_version_merges_two_from_now_on(path: Path) -> None:
    async with await History.open(path) as log:
        await log._writer.execute("DELETE FROM full_text_config WHERE k = 'usermerge'")
        await log._writer.commit()
    async with await History.open(path) as log:
        assert await log._writer.execute_fetchall("SELECT v FROM full_text_config WHERE k = 'usermerge'") == [(2,)]


async def test_trimmed_messages_leave_the_index(path: Path) -> None:
    async with await History.open(path) as log:
        await log.append([draft(number, body=f"both unique{number}") for number in range(10)])
        await log.index_slice()
        await log.trim(Retention(age=1e12, size=300, facts_age=1e12), NOW)
        (rows,) = await log._writer.execute_fetchall("SELECT count(*) FROM full_text WHERE full_text MATCH 'both'")
        assert rows == (3,)
        await log._writer.execute("INSERT INTO full_text (full_text, rank) VALUES ('integrity-check', 1)")


@pytest.mark.parametrize("text", ["word", "unicode"])
async def test_without_fts5_every_search_reads(path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("hub.fulltext.AVAILABLE", "SELECT 1 WHERE 0")
    async with await History.open(path) as log:
        await log.append([draft(1, body="A word."), draft(2, body="Ünicöde!")])
        assert not await log.index_slice()
        assert len(await log.search(Search(text=text))) == 1
        await log.trim(Retention(age=1e12, size=0, facts_age=1e12), NOW)


LEAVES = sql("UPDATE full_text_data SET block = x'00112233445566' WHERE id > 10")
ROOTS = sql("DELETE FROM full_text_data")


@pytest.mark.parametrize(("damage", "mended"), [(LEAVES, True), (ROOTS, False)], ids=["leaves", "roots"])
async def test_a_damaged_index_costs_no_answer(path: Path, damage: Callable[[Path], None], mended: bool) -> None:
    async with await History.open(path) as log:
        await log.append([draft(number) for number in range(10)])
        await log.index_slice()
    damage(path)
    async with await History.open(path) as log:
        assert len(await log.search(Search(text="message"))) == 10
        trimmed = await log.trim(Retention(age=1e12, size=800, facts_age=1e12), NOW)
        assert trimmed.floor == 3
        assert (await log.append([draft(11)]))[0].offset == 11
        while await log.index_slice() or await log.merge_slice():
            pass
        assert len(await log.search(Search(text="message"))) == 9
        assert log._indexed in ((11,) if mended else (0, 11))  # newer SQLite can drop what older cannot


# Tokens


async def test_tokens_are_kept_changed_and_deleted(path: Path) -> None:
    owner = TokenRow(id="b", hash="1" * 64, name=None, scopes=("publish", "admin"), created_at=1.0, note="the owner's")
    other = TokenRow(id="a", hash="2" * 64, name="alice", scopes=(), created_at=2.0, expires_at=3.0)
    async with await History.open(path) as log:
        await log.save_token(other)
        await log.save_token(owner)
    async with await History.open(path) as log:
        assert await log.tokens() == [owner, other]
        used = TokenRow(id="a", hash="2" * 64, name="alice", scopes=("x",), created_at=2.0, last_used=9.0)
        await log.save_token(used)
        assert await log.tokens() == [owner, used]
        assert await log.delete_token("b")
        assert not await log.delete_token("b")
        assert await log.tokens() == [used]


# Compared with the log in memory

NAMES = ["alice", "bob", "carol"]
TOPICS = ["build", "build.linux", "all", "inbox.alice", "inbox.bob", "inbox.carol", "inbox.nobody"]

said = st.tuples(
    st.just("say"),
    st.lists(
        st.tuples(
            st.integers(0, 30),
            st.sampled_from(TOPICS),
            st.integers(1, 400),
            st.sampled_from(["green build", "red build", "naïve", ""]),
            st.sampled_from([None, "t1", "t2"]),
        ),
        min_size=1,
        max_size=6,
    ),
)
told = st.tuples(
    st.sampled_from(["register", "rename", "forget", "read", "subscribe", "unsubscribe", "join"]),
    st.sampled_from(NAMES),
    st.sampled_from([*NAMES, "Alice", "BOB"]),
)
trimmed = st.tuples(st.just("trim"), st.integers(0, 60), st.integers(0, 3000), st.integers(0, 60))
steps = st.lists(st.one_of(said, told, trimmed, st.just(("index",)), st.just(("reopen",))), max_size=25)


class World:
    """Makes only such facts as the hub would: it knows who is called what."""

    def __init__(self) -> None:
        self.number = 1000
        self.held: dict[str, int] = {}
        self.called: dict[int, str] = {}

    def facts(self, step: tuple[str, str, str], head: int) -> list[Draft]:
        verb, name, other = step
        self.number += 1
        origin = self.held.get(name)
        match verb:
            case "register" if origin is None or self.called[origin].lower() != name:
                self.held[name] = head + 1
                self.called[head + 1] = name
                return [fact(self.number, "$instance.registered", name=name)]
            case "rename" if origin is not None and self.held.get(other.lower(), origin) == origin:
                old = self.called[origin]
                self.held[other.lower()] = origin
                self.called[origin] = other
                until = NOW + self.number
                return [
                    fact(self.number, "$instance.renamed", origin=origin, old=old, name=other, forwards_until=until)
                ]
            case "forget":
                if origin is not None and self.called[origin].lower() != name:
                    del self.held[name]
                return [fact(self.number, "$instance.forgot", name=name)]
            case "read" if origin is not None:
                at = {"origin": origin, "name": name, "received": head, "read": max(0, head - len(other))}
                return [fact(self.number, "$cursors", moved=[at])]
            case "subscribe" if origin is not None:
                return [fact(self.number, "$subscription.added", origin=origin, name=name, topic=f"{other.lower()}.>")]
            case "unsubscribe" if origin is not None:
                return [
                    fact(self.number, "$subscription.removed", origin=origin, name=name, topic=f"{other.lower()}.>")
                ]
            case "join" if origin is not None:
                return [fact(self.number, "$session.joined", origin=origin, name=name, client=None, sessions=1)]
        return []


@given(steps=steps, cuts=st.lists(st.integers(0, 60), min_size=4, max_size=4))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_history_is_what_the_log_in_memory_is(steps: list[Any], cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder) / "hubbub.db", steps, cuts))


async def compare(path: Path, steps: list[Any], cuts: list[int]) -> None:
    plain = MemoryLog()
    world = World()

    async def open_it() -> History:
        return await History.open(path, synchronous="normal", clock=lambda: NOW)

    log = await open_it()
    registry = Registry(await log.load())
    try:
        for step in steps:
            match step:
                case ("say", parts):
                    drafts = [
                        draft(number, topic=topic, size=size, body=body, thread=thread, retry=True)
                        for number, topic, size, body, thread in parts
                    ]
                    before = plain.head
                    expected = await plain.append(drafts)
                    assert await log.append(drafts) == expected
                    for offset, message in sorted({each.offset: each for each in expected}.items()):
                        if offset > before:
                            registry.apply(message)
                case ("trim", age, size, facts_age):
                    retention = Retention(age=float(age), size=size, facts_age=float(facts_age))
                    expected_trim = await plain.trim(retention, NOW + 40)
                    got = await log.trim(retention, NOW + 40)
                    assert (got.floor, sorted(got.topics)) == (expected_trim.floor, sorted(expected_trim.topics))
                    for topic in got.topics:
                        registry.trimmed(*topic)
                case ("index",):
                    await log.index_slice()
                case ("reopen",):
                    await log.close()
                    log = await open_it()
                case _:
                    for each in world.facts(step, plain.head):
                        (message,) = await plain.append([each])
                        assert await log.append([each]) == [message]
                        registry.apply(message)
        await same(log, plain, registry, cuts)
    finally:
        await log.close()


async def same(log: History, plain: MemoryLog, registry: Registry, cuts: list[int]) -> None:
    a, b, limit, size = cuts
    state, expected = await log.load(), await plain.load()
    assert (state.head, state.floor) == (expected.head, expected.floor)
    assert sorted(state.topics, key=str) == sorted(expected.topics, key=str)
    assert state.instances == expected.instances
    assert state.waiting == expected.waiting
    assert sorted(state.holdings, key=str) == sorted(expected.holdings, key=str)
    assert sorted(state.subscriptions, key=str) == sorted(expected.subscriptions, key=str)
    folded = Registry(state)
    assert {origin: repr(each) for origin, each in folded.instances.items()} == {
        origin: repr(each) for origin, each in registry.instances.items()
    }
    assert folded.held == registry.held
    spans = [Span(topic, after, after + b) for topic, after in zip(TOPICS, [a, 0, b, a, a, b, 0], strict=True)]
    for how in (
        lambda each: each.tail(limit, size * 50),
        lambda each: each.since(a, limit, size * 50),
        lambda each: each.read(spans, limit, size * 50),
        lambda each: each.search(Search(limit=limit + 1)),
        lambda each: each.search(Search(topic="build.*", before=b)),
        lambda each: each.search(Search(thread="t1", topic="build")),
        lambda each: each.search(Search(text="build", limit=limit + 1)),
        lambda each: each.search(Search(text="naive green", hub_facts=True)),
        lambda each: each.find(f"id-{a}"),
    ):
        ask: Callable[[Any], Awaitable[Any]] = how
        assert await ask(log) == await ask(plain)
    assert await log.count(spans, 1, NOW) == await plain.count(spans, 1, NOW)
