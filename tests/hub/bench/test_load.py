"""The load generator against a real hub, in processes of their own, as it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.bench.process import Failed, LoadProcess
from hub.processes import cpu_seconds, memory
from tests.journeys.processes import HubProcess, hub_process


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with hub_process(tmp_path / "home") as running:
        yield running


@pytest.fixture
def load(hub: HubProcess) -> Iterator[LoadProcess]:
    host, port = hub.http.removeprefix("http://").split(":")
    options = {"host": f"{host}:{port}", "token": hub.token}
    with LoadProcess(host, int(port), "hub.bench.speech:Hubbub", options) as process:
        yield process


def test_every_subscriber_has_every_message(load: LoadProcess) -> None:
    load.ask("join", subscribers=7, publishers=1)
    for in_flight in (1, 8):
        answer = load.ask("run", in_flight=in_flight, seconds=0.1)
        assert answer["messages"] > 0
        assert answer["deliveries"] == 7 * answer["messages"]
        assert 0 < answer["load_share"] <= 1.1


def test_topics_are_published_to_in_turn_and_may_be_heard_by_a_pattern(load: LoadProcess) -> None:
    load.ask("join", subscribers=3, publishers=1, hears="bench.{i}.>")
    answer = load.ask("run", to="bench.{i}.x", hears="bench.{i}.>", topics=3, in_flight=4, seconds=0.1)
    assert answer["messages"] >= 3
    assert answer["deliveries"] == answer["messages"]


def test_messages_nobody_hears_are_confirmed_to_however_many_publish(load: LoadProcess) -> None:
    load.ask("join", publishers=4)
    answer = load.ask("run", to="quiet", in_flight=20, seconds=0.1)
    assert answer["messages"] > 0
    assert answer["deliveries"] == 0


def test_at_a_steady_pace_each_message_is_timed(load: LoadProcess) -> None:
    load.ask("join", subscribers=1, publishers=1)
    answer = load.ask("pace", rate=100, seconds=0.2)
    assert answer["messages"] == 20
    assert 0 < answer["p50"] <= answer["p90"] <= answer["p99"] <= answer["max"]


def test_what_the_hub_refuses_is_told(load: LoadProcess) -> None:
    with pytest.raises(Failed, match="bad_topic"):
        load.ask("join", subscribers=1, hears="no good")


def test_a_hub_that_goes_is_noticed(hub: HubProcess, load: LoadProcess) -> None:
    load.ask("join", subscribers=1, publishers=1)
    hub.kill()
    with pytest.raises(Failed, match=r"closed|reset|Lost"):
        load.ask("run", seconds=0.1)


def test_what_a_process_has_cost_is_known_or_said_to_be_unknown(hub: HubProcess) -> None:
    held, used = memory(hub.pid), cpu_seconds(hub.pid)
    if held is not None and used is not None:
        assert 2**20 < held[0] <= held[1] < 2**30
        assert 0 < used < 60
    assert memory(2**22 + 1) is None
    assert cpu_seconds(2**22 + 1) is None
