"""What all works have in common: contenders take their turn in each round, so that what the machine does meets all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from benchmarks.figures import Contender, Result, Sample
from benchmarks.server import Running, Server, running
from hub.bench.process import Failed

Say = Callable[[str], None]


class Work:
    """One thing to be done, and by whom."""

    name: str
    title: str
    unit: str
    better: Literal["more", "less"] = "more"
    seconds: float = 1.0  # that a contender works in each round, where time is the measure

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        raise NotImplementedError

    def _result(self) -> Result:
        return Result(self.name, self.title, self.unit, self.better)


class ServerWork(Work):
    """Work that one connects to servers for. A subclass says how each is got ready, and what a round is."""

    servers: Sequence[Callable[[], Server]]

    def prepare(self, server: Running) -> None:
        """Before the first round; not measured."""

    def round(self, server: Running) -> Sample:
        raise NotImplementedError

    def measure(self, rounds: int, folder: Path, say: Say) -> Result:
        result = self._result()
        with ExitStack() as stack:
            ready: list[tuple[Contender, Running]] = []
            for number, make in enumerate(self.servers):
                server = make()
                contender = Contender(server.name, settings=server.settings)
                result.contenders.append(contender)
                if server.missing():
                    contender.left_out = f"not installed: {server.get}"
                    say(f"  {server.name} is left out: {contender.left_out}")
                    continue
                contender.version = server.version()
                one = stack.enter_context(running(server, folder / str(number)))
                if _attempt(contender, lambda one=one: self.prepare(one), say):
                    ready.append((contender, one))
            for number in range(rounds):
                for contender, one in turns(ready, number):
                    if contender.left_out is None:
                        _attempt(contender, lambda one=one, to=contender: to.samples.append(self.round(one)), say)
                say(f"  round {number + 1} of {rounds}: {_now(result)}")
        return result


def turns(ready: list[Any], number: int) -> Iterator[Any]:
    """Another begins in each round."""
    for each in range(len(ready)):
        yield ready[(each + number) % len(ready)]


def _attempt(contender: Contender, do: Callable[[], None], say: Say) -> bool:
    try:
        do()
    except Failed as why:
        contender.left_out = f"failed: {why}"
        contender.samples.clear()
        say(f"  {contender.name} {contender.left_out}")
        return False
    return True


def _now(result: Result) -> str:
    return "   ".join(f"{each.name} {each.samples[-1].value:,.0f}" for each in result.contenders if each.samples)


def sample(value: float, answer: dict[str, Any], count: float, **more: float) -> Sample:
    """A round as a sample: `count` is what was done, `answer` the load generator's."""
    cpu, memory = answer["server_cpu"], answer["server_memory"]
    return Sample(
        value,
        server_share=None if cpu is None else cpu / answer["seconds"],
        load_share=answer.get("load_share"),
        per_cpu_second=count / cpu if cpu else None,
        peak_memory=memory[1] if memory else None,
        more=more,
    )
