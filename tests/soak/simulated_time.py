"""An event loop without a clock: when nobody has anything to do, it is at once as late as the next timer.

So a minute of a hub's life takes as long as what happens in it, and the same program gives the same run: asyncio
itself decides nothing by chance. What would bring chance in is refused: sockets, threads, signals.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
Dial = Callable[[Callable[[], asyncio.BaseProtocol]], Coroutine[Any, Any, tuple[Any, Any]]]

MACHINE: contextvars.ContextVar[Machine | None] = contextvars.ContextVar("machine", default=None)
MOST_TURNS = 200_000  # of the loop within one moment; more is somebody who goes round and round


class Stuck(Exception):
    """Everybody waits, and no timer is left; or time does not go on."""


class Machine:
    """A process: its tasks, which end without a further word when it is killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.context = contextvars.copy_context()
        self.context.run(MACHINE.set, self)
        self.when_killed: list[Callable[[], None]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def run(self, work: Coroutine[Any, Any, Result], name: str | None = None) -> asyncio.Task[Result]:
        """Do `work` on this machine, and whatever it starts."""
        return asyncio.get_running_loop().create_task(work, name=name, context=self.context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._bury)

    def _bury(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not (self.alive or task.cancelled()):
            task.exception()  # looked at: what a dead one raises is nobody's business

    async def kill(self) -> None:
        """As `kill -9`: from now on nothing it does is seen by anybody."""
        self.alive = False
        for cut in self.when_killed:
            cut()
        while self._tasks:  # what they would still do at their end, they are kept from
            for task in list(self._tasks):
                task.cancel()
            await asyncio.sleep(0)


class _Waiting:
    """Stands where a loop has its selector: to wait is to let time pass."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._turns = 0

    def select(self, timeout: float | None) -> list[Any]:
        self._turns += 1
        if timeout is None:
            raise Stuck("everybody waits, and no timer is left")
        if timeout > 0:
            self._turns = 0
            self._loop.pass_time(timeout)
        elif self._turns > MOST_TURNS:
            raise Stuck(f"time stands still at {self._loop.time():.6f}")
        return []


class Loop(asyncio.BaseEventLoop):
    """See the module. `dial` stands in for every connection that is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.dial: Dial | None = None
        self._now = 0.0
        self._selector = _Waiting(self)
        self.set_task_factory(self._make_task)
        self.troubles: list[str] = []
        self.set_exception_handler(lambda _, what: self.troubles.append(_told(what)))

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let so much time be over."""
        self._now += seconds

    def _process_events(self, events: list[Any]) -> None:
        """There are none: nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits in another thread to be woken."""

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        context = more.get("context")
        machine = context.get(MACHINE) if context is not None else MACHINE.get()
        if machine is not None:
            machine.adopt(task)
        return task

    async def create_connection(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        assert self.dial is not None
        return await self.dial(factory)

    def run_in_executor(self, *_: Any) -> Any:
        raise AssertionError("a thread would bring chance into a run that must be the same each time")


def _told(what: dict[str, Any]) -> str:
    why = what.get("exception")
    return f"{what.get('message')}: {why!r}" if why is not None else str(what.get("message"))


def run(work: Callable[[Loop], Coroutine[Any, Any, Result]]) -> Result:
    """Run a simulation from its beginning to its end."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
