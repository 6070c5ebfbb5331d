"""Who can reach the hub: nobody but this machine, or others too, and then only by TLS or by explicit wish."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal, TypeAlias

from hub.config import is_loopback
from hub.errors import BadValue

Mode: TypeAlias = Literal["local", "tls", "insecure", "replay"]


def check_exposure(host: str, tls_cert: Path | None, tls_key: Path | None, insecure: bool) -> Mode:
    """How the hub is exposed: "tls" wherever it has a certificate, otherwise "local" on loopback, otherwise "insecure".

    `host` is the address to listen on. Raises BadValue for half of a certificate, and for any address but loopback
    with neither TLS nor `insecure`: tokens and messages would cross the network in the clear by accident.
    """
    if (tls_cert is None) != (tls_key is None):
        have, lack = ("tls_cert", "tls_key") if tls_cert else ("tls_key", "tls_cert")
        raise BadValue(f"{have} is set and {lack} is not.", "TLS needs both.")
    if tls_cert is not None:
        return "tls"
    if is_loopback(host):
        return "local"
    if insecure:
        return "insecure"
    raise BadValue(
        f"Others can reach the address {host or 'of every interface'}, and tokens and messages would cross the network "
        "readable by all.",
        "Give --tls-cert and --tls-key, or --insecure if every machine on that network is yours.",
    )


def check_tls(tls_cert: Path, tls_key: Path) -> None:
    """Load a certificate chain and its key, to say what is wrong with them before a server trips over it.

    Raises BadValue.
    """
    for key, path in (("tls_cert", tls_cert), ("tls_key", tls_key)):
        try:
            path.read_bytes()
        except OSError as why:
            raise BadValue(f"{key} cannot be read: {path}: {why.strerror or why}.", "It is a file in PEM.") from None
    try:
        # A password callback, so that an encrypted key is an error and not a question at the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls_cert, tls_key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError) as why:
        reason = getattr(why, "reason", None) or why
        raise BadValue(
            f"tls_cert {tls_cert} and tls_key {tls_key} do not make a certificate: {reason}.",
            "Both are PEM; the key is that of the first certificate in the chain, and has no passphrase.",
        ) from None
