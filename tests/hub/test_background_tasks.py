"""Whatever runs without somebody waiting for it, and what notices when it dies: an entry for each, and no other.

A new task, thread or timer fails this file until somebody has thought about its death, and planted one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
STARTERS = {
    "create_task",
    "ensure_future",
    "TaskGroup",
    "Thread",
    "run_in_executor",
    "call_later",
    "call_at",
    "call_soon",
    "start_server",
}
STARTERS |= {"call_soon_threadsafe", "run_coroutine_threadsafe", "start_soon"}


class Noticed(NamedTuple):
    """`by` is what notices a death; `planted` the test in which one is planted, or why there is none."""

    by: str
    planted: str


HUB_ENDS = "tests/hub/test_node.py::test_a_task_that_dies_takes_the_hub_with_it_and_says_why"
LAST_RESORT = Noticed(
    "the event loop's handler, which tells /readyz: App.nobody_caught",
    "tests/hub/test_node.py::test_what_nobody_waits_for_is_told_when_it_fails",
)
THE_CONNECTION = Noticed(
    "the connection: it is closed, and told",
    "tests/hub/test_node.py::test_a_connection_that_meets_a_bug_is_closed_so_that_it_comes_back_and_is_told",
)
THE_ROTA = Noticed(
    "the same handler; the timer goes on for all other links",
    "tests/hub/test_link.py::test_one_link_that_raises_does_not_end_the_keepalive_of_all",
)
THE_BENCH = Noticed("whoever waits for the figures: the load's process ends with it", "a measurement")
THE_CLIENT = "tests/hub/test_client.py::test_a_client_that_meets_a_bug_says_so_and_looks_alive_no_longer"
NOTICED = {
    "hub/node.py watch": Noticed("the hub says so and ends: Node._break", HUB_ENDS),
    "hub/node.py _flush_later": Noticed("the same", HUB_ENDS),
    "hub/app.py handle_exit": LAST_RESORT,
    "hub/journal.py run": Noticed("the journal's task, which waits for it", HUB_ENDS),
    "hub/connection.py begin": LAST_RESORT,
    "hub/connection.py _hear": THE_CONNECTION,
    "hub/connection.py push": THE_CONNECTION,
    "hub/fanout.py _begin": Noticed(
        "the same handler; the pump goes on for everybody else",
        "tests/hub/test_fanout.py::test_one_that_raises_is_told_and_the_pump_goes_on_for_the_others",
    ),
    "hub/link.py add": THE_ROTA,
    "hub/link.py _ring": THE_ROTA,
    "hub/link.py _set_timer": LAST_RESORT,
    "hub/link.py pong_is_late": LAST_RESORT,
    "hub/pages.py read": Noticed(
        "whoever reads the page",
        "tests/hub/test_pages.py::test_a_page_is_read_again_once_it_was_forgotten_or_has_failed",
    ),
    "hub/api.py hanging_up": Noticed(
        "the wait: its client counts as gone",
        "tests/hub/test_api.py::test_a_wait_whose_server_fails_has_lost_its_client",
    ),
    "hub/plain.py run": Noticed(
        "the connection: its client counts as gone",
        "tests/hub/test_plain.py::test_a_server_whose_receive_fails_has_lost_the_client",
    ),
    "hub/protocol.py hand_over": LAST_RESORT,
    "hub/protocol.py start": LAST_RESORT,
    "hub/protocol.py join": Noticed(
        "the event loop's handler; those behind it are let in all the same",
        "tests/hub/test_protocol.py::test_one_that_fails_at_the_door_is_not_in_the_way_of_those_behind_it",
    ),
    "hub/protocol.py _turn": Noticed("the same", "tests/hub/test_protocol.py::test_one_that_fails_at_the_door_is_not"),
    "hub/protocol.py keepalive_timeout": LAST_RESORT,
    "hub/protocol.py handle_parser_exception": LAST_RESORT,
    "hub/bench/load.py _all": THE_BENCH,
    "hub/bench/load.py _serve": THE_BENCH,
    "hub/bench/load.py turn": THE_BENCH,
    "hub/bridge.py start": Noticed(
        "the script is told, and so is /readyz: Legacy.answer",
        "tests/hub/test_legacy.py::test_a_bug_behind_a_script_is_told_to_both",
    ),
    "hub/health.py _volume": Noticed(
        "who asked: the volume is null then",
        "tests/hub/test_health.py::test_a_disk_that_hangs_is_looked_at_once_and_the_rest_is_told",
    ),
    "hub/stage.py _begin": Noticed(
        "itself: it is told on /readyz and in GET /demo",
        "tests/hub/test_stage.py::test_a_play_that_meets_a_bug_is_told_and_another_can_be_begun",
    ),
    "hub/lifeline.py start": Noticed("everybody who asks or listens has the error", THE_CLIENT),
    "hub/lifeline.py _serve": Noticed("the same: it closes the socket", THE_CLIENT),
    "hub/daemon.py _reap_later": Noticed(
        "nobody", "it waits for a process that is none of ours to end, and that is all"
    ),
    "hub/demo/play.py __init__": Noticed("whoever waits for the agent to have read", "a demonstration"),
    "mcp_client/link.py start": Noticed(
        "itself: it begins anew",
        "tests/mcp_client/test_link.py::test_a_link_that_meets_a_bug_begins_anew_and_misses_nothing",
    ),
    "mcp_client/link.py _errand": Noticed(
        "the log", "tests/mcp_client/test_link.py::test_a_read_that_could_not_be_told_is_in_the_log"
    ),
    "mcp_client/stdio.py __init__": Noticed(
        "whoever sends is told, or the stream ends, and the process with it",
        "tests/mcp_client/test_stdio.py::test_a_thread_that_fails",
    ),
    "mcp_client/stdio.py _write": Noticed(
        "the same", "tests/mcp_client/test_stdio.py::test_a_thread_that_fails_to_write"
    ),
    "mcp_client/stdio.py _read": Noticed(
        "the same", "tests/mcp_client/test_stdio.py::test_a_thread_that_fails_to_read"
    ),
    "mcp_client/finder.py _in_thread": Noticed(
        "whoever asked where the hub is",
        "tests/mcp_client/test_link.py::test_what_goes_wrong_while_looking_is_a_typed_error",
    ),
    "mcp_client/delivery/courier.py start": Noticed(
        "itself: it begins anew after a second",
        "tests/mcp_client/delivery/test_courier.py::test_a_courier_that_meets_a_bug_goes_on",
    ),
    "mcp_client/delivery/hook_server.py open": Noticed(
        "the log, and the hook, which then has nothing to say",
        "its client sees an end of file: as for a hub that is away",
    ),
    "mcp_client/delivery/hook_server.py _waited": Noticed("the hook's connection, which waits for both", "as above"),
    "mcp_client/files.py _in_thread": Noticed(
        "the tool call, which waits for it",
        "tests/mcp_client/test_files.py::test_a_file_that_cannot_be_had_is_said_and_status_tries_again",
    ),
    "mcp_client/delivery/waiting.py _telling": Noticed(
        "the tool call, which waits for it at its end",
        "what it sends goes where the result goes: one fails as the other",
    ),
}


def started() -> Iterator[str]:
    """Each function below hub/, mcp_client/ and dashboard/ that starts something that runs by itself."""
    for folder in ("hub", "mcp_client", "dashboard"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_starts, _own(function))):
                    yield f"{path.relative_to(ROOT).as_posix()} {function.name}"


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, but not in those inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own(node)


def _starts(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in STARTERS


def test_there_is_nothing_that_may_die_unnoticed() -> None:
    assert set(started()) == set(NOTICED)


@pytest.mark.parametrize("where", NOTICED)
def test_its_death_is_planted_in_a_test(where: str) -> None:
    path, _, name = NOTICED[where].planted.partition("::")
    if name:
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")
