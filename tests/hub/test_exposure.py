from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hub.errors import BadValue
from hub.exposure import check_exposure, check_tls

CERT, KEY = Path("hub.pem"), Path("hub.key")


@pytest.mark.parametrize(
    ("host", "tls", "insecure", "mode"),
    [
        ("127.0.0.1", False, False, "local"),
        ("127.8.9.10", False, False, "local"),
        ("localhost", False, False, "local"),
        ("LocalHost", False, False, "local"),
        ("::1", False, False, "local"),
        ("[::1]", False, False, "local"),
        ("127.0.0.1", False, True, "local"),
        ("127.0.0.1", True, False, "tls"),
        ("0.0.0.0", True, False, "tls"),
        ("hub.lan", True, True, "tls"),
        ("0.0.0.0", False, True, "insecure"),
        ("::", False, True, "insecure"),
        ("192.168.1.5", False, True, "insecure"),
        ("0.0.0.0", False, False, None),
        ("::", False, False, None),
        ("", False, False, None),
        ("192.168.1.5", False, False, None),
        ("10.0.0.1", False, False, None),
        ("fe80::1", False, False, None),
        ("localhost.example.com", False, False, None),
        ("127.0.0.1.example.com", False, False, None),
        ("127.1", False, False, None),
        ("hub.lan", False, False, None),
    ],
)
def test_beyond_loopback_only_with_tls_or_by_explicit_wish(
    host: str, tls: bool, insecure: bool, mode: str | None
) -> None:
    cert, key = (CERT, KEY) if tls else (None, None)
    if mode is not None:
        assert check_exposure(host, cert, key, insecure) == mode
        return
    with pytest.raises(BadValue) as why:
        check_exposure(host, cert, key, insecure)
    assert "--tls-cert" in str(why.value)
    assert "--insecure" in str(why.value)


@pytest.mark.parametrize(("cert", "key", "lacks"), [(CERT, None, "tls_key"), (None, KEY, "tls_cert")])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("insecure", [False, True])
def test_half_a_certificate_is_none(host: str, cert: Path | None, key: Path | None, lacks: str, insecure: bool) -> None:
    with pytest.raises(BadValue, match=f"{lacks} is not"):
        check_exposure(host, cert, key, insecure)


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"tls_cert cannot be read: .*hub\.pem"):
        check_tls(tmp_path / "hub.pem", tmp_path / "hub.key")


def test_what_is_no_certificate_is_said_to_be_none(tmp_path: Path) -> None:
    for name in ("hub.pem", "hub.key"):
        (tmp_path / name).write_text("not in PEM\n")
    with pytest.raises(BadValue, match="do not make a certificate"):
        check_tls(tmp_path / "hub.pem", tmp_path / "hub.key")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command to make certificates")
def test_a_certificate_and_its_key_pass_and_anothers_key_or_a_locked_one_does_not(tmp_path: Path) -> None:
    def make(name: str, *more: str) -> tuple[Path, Path]:
        cert, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=hub.lan"]
        subprocess.run([*request, "-out", cert, "-keyout", key, *more], check=True, capture_output=True)
        return cert, key

    cert, key = make("a", "-nodes")
    _, other = make("b", "-nodes")
    locked = make("c", "-passout", "pass:secret")
    check_tls(cert, key)
    with pytest.raises(BadValue, match="do not make a certificate"):
        check_tls(cert, other)
    with pytest.raises(BadValue, match="passphrase"):
        check_tls(*locked)
