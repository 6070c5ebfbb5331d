"""Background tasks: each is broken on purpose, and the hub says so, and gets over it or ends."""

from __future__ import annotations

import asyncio
import gc
import html
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from hub import app as app_module
from hub import node as node_module
from hub.app import App, run
from hub.daemon import HubLock
from hub.errors import StorageFailed, Unauthorized
from hub.message import Draft, Message
from tests.hub.live import BOUND, Live, live, settings_for
from tests.journeys.processes import run as run_command


class Ending:
    """A hub whose end is the matter: `code` is how `run` returned."""

    def __init__(self, hub: Live, running: asyncio.Task[int]) -> None:
        self.hub = hub
        self.running = running

    async def code(self) -> int:
        async with asyncio.timeout(BOUND):
            return await asyncio.shield(self.running)


@asynccontextmanager
async def mortal(home: Path, **flags: Any) -> AsyncIterator[Ending]:
    """A hub that may end by itself."""
    settings = settings_for(home, **flags)
    with HubLock(settings.paths):
        ready: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run(settings, ready.set_result))
        async with asyncio.timeout(BOUND):
            app = await ready
        try:
            yield Ending(Live(app), running)
        finally:
            app.stop()
            async with asyncio.timeout(BOUND):
                await running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "HOUSEKEEPING", 0.02)
    monkeypatch.setattr(app_module, "LOOK", 0.02)
    monkeypatch.setattr("hub.journal.TRY_AGAIN", 0.02)


async def readiness(hub: Live) -> tuple[int, str]:
    answer = await hub.request("GET", "/readyz")
    return answer.status_code, answer.text


async def until(so: Callable[[], Any]) -> Any:
    async with asyncio.timeout(BOUND):
        while not (found := so()):
            await asyncio.sleep(0.005)
    return found


async def until_ready(hub: Live, *, ready: bool) -> str:
    async with asyncio.timeout(BOUND):
        while True:
            status, text = await readiness(hub)
            if (status == 200) is ready:
                return text
            await asyncio.sleep(0.005)


def bug(*_: Any, **__: Any) -> Any:
    raise KeyError("a planted bug")


# What ends the hub


def in_the_journal(hub: Live, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub.app.node.journal, "_commit", bug)


def in_the_housekeeping(hub: Live, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub.app.node.hub, "due", bug)


def in_the_look_at_tokens(hub: Live, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub.app.door.keyring, "holds", bug)


def in_the_writing_of_cursors(hub: Live, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub.app.node.hub, "cursors", bug)


def by_cancellation(hub: Live, patch: pytest.MonkeyPatch) -> None:
    hub.app.node._tasks["housekeeping"].cancel()


FATAL = {
    in_the_journal: "journal died: KeyError: 'a planted bug'",
    in_the_housekeeping: "housekeeping died: KeyError: 'a planted bug'",
    in_the_look_at_tokens: "the look at tokens died: KeyError: 'a planted bug'",
    in_the_writing_of_cursors: "the writing of cursors died: KeyError: 'a planted bug'",
    by_cancellation: "housekeeping died: it was cancelled",
}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("plant", FATAL)
async def test_a_task_that_dies_takes_the_hub_with_it_and_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Live, pytest.MonkeyPatch], None],
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        async with hub.session("alice") as alice, hub.session("bob") as bob:
            with monkeypatch.context() as patch:
                plant(hub, patch)
                await alice.send({"type": "read", "offset": 2})
                await bob.send({"type": "publish", "ref": 1, "to": "alice", "body": "x"})
                await until(lambda: hub.app.node.broken)
                assert FATAL[plant] in hub.app.node.problems()
                patch.undo()
                assert await mortally.code() == 1
            code, _ = await alice.closed()
            assert code == 4002
    # What ended it is not in the way of the next one.
    async with mortal(tmp_path / "home") as again:
        assert await readiness(again.hub) == (200, "ready\n")


@pytest.mark.usefixtures("quick")
async def test_a_hub_that_is_breaking_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mortal(tmp_path / "home") as mortally:
        monkeypatch.setattr(mortally.hub.app.node, "_on_broken", lambda: None)  # so that there is time to ask
        with monkeypatch.context() as patch:
            in_the_housekeeping(mortally.hub, patch)
            assert "housekeeping died" in await until_ready(mortally.hub, ready=False)


