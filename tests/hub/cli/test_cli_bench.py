from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.cli.bench import lines


def test_bench_measures_a_hub_of_its_own_and_leaves_nothing_behind(hubbub: Callable[..., Any], home: Path) -> None:
    said = hubbub("bench", "--subscribers", "3", "--seconds", "0.1", "--json")
    assert said.code == 0, said.err
    assert list(home.iterdir()) == []
    found = said.json
    assert found["subscribers"] == 3
    for part in ("confirmed_per_second", "one_by_one_per_second", "deliveries_per_second", "fsync_ms"):
        assert found[part] > 0, part
    took = found["latency_ms"]
    assert 0 < took["p50"] <= took["p90"] <= took["p99"] <= took["max"]
    assert found["synchronous"] == "full"


def test_bench_in_words_says_what_is_unknown_by_leaving_it_out() -> None:
    told = {
        "version": "1.0",
        "system": "Linux 6",
        "cores": 2,
        "python": "3.11",
        "fsync_ms": 0.1,
        "synchronous": "full",
        "confirmed_per_second": 1e4,
        "one_by_one_per_second": 1e3,
        "subscribers": 100,
        "body_bytes": 200,
        "deliveries_per_second": 1e6,
        "latency_ms": {"p50": 1, "p90": 2, "p99": 3, "max": 4},
    }
    shares = {"hub_share": 0.99, "load_share": 0.25, "peak_memory": 64 * 2**20}
    assert "99% of a core" in "\n".join(lines({**told, **shares}))
    unknown = "\n".join(lines({**told, **dict.fromkeys(shares)}))
    assert "1,000,000 deliveries a second" in unknown
    assert "core" not in unknown.split("synchronous")[1]
    assert "None" not in unknown


def test_bench_does_not_measure_a_hub_elsewhere(hubbub: Callable[..., Any], home: Path) -> None:
    said = hubbub("bench", "--url", "ws://127.0.0.1:4820/ws")
    assert said.code == 2
    assert "Leave --url out." in said.err
