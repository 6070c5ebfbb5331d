from __future__ import annotations

from typing import Any

import pytest

from hub.errors import BadRequest, BadValue, HostRefused, HubbubError, OriginRefused
from hub.origins import Own, authority, port_seen

Headers = dict[str, str] | list[tuple[str, str]]


def request(
    headers: Headers,
    *,
    kind: str = "http",
    method: str = "GET",
    scheme: str | None = None,
    server: tuple[str, int | None] | None = ("127.0.0.1", 4820),
) -> dict[str, Any]:
    pairs = headers.items() if isinstance(headers, dict) else headers
    scope: dict[str, Any] = {
        "type": kind,
        "scheme": scheme or {"http": "http", "websocket": "ws"}[kind],
        "server": server,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
    }
    return scope | ({"method": method} if kind == "http" else {})


def refused(own: Own, scope: dict[str, Any]) -> type[HubbubError] | None:
    try:
        own.check(scope)
    except HubbubError as why:
        return type(why)
    return None


HOSTS = [
    ("127.0.0.1:4820", None),
    ("localhost:4820", None),
    ("LOCALHOST:4820", None),
    ("localhost.:4820", None),
    ("[::1]:4820", None),
    ("[0:0:0:0:0:0:0:1]:4820", None),
    # another port, or none, which is port 80
    ("127.0.0.1", HostRefused),
    ("localhost", HostRefused),
    ("[::1]", HostRefused),
    ("127.0.0.1:80", HostRefused),
    ("127.0.0.1:4821", HostRefused),
    ("127.0.0.1:04820", None),
    ("127.0.0.1:48200", HostRefused),
    ("127.0.0.1:0", HostRefused),
    ("127.0.0.1:70356", HostRefused),  # 4820 + 65536
    ("127.0.0.1:", HostRefused),
    ("127.0.0.1:x", HostRefused),
    ("127.0.0.1:4820:4820", HostRefused),
    ("127.0.0.1: 4820", HostRefused),
    ("127.0.0.1:٤٨٢٠".encode().decode("latin-1"), HostRefused),
    # names that a page can make point here
    ("evil.example:4820", HostRefused),
    ("localhost.evil.example:4820", HostRefused),
    ("127.0.0.1.evil.example:4820", HostRefused),
    ("evil.localhost:4820", HostRefused),
    ("notlocalhost:4820", HostRefused),
    ("localhost..:4820", HostRefused),
    (".localhost:4820", HostRefused),
    # tricks of spelling
    ("localhost@evil.example:4820", HostRefused),
    ("evil.example@localhost:4820", HostRefused),
    ("user:pass@127.0.0.1:4820", HostRefused),
    ("http://127.0.0.1:4820", HostRefused),
    ("127.0.0.1:4820/", HostRefused),
    ("127.0.0.1:4820#", HostRefused),
    ("127.0.0.1:4820,evil.example", HostRefused),
    ("127.0.0.1:4820 evil.example", HostRefused),
    ("127.0.0.1%00.evil.example:4820", HostRefused),
    ("127.0.0.1\x00:4820", HostRefused),
    ("*:4820", HostRefused),
    ("", HostRefused),
    # other spellings of loopback: no browser sends them, so nobody needs them
    ("127.1:4820", HostRefused),
    ("0x7f.0.0.1:4820", HostRefused),
    ("2130706433:4820", HostRefused),
    ("127.0.0.01:4820", HostRefused),
    ("127.0.0.2:4820", HostRefused),
    ("0.0.0.0:4820", HostRefused),
    ("[::]:4820", HostRefused),
    ("[::ffff:127.0.0.1]:4820", HostRefused),
    ("[::1%25lo]:4820", HostRefused),
    ("[::1:4820", HostRefused),
    ("::1:4820", HostRefused),
    ("[127.0.0.1]:4820", HostRefused),
    ("192.168.1.5:4820", HostRefused),
]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(("host", "error"), HOSTS)
def test_hosts_of_a_hub_on_loopback(kind: str, host: str, error: type[HubbubError] | None) -> None:
    assert refused(Own("127.0.0.1"), request({"Host": host}, kind=kind)) is error


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "127.0.0.1:4820"), ("Host", "evil.example")],
        [("Host", "evil.example"), ("Host", "127.0.0.1:4820")],
        [("Host", "127.0.0.1:4820"), ("Host", "127.0.0.1:4820")],
        [("X-Forwarded-Host", "127.0.0.1:4820")],
    ],
)
def test_a_request_without_one_host_is_no_request(kind: str, headers: Headers) -> None:
    assert refused(Own("127.0.0.1"), request(headers, kind=kind)) is BadRequest


