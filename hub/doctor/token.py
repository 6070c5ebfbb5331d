"""The owner's token: its file, and what the environment says instead."""

from __future__ import annotations

import os

from hub.config import Settings
from hub.doctor.finding import Finding, Mend, broken, note, ok, warning
from hub.errors import HubbubError
from hub.paths import read_token


def examine(settings: Settings) -> Finding:
    """One finding. Whether the running hub takes the token is `running`'s."""
    path = settings.paths.token_file
    try:
        token = read_token(path)
    except HubbubError as why:
        return broken("token", "token_unreadable", why.message, why.hint or f"ls -l {path}")
    if token is None:
        return note("token", "token_missing", f"{path} is not there yet; the first start makes it")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return warning(
            "token",
            "token_readable",
            f"others on this machine can read {path}",
            f"chmod 600 {path}",
            Mend(f"chmod 600 {path}", lambda: path.chmod(0o600)),
        )
    if settings.token and settings.token != token:
        where = settings.source("token")
        undo = "unset HUBBUB_TOKEN" if where.kind == "environment" else "hubbub config show"
        return warning("token", "token_differs", f"{where} sets another token than {path} has", undo)
    return ok("token", f"{path} has the owner's token, for your eyes only")
