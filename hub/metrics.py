"""What Prometheus reads: taken from the hub at the moment it is asked, nothing is counted twice.

Names follow https://prometheus.io/docs/practices/naming/; docs/metrics.md lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.attachments import Attachments
from hub.connection import Connections
from hub.node import Node

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HubCollector(Collector):
    """Everything about one hub. `refused` counts who was not let in, `cut` which bounds of a connection were hit."""

    def __init__(
        self,
        node: Node,
        connections: Connections,
        attachments: Attachments,
        refused: Callable[[], Counter[str]],
        cut: Callable[[], Counter[str]],
    ) -> None:
        self._node = node
        self._connections = connections
        self._attachments = attachments
        self._refused = refused
        self._cut = cut

    def collect(self) -> Iterator[Metric]:
        hub, counters, journal = self._node.hub, self._node.hub.counters, self._node.journal
        online = sum(1 for each in hub.registry.instances.values() if hub.sessions_of(each))
        waiting = sum(len(each.messages) for each in hub.registry.inboxes.values())
        for name, about, value in (
            ("hubbub_ready", "1 when the log can be written and all background tasks run.", not self._node.problems()),
            ("hubbub_head_offset", "The newest offset.", hub.head),
            ("hubbub_floor_offset", "The oldest offset that is kept.", hub.floor),
            ("hubbub_log_bytes", "Bytes of the messages that are kept.", _size(self._node)),
            ("hubbub_topics", "Topics the log has had.", len(hub.registry.topics)),
            ("hubbub_instances", "Instances that have registered.", len(hub.registry.instances)),
            ("hubbub_instances_online", "Instances with a live session.", online),
            ("hubbub_sessions", "Live sessions, observers included.", len(hub.sessions)),
            ("hubbub_connections", "Open WebSockets.", self._connections.open),
            ("hubbub_inbox_messages", "Direct messages that nobody has read yet.", waiting),
            ("hubbub_journal_waiting", "Drafts that wait to be stored.", journal.waiting),
            ("hubbub_window_messages", "Messages held in memory.", len(hub.window)),
            ("hubbub_window_bytes", "Bytes of the messages held in memory.", hub.window.size),
            ("hubbub_attachments", "Files that messages carry, or that are yet to be named.", self._attachments.count),
            ("hubbub_attachments_bytes", "Bytes of these files, each at least 4 KiB.", self._attachments.size),
            ("hubbub_start_time_seconds", "When the hub started, in seconds since 1970.", self._node.started_at),
        ):
            yield GaugeMetricFamily(name, about, value=float(value))
        for name, about, count in (
            ("hubbub_messages_published", "Messages stored, without the hub's own facts.", counters.published),
            ("hubbub_messages_pushed", "Messages handed to sessions, each session counted.", counters.pushed),
            ("hubbub_publishes_refused", "Publishes that were refused.", counters.refused),
            ("hubbub_gaps", "Gaps announced to readers.", counters.gaps),
            ("hubbub_sessions_opened", "Sessions since the start.", counters.sessions),
            ("hubbub_attachments_uploaded", "Files taken in.", self._attachments.uploaded),
            ("hubbub_attachments_removed", "Files removed since no message names them.", self._attachments.removed),
        ):
            yield CounterMetricFamily(name, about, value=float(count))
        for name, about, label, counts in (
            ("hubbub_refused", "Requests that were not let in, by the error's code.", "code", self._refused()),
            ("hubbub_cut", "Connections ended at a bound, by its name.", "bound", self._cut()),
        ):
            family = CounterMetricFamily(name, about, labels=[label])
            for what, count in sorted(counts.items()):
                family.add_metric([what], float(count))
            yield family


def exposition(collector: HubCollector) -> Callable[[], bytes]:
    """What `/metrics` answers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return lambda: generate_latest(registry)


def _size(node: Node) -> int:
    return sum(stock.size for stock in node.hub.registry.topics.values())
