"""A hub with a fault planted in it, as a process: for tests of the tests.

python -m tests.soak.faulty_hub FAULT serve
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hub.cli import main
from hub.hub import Hub
from hub.protocol import WebSocketProtocol

FAULTS: dict[str, Callable[[], None]] = {}


def fault(plant: Callable[[], None]) -> Callable[[], None]:
    FAULTS[plant.__name__] = plant
    return plant


def command(name: str) -> list[str]:
    """What to start instead of `hubbub`."""
    return [sys.executable, "-m", "tests.soak.faulty_hub", name]


@fault
def whoever_comes_back_begins_at_the_head() -> None:
    opened = Hub.open

    def skipping(self: Hub, joining: Any, now: float, wake: Any) -> Any:
        session, *rest = opened(self, joining, now, wake)
        session.position = self.head
        return session, *rest

    Hub.open = skipping  # type: ignore[assignment]


@fault
def whoever_comes_back_begins_again() -> None:
    opened = Hub.open

    def forgetful(self: Hub, joining: Any, now: float, wake: Any) -> Any:
        joining.hello.resume = None
        return opened(self, joining, now, wake)

    Hub.open = forgetful  # type: ignore[assignment]


@fault
def the_last_word_waits_for_room() -> None:
    WebSocketProtocol.send = WebSocketsSansIOProtocol.send  # type: ignore[method-assign]


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
