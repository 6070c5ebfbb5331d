"""Who gets past the guard and the door: over real HTTP semantics, with the clock in the test's hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from hub import refusal, signin
from hub.cookies import MAX_AGE, Cookies
from hub.door import LOCAL, REMOTE, Door, identify
from hub.errors import HubbubError, Unauthorized
from hub.guard import Guard
from hub.origins import Own
from hub.paths import ensure_token
from hub.signin import LIFETIME, MOST, Links
from hub.tables import TokenRow
from hub.tokens import Keyring, OwnerToken

NOW = 1_800_000_000.0


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class NoStore:
    async def save_token(self, token: TokenRow) -> None: ...

    async def tokens(self) -> list[TokenRow]:
        return []

    async def delete_token(self, token_id: str) -> bool:
        return False


class House:
    """A guarded app, and all that guards it."""

    def __init__(self, home: Path) -> None:
        ensure_token(home / "token")
        self.clock = Clock(NOW)
        self.keyring = Keyring(OwnerToken(home / "token"), NoStore())
        self.door = Door(self.keyring, Cookies(self.keyring), clock=self.clock, monotonic=self.clock)
        self.links = Links()
        self.app = Guard(self._app(), Own("127.0.0.1"), self.door)

    @property
    def token(self) -> str:
        return self.keyring.owner.path.read_text().strip()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def browser(self, url: str = "http://127.0.0.1:4820", address: str = "127.0.0.1") -> TestClient:
        return TestClient(self.app, base_url=url, client=(address, 50000), follow_redirects=False)

    def signed_in(self, url: str = "http://127.0.0.1:4820") -> TestClient:
        browser = self.browser(url)
        answer = browser.get("/open", params={"code": self.links.make(NOW)})
        assert answer.status_code == 200
        return browser

    def _app(self) -> Starlette:
        async def who(request: Request) -> Response:
            try:
                identity = identify(request.scope)
            except HubbubError as why:
                told = refusal.answer(request.scope, why)
                return Response(told.body, told.status, {a.decode(): b.decode() for a, b in told.headers})
            return JSONResponse([identity.grant.id, identity.via, sorted(identity.grant.scopes)])

        async def socket(websocket: WebSocket) -> None:
            try:
                identity = identify(websocket.scope)
            except HubbubError as why:
                await refusal.refuse(websocket.scope, websocket._receive, websocket._send, why)
                return
            await websocket.accept()
            await websocket.send_text(identity.grant.id)
            await websocket.close()

        async def own_headers(request: Request) -> Response:
            return Response("", headers={"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "origin"})

        return Starlette(
            routes=[
                Route("/who", who, methods=["GET", "POST", "DELETE"]),
                Route("/own-headers", own_headers),
                WebSocketRoute("/ws", socket),
                *signin.routes(self.links),
            ]
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def denied(browser: TestClient, **headers: str) -> tuple[int, str]:
    """The status and code with which a WebSocket handshake is refused."""
    with (
        pytest.raises(WebSocketDenialResponse) as why,
        browser.websocket_connect("ws://127.0.0.1:4820/ws", headers=headers),
    ):
        pass
    return why.value.status_code, why.value.json()["code"]


def admitted(browser: TestClient, **headers: str) -> str:
    with browser.websocket_connect("ws://127.0.0.1:4820/ws", headers=headers) as socket:
        return socket.receive_text()


# The guard


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 200, None),
        ({"Host": "evil.example:4820"}, 421, "host_refused"),
        ({"Origin": "http://evil.example"}, 403, "origin_refused"),
        ({"Origin": "null"}, 403, "origin_refused"),
        ({"Origin": "http://127.0.0.1:4820"}, 200, None),
        ({"Sec-Fetch-Site": "same-site"}, 403, "origin_refused"),
    ],
)
def test_the_guard_stands_before_http_and_websocket(
    house: House, headers: dict[str, str], status: int, code: str | None
) -> None:
    for method in ("GET", "POST"):
        answer = house.browser().request(method, "/who", headers=house.bearer | headers)
        assert answer.status_code == status
        assert code is None or answer.json()["code"] == code
    if code is None:
        assert admitted(house.browser(), **house.bearer, **headers) == "owner"
    else:
        assert denied(house.browser(), **house.bearer, **headers) == (status, code)
        assert house.door.refused[code] == 3


def test_a_refusal_is_json_for_a_program_and_a_page_for_a_person(house: House) -> None:
    browser = house.browser()
    told = browser.get("/who").json()
    assert told["code"] == "unauthorized"
    assert set(told) == {"code", "message", "hint"}
    page = browser.get("/who", headers={"Accept": "text/html,*/*", "Host": "<script>alert(1)</script>"})
    assert page.status_code == 421
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_a_refusal_says_how_to_authenticate(house: House) -> None:
    answer = house.browser().get("/who")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["cache-control"] == "no-store"


def test_every_answer_is_hardened_unless_the_app_says_otherwise(house: House) -> None:
    plain = house.browser().get("/who").headers
    assert plain["x-content-type-options"] == "nosniff"
    assert plain["x-frame-options"] == "DENY"
    assert plain["cross-origin-resource-policy"] == "same-origin"
    assert plain["referrer-policy"] == "same-origin"
    chosen = house.browser().get("/own-headers").headers
    assert chosen.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert chosen.get_list("referrer-policy") == ["origin"]


async def test_a_server_that_cannot_answer_a_handshake_closes_it(house: House) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "websocket", "scheme": "ws", "server": ("127.0.0.1", 4820), "headers": [(b"host", b"evil")]}
    await house.app(scope, receive, send)
    assert [event["type"] for event in sent] == ["websocket.close"]


async def test_lifespan_passes(house: House) -> None:
    with house.browser():
        pass


# Who is asking


def test_a_bearer_token_is_read_whatever_the_case_of_its_scheme(house: House) -> None:
    for kind in ("Bearer", "bearer", "BEARER"):
        answer = house.browser().get("/who", headers={"Authorization": f"{kind} {house.token}"})
        assert answer.json()[:2] == ["owner", "token"]


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "{token}", "Token {token}"])
def test_another_authorization_is_not_a_token(house: House, shown: str) -> None:
    answer = house.browser().get("/who", headers={"Authorization": shown.format(token=house.token)})
    assert answer.status_code == 401
    assert "Bearer TOKEN" in answer.json()["hint"]


def test_two_authorizations_are_none(house: House) -> None:
    twice = [("Authorization", f"Bearer {house.token}"), ("Authorization", "Bearer other")]
    assert house.browser().get("/who", headers=twice).status_code == 401


@pytest.mark.parametrize("parameter", ["token", "access_token", "authorization", "Authorization"])
def test_a_token_in_the_url_is_not_read(house: House, parameter: str) -> None:
    assert house.browser().get("/who", params={parameter: house.token}).status_code == 401


def test_a_cookie_signs_in_to_look(house: House) -> None:
    assert house.signed_in().get("/who").json() == ["browser", "cookie", ["observe"]]


def test_a_bearer_token_wins_over_the_cookie_also_when_it_is_wrong(house: House) -> None:
    browser = house.signed_in()
    assert browser.get("/who", headers=house.bearer).json()[0] == "owner"
    assert browser.get("/who", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:4820"}, 200),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Referer": "http://127.0.0.1:4820/"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_change_by_cookie_must_come_from_the_hubs_own_page(
    house: House, method: str, headers: dict[str, str], status: int
) -> None:
    assert house.signed_in().request(method, "/who", headers=headers).status_code == status
    assert house.browser().request(method, "/who", headers=house.bearer).status_code == 200


def test_a_websocket_by_cookie_must_come_from_the_hubs_own_page(house: House) -> None:
    browser = house.signed_in()
    assert denied(browser) == (403, "origin_refused")
    assert denied(browser, Origin="http://localhost:3000") == (403, "origin_refused")
    assert admitted(browser, Origin="http://127.0.0.1:4820") == "browser"


def test_somebody_without_anything_is_told_what_fits(house: House) -> None:
    assert "Bearer" in house.browser().get("/who").json()["hint"]
    assert "hubbub open" in house.browser().get("/who", headers={"Accept": "text/html"}).text
    assert denied(house.browser()) == (401, "unauthorized")


# Wrong tokens


@pytest.mark.parametrize(
    ("address", "burst", "rate"),
    [
        ("127.0.0.1", LOCAL[1], LOCAL[0]),
        ("::1", LOCAL[1], LOCAL[0]),
        ("::ffff:127.0.0.1", LOCAL[1], LOCAL[0]),
        ("192.168.1.5", REMOTE[1], REMOTE[0]),
        ("2001:db8::1", REMOTE[1], REMOTE[0]),
    ],
)
def test_wrong_tokens_are_counted_and_slowed_down(house: House, address: str, burst: float, rate: float) -> None:
    browser = house.browser(address=address)
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(int(burst)):
        assert browser.get("/who", headers=wrong).status_code == 401
    answer = browser.get("/who", headers=wrong)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert house.door.refused == {"unauthorized": burst, "rate_limited": 1}
    house.clock.now += 1 / rate
    assert browser.get("/who", headers=wrong).status_code == 401


def test_wrong_tokens_do_not_shut_out_a_right_one_from_the_same_address(house: House) -> None:
    browser = house.browser(address="192.168.1.5")
    for _ in range(50):
        browser.get("/who", headers={"Authorization": "Bearer wrong"})
    assert browser.get("/who", headers=house.bearer).status_code == 200


def test_no_token_is_not_a_wrong_one(house: House) -> None:
    browser = house.browser(address="192.168.1.5")
    for _ in range(50):
        assert browser.get("/who").status_code == 401


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("192.168.1.5", "192.168.1.6", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.168.1.5", "192.168.1.5", True),
    ],
)
def test_whose_wrong_tokens_count_together(house: House, first: str, second: str, shared: bool) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(int(REMOTE[1])):
        house.browser(address=first).get("/who", headers=wrong)
    status = house.browser(address=second).get("/who", headers=wrong).status_code
    assert status == (429 if shared else 401)


# Links


def test_a_link_signs_in_once(house: House) -> None:
    code = house.links.make(NOW)
    first, second = house.browser(), house.browser()
    assert first.get("/open", params={"code": code}).status_code == 200
    assert first.get("/who").status_code == 200
    answer = second.get("/open", params={"code": code})
    assert answer.status_code == 401
    assert "hubbub open" in answer.text
    assert "set-cookie" not in answer.headers
    assert second.get("/who").status_code == 401


def test_the_page_behind_a_link_goes_on_to_the_dashboard_without_script(house: House) -> None:
    answer = house.browser().get("/open", params={"code": house.links.make(NOW)})
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
    assert '<a href="/">' in answer.text
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("method", "headers"),
    [("HEAD", {}), ("GET", {"Sec-Purpose": "prefetch"}), ("GET", {"Sec-Purpose": "prefetch;prerender"})],
)
def test_a_look_ahead_does_not_use_a_link_up(house: House, method: str, headers: dict[str, str]) -> None:
    code = house.links.make(NOW)
    answer = house.browser().request(method, "/open", params={"code": code}, headers=headers)
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers
    assert house.browser().get("/open", params={"code": code}).status_code == 200


@pytest.mark.parametrize("query", ["", "code=", "code=wrong", "code=%ff", "code=a&code=b"])
def test_a_wrong_link_is_refused_and_counted(house: House, query: str) -> None:
    browser = house.browser(address="192.168.1.5")
    for _ in range(int(REMOTE[1])):
        assert browser.get(f"/open?{query}").status_code == 401
    assert browser.get(f"/open?{query}").status_code == 429
    assert house.door.refused["unauthorized"] == REMOTE[1] + 1


@pytest.mark.parametrize(("after", "good"), [(0, True), (LIFETIME - 0.1, True), (LIFETIME, False), (1e9, False)])
def test_a_link_is_good_for_ten_minutes(after: float, good: bool) -> None:
    links = Links()
    code = links.make(NOW)
    if good:
        links.redeem(code, NOW + after)
    else:
        with pytest.raises(Unauthorized, match="10 minutes"):
            links.redeem(code, NOW + after)


def test_of_many_who_come_at_once_one_gets_in() -> None:
    links = Links()
    for _ in range(20):
        code = links.make(NOW)
        start = threading.Barrier(8)

        def gets_in(code: str = code, start: threading.Barrier = start) -> bool:
            start.wait(5)
            try:
                links.redeem(code, NOW)
            except Unauthorized:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert [each.result() for each in [pool.submit(gets_in) for _ in range(8)]].count(True) == 1


def test_links_are_few_and_the_oldest_makes_room() -> None:
    links = Links()
    codes = [links.make(NOW) for _ in range(MOST + 1)]
    with pytest.raises(Unauthorized):
        links.redeem(codes[0], NOW)
    for code in codes[1:]:
        links.redeem(code, NOW)


def test_codes_are_long_and_never_the_same() -> None:
    links = Links()
    codes = {links.make(NOW) for _ in range(1000)}
    assert len(codes) == 1000
    assert all(len(code) == 43 for code in codes), "256 bits in base64"


# Cookies


def cookie(browser: TestClient) -> tuple[str, str]:
    ((name, value),) = browser.cookies.items()
    return name, value


def test_a_cookie_is_for_the_browser_alone_and_this_hub_alone(house: House) -> None:
    for url, more in (("http://127.0.0.1:4820", ""), ("https://127.0.0.1:4820", "; Secure")):
        answer = house.browser(url).get("/open", params={"code": house.links.make(NOW)})
        name_and_value, _, attributes = answer.headers["set-cookie"].partition("; ")
        assert name_and_value.startswith("hubbub_session_4820=")
        assert attributes == f"Max-Age={MAX_AGE}; Path=/; HttpOnly; SameSite=Strict{more}"


def test_a_cookie_holds_for_thirty_days(house: House) -> None:
    browser = house.signed_in()
    house.clock.now = NOW + MAX_AGE
    assert browser.get("/who").status_code == 200
    house.clock.now = NOW + MAX_AGE + 1
    answer = browser.get("/who", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "hubbub open" in answer.text


def flip(value: str, place: int) -> str:
    return value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda v: flip(v, 0), id="its text"),
        pytest.param(lambda v: flip(v, v.index(".") + 2), id="its time"),
        pytest.param(lambda v: flip(v, len(v) - 9), id="its signature"),
        pytest.param(lambda v: v[:-1], id="cut short"),
        pytest.param(lambda v: v.rsplit(".", 1)[0], id="no signature"),
        pytest.param(lambda v: "", id="empty"),
        pytest.param(lambda v: "..", id="dots"),
        pytest.param(lambda v: "\xff\xfe", id="not ASCII"),
        pytest.param(lambda v: "x" * 5000, id="long"),
    ],
)
def test_a_tampered_cookie_does_not_hold(house: House, change: Callable[[str], str]) -> None:
    name, value = cookie(house.signed_in())
    raw = f"{name}={change(value)}".encode("latin-1")
    answer = house.browser().get("/who", headers=[(b"Cookie", raw)])
    assert answer.status_code == 401
    assert house.browser().get("/who", headers={"Cookie": f"{name}={value}"}).status_code == 200


def test_rotating_the_token_signs_every_browser_out(house: House) -> None:
    browser = house.signed_in()
    house.keyring.rotate(house.keyring.check(house.token, NOW))
    assert browser.get("/who").status_code == 401
    assert house.signed_in().get("/who").status_code == 200


def test_a_cookie_of_another_port_is_another_hubs(house: House) -> None:
    name, value = cookie(house.signed_in())
    other = house.browser("http://127.0.0.1:4821")
    assert other.get("/who", headers={"Cookie": f"{name}={value}"}).status_code == 401
    renamed = name.replace("4820", "4821")
    assert other.get("/who", headers={"Cookie": f"{renamed}={value}"}).status_code == 401


def test_two_hubs_in_one_browser_leave_each_other_alone(house: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    names = cookie(house.signed_in())[0], cookie(House(tmp_path / "other").signed_in("http://127.0.0.1:4821"))[0]
    assert names == ("hubbub_session_4820", "hubbub_session_4821")


def test_a_hub_with_another_token_does_not_know_the_cookie(house: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    name, value = cookie(house.signed_in())
    other = House(tmp_path / "other").browser()
    assert other.get("/who", headers={"Cookie": f"{name}={value}"}).status_code == 401


def test_a_cookie_of_the_same_name_put_before_it_does_no_harm(house: House) -> None:
    name, value = cookie(house.signed_in())
    both = f"{name}=junk; other=1; {name}={value}"
    assert house.browser().get("/who", headers={"Cookie": both}).status_code == 200


def test_signing_out_takes_the_cookie_away(house: House) -> None:
    browser = house.signed_in()
    answer = browser.post("/signout", headers={"Origin": "http://127.0.0.1:4820"})
    assert answer.status_code == 200
    assert not browser.cookies
    assert browser.get("/who").status_code == 401
    assert browser.get("/signout").status_code == 405


def test_no_other_page_signs_a_browser_out(house: House) -> None:
    browser = house.signed_in()
    assert browser.post("/signout", headers={"Origin": "http://127.0.0.1:9999"}).status_code == 403
    assert browser.get("/who").status_code == 200
