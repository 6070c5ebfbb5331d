"""The pages of an earlier moment: what they show is what was so, and what they lead to is of that moment too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dashboard.moment import Here, stay
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import a_busy_hour
from tests.dashboard.reading import Reading, browse
from tests.hub.live import Live, live

ONLY_NOW = ("/part", "/health")


@pytest.mark.parametrize(
    ("path", "query", "then", "now"),
    [
        ("/", [], "/time?at=7", "/"),
        ("/time", [("with", "bob"), ("at", "3")], "/time?with=bob&at=7", "/?with=bob"),
        ("/topics", [("at", "3")], "/topics?at=7", "/topics"),
        ("/search", [("q", "a&b"), ("before", "9")], "/search?q=a%26b&at=7", "/search?q=a%26b"),
        ("/messages/a%2Fb", [], "/messages/a%2Fb?at=7", "/messages/a%2Fb"),
    ],
)
def test_a_page_at_another_moment_keeps_what_was_asked_but_not_the_place_in_a_list(
    path: str, query: list[tuple[str, str]], then: str, now: str
) -> None:
    here = Here.of(path, query)
    assert (here.at("7"), here.at("")) == (then, now)


@pytest.mark.parametrize(
    ("html", "moved"),
    [
        ('<a href="/">', '<a href="/?at=7">'),
        ('<a class="x" href="/topics">', '<a class="x" href="/topics?at=7">'),
        ('<a href="/search?q=a&amp;to=b#m3">', '<a href="/search?q=a&amp;to=b&amp;at=7#m3">'),
        ('<a href="/messages/x">', '<a href="/messages/x?at=7">'),
        ('<a href="/api/v1/messages/x">', '<a href="/api/v1/messages/x?at=7">'),
        ('<a href="/topics?at=9">', '<a href="/topics?at=9">'),
        ('<a href="/conversation?with=a&amp;at=9">', '<a href="/conversation?with=a&amp;at=9">'),
        ('<a class="live-again" href="/topics" data-now title="x">', None),
        ('<a href="/part?to=a">', None),
        ('<a href="/api/v1/attachments/0?message=x" download>', None),
        ('<a href="/topical">', None),
        ('<a href="#m3">', None),
        ('<link href="/search">', None),
        ("&lt;a href=&#34;/topics&#34;&gt;", None),
    ],
)
def test_links_stay_at_the_moment_where_what_they_lead_to_knows_one(html: str, moved: str | None) -> None:
    assert stay(html, "7") == (html if moved is None else moved)


@pytest.mark.parametrize("path", [each for each in PATHS if each not in ONLY_NOW and not each.endswith("then")])
def test_every_link_of_a_page_in_the_past_stays_there_but_the_one_back(path: str) -> None:
    hour = a_busy_hour()
    where = address(path, hour)
    page = Reading(browse(hour).get(f"{where}{'&' if '?' in where else '?'}at=4711").text)
    links = [attributes for tag, attributes in page.elements if tag == "a"]
    leaving = [
        each["href"] or ""
        for each in links
        if "at=" not in (each["href"] or "") and not (each["href"] or "").startswith(("#", "/api/v1/attachments/"))
    ]
    (back,) = (each["href"] for each in links if "data-now" in each)
    assert set(leaving) == {back, *ONLY_NOW}
    assert "at=" not in (back or "")
    assert not [1 for tag, attributes in page.elements if tag == "form" and attributes.get("method") == "post"]
    for form in [attributes for tag, attributes in page.elements if tag == "form"]:
        assert form.get("action", where) in (where.partition("?")[0], "/time"), form


@pytest.mark.parametrize("path", ONLY_NOW)
def test_a_page_that_knows_only_the_present_says_so(path: str) -> None:
    hour = a_busy_hour()
    assert "knows only the present" in Reading(browse(hour).get(f"{path}?at=4711").text).text
    assert "knows only the present" not in Reading(browse(hour).get(path).text).text


def test_a_live_page_leads_to_its_own_past() -> None:
    hour = a_busy_hour()
    for where in ("/topics", "/search?q=redirect", "/conversation?with=api", "/instances/api"):
        links = [attributes for tag, attributes in Reading(browse(hour).get(where).text).elements if tag == "a"]
        (earlier,) = (each["href"] for each in links if each.get("class") == "earlier")
        assert earlier == f"{where}{'&' if '?' in where else '?'}at={hour['hub']['head']}"


class Told(NamedTuple):
    hub: Live
    asked: dict[str, Any]
    answered: int
    renamed: int


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    """alice has asked bob, who has read it and answered; then she was renamed, and carol came."""
    async with live(tmp_path) as hub:

        async def say(**said: str) -> dict[str, Any]:
            answer: dict[str, Any] = (await hub.request("POST", "/api/v1/messages", said)).json()
            return answer

        asked = await say(**{"from": "alice", "to": "bob", "body": "green?"})
        await hub.request("POST", "/api/v1/read", {"as": "bob", "offset": asked["offset"]})
        answer = await say(**{"from": "bob", "to": "alice", "body": "green it is", "reply_to": asked["id"]})
        await hub.request("POST", "/api/v1/instances/alice/rename", {"name": "alicia"})
        renamed = (await hub.request("GET", "/api/v1/status")).json()["head"]
        await say(**{"from": "carol", "to": "#build", "body": "green as well"})
        yield Told(hub, asked, answer["offset"], renamed)


async def text(told: Told, path: str, status: int = 200) -> str:
    answer = await told.hub.request("GET", path, headers={"Accept": "text/html"})
    assert answer.status_code == status, path
    return " ".join(Reading(answer.text).text.split())


async def test_a_message_stands_where_it_stood_then(told: Told) -> None:
    path = f"/messages/{told.asked['id']}"
    at = told.asked["offset"]
    ladder = (await told.hub.request("GET", f"/api/v1{path}?at={at}")).json()["ladder"]
    assert [(each["name"], each["state"]) for each in ladder] == [("bob", "accepted")]
    assert "not yet not yet not yet" in await text(told, f"{path}?at={at}")
    ladder = (await told.hub.request("GET", f"/api/v1{path}?at={told.answered}")).json()["ladder"]
    assert [(each["name"], each["state"]) for each in ladder] == [("bob", "answered")]
    gone = await text(told, f"{path}?at={at - 1}")
    assert "at that moment" in gone
    assert "a later one may have it" in gone


async def test_a_conversation_ends_at_the_moment(told: Told) -> None:
    assert "green it is" not in await text(told, f"/conversation?view=table&at={told.asked['offset']}")
    then = await text(told, f"/conversation?view=table&at={told.answered}")
    assert "green it is" in then
    assert "green as well" not in then
    query = f"ladder=1&at={told.asked['offset']}"
    page = (await told.hub.request("GET", f"/api/v1/messages?{query}")).json()
    assert [each["body"] for each in page["messages"]] == ["green?"]


async def test_a_search_finds_what_had_been_said(told: Told) -> None:
    then = await text(told, f"/search?q=green&at={told.answered}")
    assert "2 messages, the newest first." in then
    assert "3 messages, the newest first." in await text(told, "/search?q=green")


async def test_topics_are_those_that_there_were(told: Told) -> None:
    assert "build" in await text(told, "/topics")
    then = await text(told, f"/topics?at={told.asked['offset']}")
    assert "build" not in then.partition("Keys")[0].partition("Topic, and")[2]
    assert "is not known of an earlier moment" in then
    rows = (await told.hub.request("GET", f"/api/v1/topics?at={told.asked['offset']}")).json()
    assert (rows["retention_age"], rows["topics"][0]["goes_at"], rows["topics"][0]["messages"]) == (None, None, 1)


async def test_the_cost_is_what_it_had_been(told: Told) -> None:
    at = told.asked["offset"]
    now = (await told.hub.request("GET", "/api/v1/cost")).json()
    then = (await told.hub.request("GET", f"/api/v1/cost?at={at}")).json()
    assert (now["written"], now["window"]["messages"]) == (111, 3)
    assert (then["written"], then["read"], then["window"]["messages"], then["window"]["to"]) == (36, 0, 1, at)
    assert [(each["name"], each["read"]) for each in then["agents"]] == [("alice", 0)]
    read = (await told.hub.request("GET", f"/api/v1/cost?at={told.answered}")).json()
    assert [(each["name"], each["read"]) for each in read["agents"]] == [("bob", 36), ("alice", 0)]
    assert "1 message since" in await text(told, f"/cost?at={at}")
    assert "Nothing had been said by then" in await text(told, "/cost?at=1")


async def test_an_instance_has_the_name_and_the_queue_that_it_had(told: Told) -> None:
    for name in ("alice", "alicia"):  # who is asked for by the name of now is found under that of then
        then = await text(told, f"/instances/{name}?at={told.answered}")
        assert "alice offline" in then
        assert "1 unread" in then
        assert "alicia" not in then.partition("What it did")[0].partition("As of")[2]
    assert "alicia" in await text(told, f"/instances/alicia?at={told.renamed}")
    found = (await told.hub.request("GET", f"/api/v1/messages?with=alicia&at={told.answered}")).json()
    assert [each["body"] for each in found["messages"]] == ["green?", "green it is"]
    missing = await text(told, "/instances/carol?at=1")
    assert "Nobody called carol" in missing


async def test_who_said_something_under_another_name_is_told_with_the_one_of_now(told: Told) -> None:
    now = (await told.hub.request("GET", "/api/v1/messages?ladder=1")).json()
    assert now["senders"] == {str(told.asked["offset"]): "alicia"}
    assert [each["from"] for each in now["messages"]] == ["alice", "bob", "carol"]
    then = (await told.hub.request("GET", f"/api/v1/messages?ladder=1&at={told.answered}")).json()
    assert then["senders"] == {}


async def test_a_moment_is_for_who_observes_and_has_to_be_one(told: Told) -> None:
    refused = {"as=bob&at=3": 400, "unread=1&as=bob&at=3": 400, "at=yesterday": 400, "at=99999": 404}
    for query, status in refused.items():
        answer = await told.hub.request("GET", f"/api/v1/messages?{query}")
        assert answer.status_code == status, answer.text


async def test_a_moment_that_cannot_be_told_says_so_on_every_page(told: Told) -> None:
    for path in ("/conversation?at=99999", "/topics?at=99999", "/search?q=green&at=99999", "/instances/bob?at=99999"):
        page = await text(told, path, 404)
        assert "not come to offset 99999" in page
        assert "This is how it is now." in page