@pytest.mark.parametrize(
    ("listens", "server", "scheme", "allowed", "host", "error"),
    [
        pytest.param("0.0.0.0", ("192.168.1.5", 4820), "http", [], "192.168.1.5:4820", None, id="the address reached"),
        pytest.param("0.0.0.0", ("192.168.1.5", 4820), "http", [], "192.168.1.6:4820", HostRefused, id="not another"),
        pytest.param("0.0.0.0", ("192.168.1.5", 4820), "http", [], "0.0.0.0:4820", HostRefused, id="not the wildcard"),
        pytest.param("::", ("::ffff:192.168.1.5", 4820), "http", [], "192.168.1.5:4820", None, id="mapped"),
        pytest.param("::", ("fe80::1%eth0", 4820), "http", [], "[fe80::1]:4820", None, id="with a zone"),
        pytest.param("::", ("2001:db8::5", 4820), "http", [], "[2001:DB8:0::5]:4820", None, id="another spelling"),
        pytest.param("hub.lan", ("10.0.0.9", 4820), "http", [], "hub.lan:4820", None, id="the name it listens on"),
        pytest.param("Hub.Lan", ("10.0.0.9", 4820), "http", [], "hub.lan.:4820", None, id="in any case"),
        pytest.param("127.0.0.1", ("127.0.0.1", 80), "http", [], "localhost", None, id="port 80 goes without saying"),
        pytest.param("127.0.0.1", ("127.0.0.1", 443), "https", [], "localhost", None, id="port 443 under TLS"),
        pytest.param("127.0.0.1", ("127.0.0.1", 443), "http", [], "localhost", HostRefused, id="but not without"),
        pytest.param("127.0.0.1", None, "http", [], "127.0.0.1:4820", HostRefused, id="no port is known"),
        pytest.param(
            "127.0.0.1", ("/run/hub.sock", None), "http", [], "127.0.0.1:4820", HostRefused, id="a Unix socket"
        ),
        pytest.param("127.0.0.1", ("/run/hub.sock", None), "http", ["hub"], "hub", None, id="a Unix socket, allowed"),
        pytest.param("127.0.0.1", ("127.0.0.1", 4820), "http", ["hub.lan"], "hub.lan", None, id="allowed, any port"),
        pytest.param("127.0.0.1", ("127.0.0.1", 4820), "http", ["hub.lan"], "HUB.lan.:9", None, id="allowed, another"),
        pytest.param("127.0.0.1", ("127.0.0.1", 4820), "http", ["hub.lan:9"], "hub.lan:9", None, id="allowed port"),
        pytest.param("127.0.0.1", ("127.0.0.1", 4820), "http", ["hub.lan:9"], "hub.lan", HostRefused, id="other port"),
        pytest.param(
            "127.0.0.1", ("127.0.0.1", 4820), "http", ["hub.lan"], "a.hub.lan", HostRefused, id="not below it"
        ),
        pytest.param("127.0.0.1", ("127.0.0.1", 4820), "http", ["[fd00::1]"], "[fd00::1]:7", None, id="an address"),
        pytest.param("127.0.0.1", ("172.17.0.2", 4820), "http", [], "172.17.0.2:4820", None, id="a container's own"),
        pytest.param(
            "127.0.0.1", ("172.17.0.2", 4820), "http", ["localhost:8080"], "localhost:8080", None, id="mapped port"
        ),
    ],
)
def test_hosts_of_other_hubs(
    listens: str,
    server: Any,
    scheme: str,
    allowed: list[str],
    host: str,
    error: type[HubbubError] | None,
) -> None:
    assert refused(Own(listens, allowed), request({"Host": host}, scheme=scheme, server=server)) is error


OWN = {"Host": "127.0.0.1:4820"}
TO_PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