# What the hub gets over


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("job", "method"), [("retention", "trim"), ("the search index", "_index")])
@pytest.mark.parametrize("why", [KeyError("a planted bug"), StorageFailed("A planted error.")])
async def test_upkeep_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, method: str, why: Exception
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub

        async def fail(*_: Any) -> Any:
            raise why

        with monkeypatch.context() as patch:
            patch.setattr(hub.app.node.log, method, fail)
            text = await until_ready(hub, ready=False)
            assert f"{job} failed, and is tried again" in text
            assert "planted" in text
            page = (await hub.request("GET", "/api/v1/snapshot")).json()["hub"]
            assert any(job in each for each in page["problems"])
            async with hub.session("bob") as bob:
                assert (await bob.publish("all", "still here"))["type"] == "published"
        await until_ready(hub, ready=True)


async def test_a_connection_that_meets_a_bug_is_closed_so_that_it_comes_back_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        async with hub.session("alice") as alice, hub.session("bob") as bob:
            with monkeypatch.context() as patch:
                patch.setattr("hub.connection._encoded", bug)
                assert (await bob.publish("alice", "hello"))["type"] == "published"
                code, _ = await alice.closed()
            assert code == 4000  # trying again may help
            status, text = await readiness(hub)
            assert status == 503
            assert "a connection failed a moment ago, and the hub went on: KeyError: 'a planted bug'" in text
        async with hub.session("alice") as alice:
            assert (await alice.frame("message"))["body"] == "hello"
        later = hub.app.node.now() + node_module.FAULT_SHOWN + 1
        monkeypatch.setattr(hub.app.node, "_clock", lambda: later)
        assert await readiness(hub) == (200, "ready\n")


async def test_an_event_stream_that_meets_a_bug_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        with monkeypatch.context() as patch:
            patch.setattr("hub.api.wire.message_json", bug)
            answer = await hub.request("GET", "/api/v1/events?after=0")
            assert answer.text.count("data:") == 1
            assert '"code":"unavailable"' in answer.text
        assert "an event stream failed" in (await readiness(hub))[1]
        assert hub.app.node.broken is None


async def orphaned() -> None:
    raise KeyError("a planted bug")


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda loop: loop.call_later(0, bug), id="a timer"),
        pytest.param(lambda loop: loop.create_task(orphaned()), id="a task that nobody waits for"),
    ],
)
async def test_what_nobody_waits_for_is_told_when_it_fails(tmp_path: Path, start: Callable[[Any], object]) -> None:
    async with mortal(tmp_path / "home") as mortally:
        start(asyncio.get_running_loop())
        gc.collect()  # a task's exception is found when nothing holds the task any more
        text = await until_ready(mortally.hub, ready=False)
        assert text == "a callback failed a moment ago, and the hub went on: KeyError: 'a planted bug'\n"
        assert mortally.hub.app.node.broken is None


async def test_a_peer_s_broken_network_is_no_fault_of_the_hub(tmp_path: Path) -> None:
    async with mortal(tmp_path / "home") as mortally:
        told = {"message": "Fatal write error", "exception": OSError(113, "No route to host"), "transport": object()}
        asyncio.get_running_loop().call_exception_handler(told)
        assert await readiness(mortally.hub) == (200, "ready\n")


async def test_while_many_sessions_are_asked_about_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "DISMISSED", 2)
    monkeypatch.setattr(app_module, "LOOK", 3600)
    async with live(tmp_path) as hub, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(hub.session(name)) for name in ("alice", "bob", "carol")]
        turns: list[str] = []

        def stays(_: object) -> bool:
            turns.append("asked")
            asyncio.get_running_loop().call_soon(turns.append, "another's")
            return len(turns) > 1

        await hub.app.node.dismiss(stays, Unauthorized("no longer"))
        assert turns[:3] == ["asked", "another's", "asked"]
        assert (await sockets[0].closed())[0] == Unauthorized.close
        assert (await sockets[1].ask(type="status"))["type"] == "reply"


# Who is told, beside /readyz


@pytest.mark.usefixtures("quick")
async def test_status_doctor_metrics_and_page_say_what_readyz_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub, home = mortally.hub, tmp_path / "home"
        with monkeypatch.context() as patch:
            patch.setattr(hub.app.node.log, "trim", bug)
            (problem,) = (await until_ready(hub, ready=False)).splitlines()
            assert problem == "retention failed, and is tried again: KeyError: 'a planted bug'"
            status = await asyncio.to_thread(run_command, home, "status")
            assert problem in status.stdout
            doctor = await asyncio.to_thread(run_command, home, "doctor", "--json", code=1)
            found = [each for each in json.loads(doctor.stdout)["findings"] if each["message"] == problem]
            assert [each["state"] for each in found] == ["broken"]
            assert "\nhubbub_ready 0.0\n" in (await hub.request("GET", "/metrics")).text
            page = (await hub.request("GET", "/")).text
            assert f"<strong>Not ready</strong> <bdi>{problem}</bdi>" in html.unescape(page)


