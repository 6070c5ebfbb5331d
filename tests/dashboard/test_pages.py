"""The pages as they leave the server: before any script, and whatever was written into them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from dashboard.assets import STATIC, Assets
from dashboard.nav import PLACES
from dashboard.pages import link_expired_page, locked_page, not_found_page, page_headers
from hub.frames import MessageJson
from tests.dashboard.reading import Reading, browse


def test_the_overview_shows_everything_before_any_script(make: Any) -> None:
    page = Reading(browse(make.a_busy_hour()).get("/").text)
    for said in (
        "5 of 6 instances",
        "Reviewer_2 online, 2 sessions",
        "22 min (too long)",
        "build.macos",
        "Right, hashed in 7be20d1.",
        "docs left: the connection was lost",
        "redirect-log.patch, 2.8 KiB",
        '"failed": 2',
    ):
        assert said in page.text


def test_what_is_wrong_with_the_hub_stands_first_before_any_script(make: Any) -> None:
    snapshot = make.a_busy_hour()
    assert "troubles" not in browse(snapshot).get("/").text
    snapshot = make.a_busy_hour()
    snapshot["hub"] |= {"problems": ["the log cannot be written: the disk is full"], "notices": ["2 were recovered"]}
    page = Reading(browse(snapshot).get("/").text)
    assert ("section", {"class": "troubles", "role": "alert", "aria-label": "What is wrong"}) in page.elements
    assert (
        "Not ready the log cannot be written: the disk is fullNote 2 were recoveredHeld until you decide" in page.text
    )
    assert "Hubbub: not ready" in page.text


def test_a_filter_in_the_address_holds_without_scripts(make: Any) -> None:
    client = browse(make.a_busy_hour())
    page = Reading(client.get("/", params={"with": "docs", "facts": "0"}).text)
    offsets = [attributes["id"] for tag, attributes in page.elements if tag == "li" and attributes.get("id")]
    assert offsets == ["m4705", "m4708"]
    assert ("option", {"value": "docs", "selected": None}) in page.elements
    nothing = client.get("/", params={"thread": "none such"}).text
    assert "None of the last 17 messages fits. Older ones may." in nothing


def test_an_empty_hub_names_the_commands_to_type(make: Any) -> None:
    text = Reading(browse(make.nobody_yet()).get("/").text).text
    for command in ("hubbub demo", 'hubbub send --as you alice "hello"', "hubbub connect all", "Play it here"):
        assert command in text


def test_the_hubs_own_values_are_taken_as_they_are(make: Any, noon: datetime) -> None:
    said = MessageJson(
        offset=3, id="i", from_="bob", to="alice", topic="inbox.alice", thread=None, reply_to=None, body="as a struct",
        data={"n": 1}, at=noon, attachments=None,
    )  # fmt: skip
    raw = msgspec.Raw(msgspec.json.encode(make.a_message(4, "bob", "alice", "as raw JSON", make.rfc3339(noon))))
    snapshot = make.a_snapshot(noon) | {"recent": [said, raw], "at": datetime.now(UTC)}
    text = Reading(browse(snapshot).get("/").text).text
    assert "as a struct" in text
    assert "as raw JSON" in text


def test_what_others_wrote_is_only_ever_text(make: Any) -> None:
    plain = browse(make.a_busy_hour()).get("/").text
    hostile = browse(make.a_hostile_hour()).get("/").text
    allowed = {tag for tag, _ in Reading(plain).elements} | {"input", "a", "p", "strong"}
    page = Reading(hostile)
    assert {tag for tag, _ in page.elements} <= allowed
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc")]
    links = [attributes["href"] or "" for tag, attributes in page.elements if tag == "a"]
    own = {place.path for place in PLACES}
    pages = ("/instances/", "/part?queue=", "/conversation?", "/messages/", "/api/v1/attachments/")
    beginnings = ("?", "#m", "#instances", "#queues", "#messages", *pages)
    assert all(link in own or link.startswith(beginnings) for link in links)
    assert "<script>document.title = 'run'</script>" in page.text


def test_the_state_for_the_script_cannot_end_its_element(make: Any) -> None:
    html = browse(make.a_hostile_hour()).get("/").text
    state = html.rsplit('<script type="application/json" id="state">', 1)[1].split("</script>")[0]
    assert not re.search("[<>&]", state)
    assert json.loads(state)["entries"][0]["body"] == make.HOSTILE[0]


def test_no_page_has_a_script_or_style_of_its_own(make: Any) -> None:
    pages = [browse(make.a_busy_hour()).get("/").text]
    pages += [bytes(page.body).decode() for page in (locked_page(), link_expired_page(), not_found_page())]
    for page in pages:
        for tag, attributes in Reading(page).elements:
            assert tag != "style"
            assert tag != "script" or "src" in attributes or attributes["type"] == "application/json"


def test_every_page_carries_a_strict_policy(make: Any) -> None:
    headers = browse(make.a_busy_hour()).get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://testserver wss://testserver"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("host", "connect"),
    [
        ("127.0.0.1:4820", "'self' ws://127.0.0.1:4820 wss://127.0.0.1:4820"),
        ("[::1]:4820", "'self' ws://[::1]:4820 wss://[::1]:4820"),
        ("", "'self'"),
        ("evil.example; script-src *", "'self'"),
        ("*", "'self'"),
        ("a b", "'self'"),
    ],
)
def test_a_host_header_cannot_widen_the_policy(host: str, connect: str) -> None:
    policy = page_headers(host)["Content-Security-Policy"]
    assert f"connect-src {connect};" in policy
    assert "script-src 'self';" in policy


def test_who_may_not_see_is_shown_how_to_sign_in_and_nothing_else(make: Any) -> None:
    answer = browse(make.a_busy_hour(), may_see=False).get("/")
    assert answer.status_code == 401
    assert "hubbub open" in answer.text
    for secret in ("planner", "4820", "0.1.0", "4713", "local", "build"):
        assert secret not in Reading(answer.text).text
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("page", "status", "title"),
    [
        (locked_page, 401, "This page is locked"),
        (link_expired_page, 410, "This link is used up"),
        (not_found_page, 404, "There is no such page"),
    ],
)
def test_a_notice_says_one_thing_and_the_command_that_helps(page: Callable[[], Any], status: int, title: str) -> None:
    answer = page()
    assert answer.status_code == status
    text = Reading(bytes(answer.body).decode()).text
    assert title in text
    assert "hubbub open" in text


def test_a_file_under_the_hash_may_be_kept_for_ever(make: Any) -> None:
    client = browse(make.nobody_yet())
    page = Reading(client.get("/").text)
    paths = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in page.elements
        if tag in ("script", "link")
    ]
    files = [path for path in paths if path]
    assert len(files) >= 5
    for path in files:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_without_the_hash_is_asked_for_anew(make: Any) -> None:
    client = browse(make.nobody_yet())
    answer = client.get("/static/view.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/static/view.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "none.js",
        "../pyproject.toml",
        "..%2fpyproject.toml",
        "000000000000/app.js",
        "vendor",
        "vendor/.gitattributes",
    ],
)
def test_nothing_else_is_served(make: Any, path: str) -> None:
    assert browse(make.nobody_yet()).get(f"/static/{path}").status_code == 404


def test_a_page_names_all_modules_that_its_script_needs_so_that_none_waits_for_another(make: Any) -> None:
    page = Reading(browse(make.a_busy_hour()).get("/").text)
    named = {attributes["href"] for tag, attributes in page.elements if attributes.get("rel") == "modulepreload"}
    scripts = {attributes["src"] for tag, attributes in page.elements if tag == "script" and "src" in attributes}
    base = Assets().url("app.js").removesuffix("app.js")
    needed = {
        f"{base}{each}"
        for path in (named | scripts)
        for each in re.findall(r'"\./([^"]+\.js)";$', (STATIC / str(path).removeprefix(base)).read_text(), re.MULTILINE)
    }
    assert needed
    assert needed <= named


def test_pages_and_files_are_packed_for_whoever_takes_that(make: Any) -> None:
    client = browse(make.a_busy_hour())
    for path in ("/", "/static/view.js"):
        packed, plain = client.get(path), client.get(path, headers={"Accept-Encoding": "identity"})
        assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        assert int(packed.headers["content-length"]) * 2 < int(plain.headers["content-length"])
        assert packed.headers["vary"] == "Accept-Encoding"


def test_every_module_finds_its_neighbours() -> None:
    assets = Assets()
    for module in STATIC.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', module.read_text(encoding="utf-8")):
            assert assets.find(name) is not None, f"{module.name} imports {name}"


def test_the_hash_changes_with_any_file(tmp_path: Any) -> None:
    (tmp_path / "a.js").write_text("1")
    one = Assets(tmp_path).version
    (tmp_path / "a.js").write_text("2")
    two = Assets(tmp_path).version
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert len({one, two, Assets(tmp_path).version}) == 3
    with pytest.raises(KeyError):
        Assets(tmp_path).url("a.js")