ORIGINS = [
    (None, None),
    ("http://127.0.0.1:4820", None),
    ("http://localhost:4820", None),
    ("http://[::1]:4820", None),
    ("HTTP://LOCALHOST:4820", None),
    ("null", OriginRefused),
    ("", OriginRefused),
    ("http://evil.example", OriginRefused),
    ("http://127.0.0.1", OriginRefused),
    ("http://127.0.0.1:3000", OriginRefused),
    ("http://localhost:3000", OriginRefused),
    ("https://127.0.0.1:4820", OriginRefused),
    ("ws://127.0.0.1:4820", OriginRefused),
    ("file://", OriginRefused),
    ("chrome-extension://abcdefgh", OriginRefused),
    ("http://127.0.0.1:4820.evil.example", OriginRefused),
    ("http://127.0.0.1:4820@evil.example", OriginRefused),
    ("http://evil.example@127.0.0.1:4820", OriginRefused),
    ("http://127.0.0.1:4820/", OriginRefused),
    ("http://127.0.0.1:4820/x", OriginRefused),
    ("http://127.0.0.1:4820 http://evil.example", OriginRefused),
    ("http://127.0.0.1:4820, http://evil.example", OriginRefused),
    ("http://127.0.0.1:4820\\@evil.example", OriginRefused),
    ("http:127.0.0.1:4820", OriginRefused),
    ("127.0.0.1:4820", OriginRefused),
]


@pytest.mark.parametrize(
    ("kind", "method"), [("websocket", ""), ("http", "GET"), ("http", "POST"), ("http", "OPTIONS")]
)
@pytest.mark.parametrize(("origin", "error"), ORIGINS)
def test_origins(kind: str, method: str, origin: str | None, error: type[HubbubError] | None) -> None:
    headers = OWN | ({"Origin": origin} if origin is not None else {})
    assert refused(Own("127.0.0.1"), request(headers, kind=kind, method=method)) is error


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_two_origins_are_none(kind: str) -> None:
    twice = [*OWN.items(), ("Origin", "http://127.0.0.1:4820"), ("Origin", "http://127.0.0.1:4820")]
    assert refused(Own("127.0.0.1"), request(twice, kind=kind)) is OriginRefused


