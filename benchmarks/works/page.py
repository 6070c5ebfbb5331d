"""The dashboard in a real Chromium, while fifty agents say two hundred messages a second to each other.

`page` is the time from the moment that an agent sends a message until the browser has painted it, with what the page
costs the browser: its main thread's share of a core, tasks over 50 ms, and memory after a collection, round by round.
`watched` is how long a publisher waits for its confirmation, and what a message costs the hub in processor time: while
nobody watches, with an observer that asks the hub for what the page does and draws nothing, and with the page open. The
first two say what watching costs the hub; the third has the browser's share of the machine in it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from playwright.async_api import Browser, CDPSession, Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.aims import HUBBUB
from benchmarks.figures import Contender, Result, Sample
from benchmarks.peers.hubbub import Hubbub
from benchmarks.server import HOST, started
from benchmarks.work import Say, Work, turns
from hub.bench.process import LOAD, Failed, start
from hub.processes import cpu_seconds
from tests.dashboard.browsing import FLAGS, a_chromium

AGENTS = 50
RATE = 200  # messages a second
SPAN = 12  # seconds of a round for each second that is asked for: five rounds are a minute
VIEWS = {"overview": "/", "conversation": "/conversation", "conversation, for reading": "/conversation?view=read"}

# What is painted is what stands in the document when the frame after next begins. A body says when it was sent.
WATCH = """
  window.took = [];
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((each) => each.duration)))
    .observe({ type: "longtask", buffered: true });
  const sent = /sent at ([0-9.]+)/g;
  const seen = new Set();
  const look = (node, fresh) => {
    for (const [, at] of (node.textContent ?? "").matchAll(sent)) {
      if (seen.has(at)) continue;
      seen.add(at);
      fresh.push(Number(at));
    }
  };
  const painted = (fresh) => {
    const now = Date.now();
    window.took.push(...fresh.map((at) => now - at));
  };
  document.addEventListener("DOMContentLoaded", () =>
    new MutationObserver((changes) => {
      const fresh = [];
      for (const { type, addedNodes, target } of changes)
        if (type === "characterData") look(target, fresh);
        else addedNodes.forEach((node) => look(node, fresh));
      if (fresh.length > 0) requestAnimationFrame(() => requestAnimationFrame(() => painted(fresh)));
    }).observe(document.body, { childList: true, subtree: true, characterData: true }));
