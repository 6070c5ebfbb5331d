"""Faults planted in the core, and the model of test_hub_machine.py held to find each of them.

A model that finds nothing proves nothing: it may just never get there. So whatever it is meant to guard is broken here
on purpose. A fault that it misses is a fault of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from hub.cursors import Cursors
from hub.holds import Holds
from hub.hub import Hub
from hub.log import END, Span, Trimmed
from hub.message import Message
from hub.naming import Naming
from hub.posting import Posting
from hub.registry import Inbox, Instance, Registry
from hub.router import Router
from hub.session import Session
from hub.topic import INBOX, Tree
from hub.window import Run, Window
from tests.hub.test_hub_machine import HubMachine

Plant = Callable[[pytest.MonkeyPatch], None]
FAULTS: dict[str, Plant] = {}


def fault(plant: Plant) -> Plant:
    FAULTS[plant.__name__] = plant
    return plant


@fault
def a_topic_wakes_nobody(patch: pytest.MonkeyPatch) -> None:
    heat = Session.heat
    patch.setattr(Session, "heat", lambda self, alone, before: "chat" in alone or heat(self, alone, before))


@fault
def a_session_stays_where_it_is(patch: pytest.MonkeyPatch) -> None:
    give = Session._give

    def stay(self: Session, *parts: Any) -> Run | None:
        position = self.position
        run = give(self, *parts)
        self.position = position if run else self.position
        return run

    patch.setattr(Session, "_give", stay)


@fault
def a_session_moves_on_without_giving(patch: pytest.MonkeyPatch) -> None:
    give = Session._give

    def skip(self: Session, whole: Run, room: int, last: int, head: int, now: float) -> Run | None:
        if not whole.complete:
            last = head
        run = give(self, whole, room, last, head, now)
        self.position = max(self.position, last)
        return run

    patch.setattr(Session, "_give", skip)


@fault
def a_message_is_seen_before_it_is_on_the_log(patch: pytest.MonkeyPatch) -> None:
    publish = Hub.publish

    def hasty(self: Hub, *parts: Any) -> Any:
        draft = publish(self, *parts)
        self.window.extend([Message.of(draft, self.head + 1)])
        return draft

    patch.setattr(Hub, "publish", hasty)


@fault
def one_more_is_trimmed_than_is_told(patch: pytest.MonkeyPatch) -> None:
    trimmed = Hub.trimmed

    def fewer(self: Hub, told: Trimmed) -> None:
        trimmed(
            self, Trimmed(told.floor, [(t, count, size, newest - 1) for t, count, size, newest in told.topics], False)
        )

    patch.setattr(Hub, "trimmed", fewer)


@fault
def gaps_are_told_where_nothing_is_missing(patch: pytest.MonkeyPatch) -> None:
    trimmed = Registry.trimmed
    patch.setattr(
        Registry, "trimmed", lambda self, topic, count, size, newest: trimmed(self, topic, count, size, newest + 1)
    )


@fault
def a_known_route_is_never_looked_up_again(patch: pytest.MonkeyPatch) -> None:
    add = Router._add

    def keeping(self: Router, topic: str, session: Session) -> None:
        known = dict(self._known)
        add(self, topic, session)
        self._known.update(known)

    patch.setattr(Router, "_add", keeping)


@fault
def credit_counts_for_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "room", property(lambda self: 1000))


@fault
def a_confirmation_frees_too_much_credit(patch: pytest.MonkeyPatch) -> None:
    confirm = Session.confirm
    patch.setattr(Session, "confirm", lambda self, offset, credit: confirm(self, offset + 2, credit))


@fault
def own_words_come_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_all_mine", lambda self, run: not run.offsets or run.offsets[0] > self.position)


@fault
def what_has_expired_is_delivered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "_all_mine", lambda self, run: self.origin not in run.origins)


@fault
def an_ended_subscription_is_still_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "keep_hot", lambda self, spans: None)


@fault
def the_later_of_two_subscriptions_counts(patch: pytest.MonkeyPatch) -> None:
    spans = Registry.spans

    def later(self: Registry, instance: Instance, after: int, upto: int) -> list[Span]:
        return [
            span._replace(after=max(span.after, min(instance.subscriptions.get(span.topic, 0), upto)))
            for span in spans(self, instance, after, upto)
        ]

    patch.setattr(Registry, "spans", later)


@fault
def a_batch_is_not_split_where_somebody_subscribes(patch: pytest.MonkeyPatch) -> None:
    commit, heat = Hub.commit, Hub._heat
    heads: list[int] = []

    def noting(self: Hub, messages: Any) -> None:
        heads.append(self.head)
        commit(self, messages)

    patch.setattr(Hub, "commit", noting)
    patch.setattr(Hub, "_heat", lambda self, topics, before: heat(self, topics, heads[-1]))


@fault
def what_is_settled_stays_reserved(patch: pytest.MonkeyPatch) -> None:
    settle = Posting.settle
    patch.setattr(Posting, "settle", lambda self, topic, size: topic == INBOX + "alice" or settle(self, topic, size))


@fault
def what_is_under_way_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    def full(self: Posting, topic: str, size: int) -> bool:
        inbox = self._registry.inboxes.get(topic) or Inbox()
        limits = self._limits
        return len(inbox.messages) >= limits.inbox_messages or inbox.size + size > limits.inbox_bytes

    patch.setattr(Posting, "_full", full)


@fault
def the_window_lets_go_of_one_too_many(patch: pytest.MonkeyPatch) -> None:
    evict = Window._evict

    def more(self: Window) -> None:
        evict(self)
        self.floor -= 1

    patch.setattr(Window, "_evict", more)


@fault
def a_run_is_kept_past_the_next_commit(patch: pytest.MonkeyPatch) -> None:
    extend = Window.extend

    def keeping(self: Window, messages: Any) -> None:
        runs = dict(self._runs)
        extend(self, messages)
        self._runs.update(runs)

    patch.setattr(Window, "extend", keeping)


@fault
def an_observer_skips_what_its_instance_has_read(patch: pytest.MonkeyPatch) -> None:
    read = Hub.read

    def skipping(self: Hub, instance: Instance, offset: int) -> list[Session]:
        sessions = read(self, instance, offset)
        for session in sessions:
            session.skip(min(offset, self.head))
        return sessions

    patch.setattr(Hub, "read", skipping)


@fault
def what_was_read_is_pushed_all_the_same(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Session, "skip", lambda self, offset: None)


@fault
def a_cursor_goes_back(patch: pytest.MonkeyPatch) -> None:
    move = Cursors.move

    def back(self: Cursors, instance: Instance, received: int, read: int) -> bool:
        if read:
            instance.read = read
        return move(self, instance, received, read)

    patch.setattr(Cursors, "move", back)


@fault
def reading_leaves_the_inbox_as_it_was(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inbox, "drop", lambda self, upto, after=0: None)


@fault
def an_old_name_leads_nowhere(patch: pytest.MonkeyPatch) -> None:
    apply = Registry.apply

    def losing(self: Registry, message: Message) -> list[Instance]:
        changed = apply(self, message)
        if message.topic == "$instance.renamed" and message.data["old"].lower() != message.data["name"].lower():
            self.held.pop(message.data["old"].lower(), None)
        return changed

    patch.setattr(Registry, "apply", losing)


@fault
def an_old_name_leads_on_for_ever(patch: pytest.MonkeyPatch) -> None:
    release = Registry._release

    def keeping(self: Registry, key: str, offset: int) -> None:
        holding = self.held.get(key)
        release(self, key, offset)
        if holding is not None:
            self.held[key] = holding

    patch.setattr(Registry, "_release", keeping)


@fault
def whoever_is_renamed_to_a_name_loses_what_waits_for_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Posting, "waiting", lambda self, topic, now: 0)
    hold = Registry._hold

    def from_the_first(self: Registry, instance: Instance, holding: Any) -> None:
        holding.since = 0
        hold(self, instance, holding)

    patch.setattr(Registry, "_hold", from_the_first)


@fault
def a_live_name_is_given_away(patch: pytest.MonkeyPatch) -> None:
    claim = Naming.claim_other

    def anything_goes(self: Naming, instance: Instance, name: str, now: float) -> None:
        key = name.lower()
        held = self._registry.held.get(key)
        if held is not None and held.origin != instance.origin and not self._presence.online(instance):
            self._claims[key] = instance.origin
        else:
            claim(self, instance, name, now)

    patch.setattr(Naming, "claim_other", anything_goes)


@fault
def own_words_come_back_to_who_asks_second(patch: pytest.MonkeyPatch) -> None:
    def remember(self: Window, asked: object, after: int, given: Run) -> None:
        given.origins = set()
        self.asked, self.asked_at, self.given = asked, after, given

    patch.setattr(Window, "remember", remember)


@fault
def a_resume_is_taken_for_a_first_visit(patch: pytest.MonkeyPatch) -> None:
    opened = Hub.open

    def forgetful(self: Hub, joining: Any, now: float, wake: Any) -> Any:
        return opened(self, joining._replace(hello=replace(joining.hello, resume=None)), now, wake)

    patch.setattr(Hub, "open", forgetful)


@fault
def a_wildcard_covers_one_word_only(patch: pytest.MonkeyPatch) -> None:
    match = Tree.match
    patch.setattr(Tree, "match", lambda self, topic: match(self, topic) if topic.count(".") < 2 else dict.fromkeys(()))


@fault
def a_page_from_the_log_ends_it(patch: pytest.MonkeyPatch) -> None:
    old = Session.take_old

    def hasty(self: Session, behind: Any, *parts: Any) -> Any:
        taken = old(self, behind, *parts)
        self.position = max(self.position, behind.upto)
        return taken

    patch.setattr(Session, "take_old", hasty)


@fault
def a_session_that_left_is_still_there(patch: pytest.MonkeyPatch) -> None:
    route = Router.route
    patch.setattr(Router, "route", lambda self, session, topics: route(self, session, topics) if topics else set())
    patch.setattr("hub.presence.Presence.online", lambda self, instance: True)
    leave = Hub.leave

    def lingering(self: Hub, session: Session, reason: str, now: float) -> Any:
        facts = leave(self, session, reason, now)
        if session.instance is not None:
            self._presence._of.setdefault(session.instance.origin, []).append(session)
        return facts

    patch.setattr(Hub, "leave", lingering)


@fault
def an_inbox_is_heard_past_its_end(patch: pytest.MonkeyPatch) -> None:
    spans = Registry.spans
    patch.setattr(
        Registry,
        "spans",
        lambda self, instance, after, upto: [
            span._replace(upto=END) if span.topic.startswith(INBOX) else span
            for span in spans(self, instance, after, upto)
        ],
    )


@fault
def a_hold_is_in_force_only_once_the_log_has_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holds, "standing", lambda self, scope: self._registry.holds.get(scope))


@fault
def what_waits_is_counted_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Holds, "_make_room", lambda self, fact: None)


@fault
def a_purge_forgets_to_tell_the_sessions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hub, "_purged", lambda self, told: None)


LOOK = settings(
    max_examples=1000,  # where a fault is found, far fewer are looked at
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Hypothesis prints each story that ends badly; here they all should."""
    yield
    capsys.readouterr()


@pytest.mark.parametrize("planted", FAULTS)
def test_the_model_finds(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[planted](monkeypatch)
    with pytest.raises((AssertionError, KeyError, IndexError)):
        run_state_machine_as_test(HubMachine, settings=LOOK)
