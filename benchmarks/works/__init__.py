"""What is measured; one module an idea. `ALL` has every work in the order in which it is done."""

from __future__ import annotations

from benchmarks.work import Work
from benchmarks.works import confirmed, fanout, growth, idle, latency, page, start, tool

ALL: list[Work] = [
    *fanout.WORKS,
    *confirmed.WORKS,
    *latency.WORKS,
    *tool.WORKS,
    *idle.WORKS,
    *start.WORKS,
    *growth.WORKS,
    *page.WORKS,
]