"""


class Agents:
    """Fifty sessions, each of which takes what it is sent as read."""

    def __init__(self, connections: Sequence[ClientConnection]) -> None:
        self._all = connections
        self._asked: dict[int, float] = {}
        self._waits: list[float] = []
        self._said = 0
        self._listening = [asyncio.create_task(self._listen(each)) for each in connections]

    async def talk(self, seconds: float) -> list[float]:
        """Say RATE messages a second for so long: the seconds that each waited for its confirmation, sorted."""
        self._waits = []
        begin = time.perf_counter()
        for number in range(int(RATE * seconds)):
            await asyncio.sleep(begin + number / RATE - time.perf_counter())
            sender, to = number % AGENTS, (number * 7 + 1) % AGENTS
            self._said += 1
            self._asked[self._said] = time.perf_counter()
            said = {"type": "publish", "ref": self._said, "to": f"agent-{to}"}
            said |= {"body": f"message {self._said}, sent at {time.time() * 1000:.3f}, as plain as most of them are"}
            await self._all[sender].send(json.dumps(said))
        async with asyncio.timeout(30):
            while self._asked:
                await asyncio.sleep(0.01)
        return sorted(self._waits)

    async def _listen(self, connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # the hub has ended
            async for text in connection:
                frame = json.loads(text)
                if frame["type"] == "published":
                    self._waits.append(time.perf_counter() - self._asked.pop(frame["ref"]))
                elif frame["type"] == "message":
                    await connection.send(json.dumps({"type": "read", "offset": frame["offset"]}))


class Scene:
    """A hub with its agents, and a browser that is signed in."""

    def __init__(self, agents: Agents, browser: Browser, pid: int, port: int, token: str) -> None:
        self.agents = agents
        self.pid = pid  # the hub's
        self._browser = browser
        self._port = port
        self._token = token

    async def open(self, path: str) -> tuple[Page, CDPSession]:
        context = await self._browser.new_context(viewport={"width": 1440, "height": 900})
        page = await context.new_page()
        hub = f"http://{HOST}:{self._port}"
        link = await context.request.post(f"{hub}/api/v1/links", headers={"Authorization": f"Bearer {self._token}"})
        await page.goto((await link.json())["url"])
        await page.add_init_script(WATCH)
        await page.goto(hub + path)
        await page.locator(".live", has_text="live").wait_for()
        inspector = await context.new_cdp_session(page)
        # Processor time, not what the clock says: other programs on the machine make no difference to it.
        await inspector.send("Performance.enable", {"timeDomain": "threadTicks"})
        return page, inspector

    @asynccontextmanager
    async def observed(self) -> AsyncIterator[None]:
        """An observer that is no browser."""
        command = [sys.executable, "-m", "benchmarks.observer", HOST, str(self._port)]
        with start(command, LOAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdin.write(f"{self._token}\n")
            process.stdin.flush()
            await asyncio.to_thread(process.stdout.readline)  # it observes
            yield
            if process.poll() is not None:
                raise Failed(f"the observer ended with exit code {process.returncode}")
            process.stdin.close()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    server = Hubbub()
    async with AsyncExitStack() as stack:
        hub, port = stack.enter_context(started(server, folder))
        token = server.options(folder, port)["token"]
        connections = []
        for number in range(AGENTS):
            connection = await stack.enter_async_context(
                connect(f"ws://{HOST}:{port}/ws", subprotocols=["hubbub.v1"], compression=None, ping_interval=None)  # type: ignore[list-item]
            )
            await connection.send(json.dumps({"type": "hello", "name": f"agent-{number}", "token": token}))
            await connection.recv()
            connections.append(connection)
        driver = await stack.enter_async_context(async_playwright())
        path = a_chromium(driver)
        if path is None:
            raise Failed("no Chromium: install one, or name it in the variable CHROMIUM")
        browser = await driver.chromium.launch(executable_path=path, args=FLAGS)
        stack.push_async_callback(browser.close)
        yield Scene(Agents(connections), browser, hub.pid, port, token)


class PageWork(Work):
    name = "page"
    title = f"from an agent's send until the page has painted it, {AGENTS} agents, {RATE}/s"
    unit = "ms p50"
    better = "less"

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        return asyncio.run(self._measure(rounds, folder, say))

    async def _measure(self, rounds: int, folder: Path, say: Say) -> Result:
        result = self._result()
        async with scene(folder) as here:
            for name, path in VIEWS.items():
                contender = Contender(name, Hubbub().version(), "Chromium without a screen, 1440 × 900")
                result.contenders.append(contender)
                page, inspector = await here.open(path)
                await here.agents.talk(2)  # warm
                for _ in range(rounds):
                    await page.evaluate("window.took = []; window.tasks = [];")
                    before = await _worked(inspector)
                    await here.agents.talk(self.seconds * SPAN)
                    found = await _sample(page, inspector)
                    found.more["main_thread"] = round((await _worked(inspector) - before) / (self.seconds * SPAN), 2)
                    contender.samples.append(found)
                say(f"  {name}: " + ", ".join(f"{each.value:.0f} ms {each.more}" for each in contender.samples))
                await page.context.close()
        return result


async def _worked(inspector: CDPSession) -> float:
    """Seconds of processor time that the page's main thread has had."""
    metrics = (await inspector.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def _sample(page: Page, inspector: CDPSession) -> Sample:
    took: list[float] = []
    async with asyncio.timeout(30):
        while not took:
            took = sorted(await page.evaluate("window.took"))
    tasks: list[float] = await page.evaluate("window.tasks")
    await inspector.send("HeapProfiler.collectGarbage")
    heap = (await inspector.send("Runtime.getHeapUsage"))["usedSize"]
    more = {"p95": took[int(len(took) * 0.95)], "painted": len(took), "heap_mib": round(heap / 2**20, 1)}
    more |= {"long_tasks": len(tasks), "longest_ms": round(max(tasks, default=0.0))}
    return Sample(statistics.median(took), more=more)


class Watched(Work):
    name = "watched"
    title = f"how long a publisher waits for its confirmation, {AGENTS} agents, {RATE}/s"
    unit = "µs p50"
    better = "less"

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        return asyncio.run(self._measure(rounds, folder, say))

    async def _measure(self, rounds: int, folder: Path, say: Say) -> Result:
        result = self._result()
        watchers = {
            HUBBUB: (_nobody, "nobody watches"),
            "Hubbub, observed": (Scene.observed, "an observer gets all that the overview does, and draws nothing"),
            "Hubbub, watched": (_shown, "a Chromium on the same machine shows the overview"),
        }
        for name, (_, settings) in watchers.items():
            result.contenders.append(Contender(name, Hubbub().version(), settings))
        async with scene(folder) as here:
            await here.agents.talk(2)  # warm
            for number in range(rounds):
                for contender in turns(result.contenders, number):
                    async with watchers[contender.name][0](here):
                        contender.samples.append(await self._sample(here))
                say(f"  round {number + 1}: " + ", ".join(_told(each) for each in result.contenders))
        return result

    async def _sample(self, here: Scene) -> Sample:
        """How long a publisher waits, and what its message costs the hub in processor time."""
        span = self.seconds * SPAN / 2
        before = cpu_seconds(here.pid)
        waits = await here.agents.talk(span)
        after = cpu_seconds(here.pid)
        p50, p90, p99 = (waits[int(len(waits) * share)] * 1e6 for share in (0.5, 0.9, 0.99))
        cpu = None if before is None or after is None else after - before
        return Sample(
            p50,
            server_share=cpu and cpu / span,
            per_cpu_second=len(waits) / cpu if cpu else None,
            more={"p90": round(p90), "p99": round(p99)},
        )


@asynccontextmanager
async def _nobody(here: Scene) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _shown(here: Scene) -> AsyncIterator[None]:
    page, _ = await here.open("/")
    yield
    await page.context.close()


def _told(contender: Contender) -> str:
    last = contender.samples[-1]
    cpu = f", {1e6 / last.per_cpu_second:.0f} µs of CPU a message" if last.per_cpu_second else ""
    return f"{contender.name} {last.value:.0f} µs {last.more}{cpu}"


WORKS: list[Work] = [PageWork(), Watched()]
