"""Who holds a TCP port: an error that names the program saves a search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

LISTENING = "0A"  # the state in Linux's /proc/net/tcp (include/net/tcp_states.h)


def port_holder(port: int) -> str | None:
    """The program that listens on `port` of this machine, as "python3 (pid 123)"; None if that cannot be told."""
    ask = {"linux": linux, "win32": _windows}.get(sys.platform, _lsof)
    try:
        return ask(port)
    except OSError:
        return None


def linux(port: int, proc: Path = Path("/proc")) -> str | None:
    """The same, by the tables that Linux keeps in `proc`."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    if not sockets:
        return None
    for process in proc.iterdir():
        if process.name.isdigit() and sockets & set(_open_files(process)):
            return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return "another user's process"


def _listening(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield rest[5]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                yield str(descriptor.readlink())
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return  # another user's, or gone


def _lsof(port: int) -> str | None:
    fields = dict.fromkeys("pc", "")
    for line in _run("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc").splitlines():
        if line[:1] in fields and not fields[line[0]]:
            fields[line[0]] = line[1:]
    return f"{fields['c']} (pid {fields['p']})" if fields["p"] else None


def _windows(port: int) -> str | None:
    for line in _run("netstat", "-ano", "-p", "TCP").splitlines():
        words = line.split()
        if len(words) == 5 and words[1].endswith(f":{port}") and words[2].endswith(":0"):
            task = _run("tasklist", "/FI", f"PID eq {words[4]}", "/FO", "CSV", "/NH").partition(",")[0].strip('"')
            return f"{task} (pid {words[4]})"
    return None


def _run(*command: str) -> str:
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except subprocess.TimeoutExpired:
        return ""