# A disk that fails, and one that hangs


@pytest.mark.usefixtures("quick")
async def test_a_failing_disk_makes_the_hub_not_ready_until_it_is_well_again_though_nobody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub

        async def fail(*_: Any) -> Any:
            raise sqlite3.OperationalError("disk I/O error")

        async with hub.session("alice") as alice:
            with monkeypatch.context() as patch:
                patch.setattr(aiosqlite.Connection, "commit", fail)
                refused = await alice.publish("all", "lost")
                assert refused["code"] == "storage_failed"
                assert "the log cannot be written" in await until_ready(hub, ready=False)
                history = await hub.request("GET", "/api/v1/messages?limit=5")
                assert history.status_code == 200  # reads go on
            await until_ready(hub, ready=True)
            assert (await alice.publish("all", "kept"))["type"] == "published"


@pytest.mark.usefixtures("quick")
async def test_cursors_that_a_failing_disk_did_not_take_are_written_when_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub

        async def fail(*_: Any) -> Any:
            raise sqlite3.OperationalError("disk I/O error")

        async with hub.session("alice") as alice, hub.session("bob") as bob:
            offset = (await bob.publish("alice", "x"))["offset"]
            await alice.frame("message")
            with monkeypatch.context() as patch:
                patch.setattr(aiosqlite.Connection, "commit", fail)
                await alice.send({"type": "read", "offset": offset})
                await until(lambda: hub.app.node.journal.failing)
            origin = hub.app.node.hub.instance("alice").origin

            def on_disk() -> bool:
                with sqlite3.connect(f"file:{hub.app.settings.paths.database}?mode=ro", uri=True) as db:
                    row = db.execute("SELECT read FROM instances WHERE origin = ?", (origin,)).fetchone()
                db.close()
                return bool(row[0] == offset)

            await until(on_disk)


async def test_a_disk_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "STALLED", 0.01)
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        held = asyncio.Event()
        append = hub.app.node.log.append

        async def hang(drafts: Sequence[Draft]) -> list[Message]:
            await held.wait()
            return await append(drafts)

        async with hub.session("alice") as alice:
            with monkeypatch.context() as patch:
                patch.setattr(hub.app.node.log, "append", hang)
                await alice.send({"type": "publish", "ref": 7, "to": "all", "body": "x"})
                assert "the disk hangs" in await until_ready(hub, ready=False)
                held.set()
                assert (await alice.frame("published", 7))["offset"] > 0
            await until_ready(hub, ready=True)


@pytest.mark.usefixtures("quick")
async def test_upkeep_that_hangs_is_told_since_everybody_waits_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "STALLED", 0.01)
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        held = asyncio.Event()

        async def hang(*_: Any) -> Any:
            await held.wait()
            raise StorageFailed("It hung.")

        async with hub.session("alice") as alice:
            with monkeypatch.context() as patch:
                patch.setattr(hub.app.node.log, "trim", hang)
                assert "the log has not answered" in await until_ready(hub, ready=False)
                await alice.send({"type": "publish", "ref": 7, "to": "all", "body": "x"})
            held.set()
            assert (await alice.frame("published", 7))["offset"] > 0
            await until_ready(hub, ready=True)


async def test_a_page_that_never_comes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "STALLED", 0.01)
    async with mortal(tmp_path / "home", window_messages=1) as mortally:
        hub = mortally.hub
        held = asyncio.Event()
        since = hub.app.node.log.since

        async def hang(*asked: Any) -> list[Message]:
            await held.wait()
            return await since(*asked)

        async with hub.session("bob") as bob:
            for _ in range(3):
                assert (await bob.publish("all", "x"))["type"] == "published"
        with monkeypatch.context() as patch:
            patch.setattr(hub.app.node.log, "since", hang)
            async with hub.session(None, observe=True, resume=0) as eye:
                assert "a reader has waited" in await until_ready(hub, ready=False)
                held.set()
                assert (await eye.frame("message"))["offset"] == 1
        await until_ready(hub, ready=True)


async def test_a_token_file_that_is_gone_is_told_everywhere(tmp_path: Path) -> None:
    async with mortal(tmp_path / "home") as mortally:
        hub = mortally.hub
        hub.app.settings.paths.token_file.unlink()
        hub.app.door.keyring.owner.look(now=True)
        gone = f"The token file {hub.app.settings.paths.token_file} is gone; the last token still holds."
        assert (await readiness(hub))[1] == f"{gone}\n"
        assert (await hub.request("GET", "/api/v1/status")).json()["problems"] == [gone]