@pytest.mark.parametrize(
    ("allowed", "origin", "error"),
    [
        ("https://hub.example.com", "https://hub.example.com", None),
        ("https://hub.example.com:443", "https://hub.example.com", None),
        ("https://hub.example.com", "https://HUB.example.com:443", None),
        ("https://hub.example.com", "http://hub.example.com", OriginRefused),
        ("https://hub.example.com", "https://hub.example.com:8443", OriginRefused),
        ("https://hub.example.com", "https://a.hub.example.com", OriginRefused),
        ("http://localhost:3000", "http://localhost:3000", None),
        ("http://localhost:3000", "http://localhost:3001", OriginRefused),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh", None),
        ("chrome-extension://abcdefgh", "chrome-extension://other", OriginRefused),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_allowed_origins(kind: str, allowed: str, origin: str, error: type[HubbubError] | None) -> None:
    assert refused(Own("127.0.0.1", [], [allowed]), request(OWN | {"Origin": origin}, kind=kind)) is error


def test_an_allowed_host_is_an_origin_of_its_own() -> None:
    own = Own("127.0.0.1", ["hub.lan"])
    there = {"Host": "hub.lan", "Origin": "http://hub.lan"}
    assert refused(own, request(there, kind="websocket")) is None
    assert refused(own, request(there | {"Origin": "https://hub.lan"}, kind="websocket")) is OriginRefused
    assert refused(own, request(there | {"Origin": "https://hub.lan"}, kind="websocket", scheme="wss")) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of"])
@pytest.mark.parametrize(
    ("more", "method", "error"),
    [
        pytest.param(TO_PAGE, "GET", None, id="a link"),
        pytest.param(TO_PAGE, "HEAD", None, id="a look at it"),
        pytest.param(TO_PAGE, "POST", OriginRefused, id="a form"),
        pytest.param(TO_PAGE | {"Sec-Fetch-Dest": "iframe"}, "GET", OriginRefused, id="a frame"),
        pytest.param({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, "GET", OriginRefused, id="an image"),
        pytest.param({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, "GET", OriginRefused, id="a script"),
        pytest.param({"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, "GET", OriginRefused, id="a fetch"),
        pytest.param({}, "GET", OriginRefused, id="nothing more is said"),
    ],
)
def test_other_sites_may_only_send_their_visitors(
    site: str, more: dict[str, str], method: str, error: type[HubbubError] | None
) -> None:
    headers = OWN | {"Sec-Fetch-Site": site} | more
    assert refused(Own("127.0.0.1"), request(headers, method=method)) is error
    foreign = headers | {"Origin": "http://evil.example"}
    assert refused(Own("127.0.0.1"), request(foreign, method=method)) is error


@pytest.mark.parametrize("site", ["same-origin", "none"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_its_own_page_or_its_user_asks_passes(site: str, method: str) -> None:
    assert refused(Own("127.0.0.1"), request(OWN | {"Sec-Fetch-Site": site}, method=method)) is None


@pytest.mark.parametrize(
    ("kind", "site", "error"),
    [
        ("http", "same-origin", None),
        ("http", "none", OriginRefused),
        ("http", "same-site", OriginRefused),
        ("http", "cross-site", OriginRefused),
        ("websocket", "same-origin", OriginRefused),
    ],
)
def test_a_form_that_hides_its_origin_is_the_hubs_own_only_if_the_browser_says_so(
    kind: str, site: str, error: type[HubbubError] | None
) -> None:
    headers = OWN | {"Origin": "null", "Sec-Fetch-Site": site}
    assert refused(Own("127.0.0.1"), request(headers, kind=kind, method="POST")) is error


def test_a_websocket_is_never_a_navigation() -> None:
    headers = OWN | TO_PAGE | {"Origin": "http://evil.example"}
    assert refused(Own("127.0.0.1"), request(headers, kind="websocket")) is OriginRefused


@pytest.mark.parametrize(
    "host", ["*", "", "http://hub.lan", "hub.lan/", "hub.lan:0", "hub.lan:99999", "::1", "a b", "*.lan"]
)
def test_an_allowed_host_that_is_no_host_is_refused_at_the_start(host: str) -> None:
    with pytest.raises(BadValue, match="allowed_hosts"):
        Own("127.0.0.1", [host])


@pytest.mark.parametrize(
    "origin", ["*", "null", "", "hub.lan", "http://", "https://hub.lan/", "https://u@hub.lan", "https://*.lan"]
)
def test_an_allowed_origin_that_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(BadValue, match="allowed_origins"):
        Own("127.0.0.1", [], [origin])


def test_a_refusal_names_the_setting_and_shows_control_characters() -> None:
    with pytest.raises(HostRefused) as why:
        Own("127.0.0.1").check(request({"Host": "evil\x1b[31m" + "x" * 500}))
    assert "allowed_hosts" in str(why.value)
    assert "\x1b" not in str(why.value)
    assert len(str(why.value)) < 300
    with pytest.raises(OriginRefused, match="allowed_origins"):
        Own("127.0.0.1").check(request(OWN | {"Origin": "http://evil.example"}))


@pytest.mark.parametrize(
    ("text", "scheme", "read"),
    [
        ("hub", "http", ("hub", 80)),
        ("hub", "https", ("hub", 443)),
        ("HUB.:1", "http", ("hub", 1)),
        ("[::0001]", "https", ("::1", 443)),
        ("hub:65535", "http", ("hub", 65535)),
        ("hub:65536", "http", None),
        ("[fe80::1%25eth0]", "http", None),
        ("[g::1]", "http", None),
        ("hub\n", "http", None),
    ],
)
def test_an_authority_is_read_in_one_way(text: str, scheme: str, read: tuple[str, int] | None) -> None:
    assert authority(text, scheme) == read


def test_the_port_that_a_browser_sees_is_its_own() -> None:
    assert port_seen(request({"Host": "localhost:8080"})) == 8080
    assert port_seen(request({"Host": "localhost"}, kind="websocket", scheme="wss")) == 443
    assert port_seen(request({"Host": "?"})) is None
    assert port_seen(request({})) is None
