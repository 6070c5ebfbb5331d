"""What the configuration of each agent's client says of Hubbub, as `hubbub connect` knows them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hub.config import Settings
from hub.connect import here
from hub.connect.clients import CLIENTS
from hub.connect.clients.client import Client, File, Place
from hub.connect.edit import ABSENT, Unfit, find
from hub.connect.entry import leftovers
from hub.connect.files import look
from hub.connect.plan import carry_out, connecting
from hub.connect.record import Record
from hub.doctor.finding import Finding, Mend, broken, note, ok, warning
from hub.errors import HubbubError

PLUGIN = "hubbub@"  # how Claude Code names a plugin of ours, with the marketplace behind it


def examine(settings: Settings) -> Iterator[Finding]:
    """One finding for each client that is in use here."""
    place = here.place()
    for client in CLIENTS.values():
        if here.is_here(client, place):
            yield _client(settings, client, place)


def _client(settings: Settings, client: Client, place: Place) -> Finding:
    check, command = f"client {client.name}", f"hubbub connect {client.name}"
    try:
        ours = [entry for file in client.files(place) for entry in _entries(file)]
        if not ours:
            if _by_plugin(client, place):
                return ok(check, f"{client.title} has Hubbub's plugin")
            return note(check, "client_not_connected", f"{client.title} is here, and knows nothing of Hubbub", command)
        # Which tools need no question is the user's to say: what they left out is no fault.
        changes = [each for each in connecting(client, place, here.wish(settings, "none")) if not each.is_none]
    except (HubbubError, Unfit) as why:
        said = f"the configuration of {client.title} cannot be read: {why}"
        return broken(check, "client_unreadable", said, f"hubbub connect {client.name} --dry-run")
    for entry in ours:
        if other := _other_hub(settings, entry):
            said = f"{client.title} is told of another hub ({other}): its agents do not see those of this one"
            return warning(check, "client_of_another_hub", said, command)
    if not changes:
        return ok(check, f"{client.title} is connected to this hub")
    mend = Mend(f"connected {client.title} anew", partial(_connect, settings, client, place))
    gone = [program for entry in ours if (program := _program(entry)) and shutil.which(program) is None]
    if gone:
        said = f"{client.title} starts {gone[0]}, which is not there any more"
        return broken(check, "client_command_gone", said, command, mend)
    where = ", ".join(str(each.found.path) for each in changes)
    said = f"what {where} says of Hubbub is of an earlier version or another installation"
    return warning(check, "client_entry_old", said, command, mend)


def _entries(file: File) -> list[Any]:
    """What of ours stands in a file: the server's entry, or what else there is. Raises HubbubError and Unfit."""
    document = file.form.read(look(file.path).text)
    return [find(document, path) for path in leftovers(document, file.servers, file.hooks)]


def _by_plugin(client: Client, place: Place) -> bool:
    for file in client.files(place):
        plugins = find(file.form.read(look(file.path).text), ("enabledPlugins",))
        if isinstance(plugins, dict) and any(on and name.startswith(PLUGIN) for name, on in plugins.items()):
            return True
    return False


def _program(entry: Any) -> str | None:
    """What an entry of a server starts; None for what is a hook, or looks otherwise."""
    command = entry.get("command") if isinstance(entry, dict) else None
    word = command[0] if isinstance(command, list) and command else command
    return word if isinstance(word, str) and "hooks" not in entry and " hook " not in word else None


def _other_hub(settings: Settings, entry: Any) -> str | None:
    """The hub that an entry names, where that is another than the one meant here."""
    environ = entry.get("env", entry.get("environment")) if isinstance(entry, dict) else ABSENT
    if not isinstance(environ, dict):
        return None
    url, home = environ.get("HUBBUB_URL"), environ.get("HUBBUB_HOME")
    if url and url != settings.url:
        return f"HUBBUB_URL={url}"
    if home and Path(str(home)).expanduser() != settings.home:
        return f"HUBBUB_HOME={home}"
    return None


def _connect(settings: Settings, client: Client, place: Place) -> None:
    changes = connecting(client, place, here.wish(settings, "none"))
    carry_out(changes, Record(settings.home, client.name).read())
