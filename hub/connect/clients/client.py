"""What one client is to `hubbub connect`: a name, files, and what belongs into each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from hub.connect.edit import Edit, Form
from hub.connect.entry import Wish

Edits: TypeAlias = Callable[[dict[str, Any], Wish], list[Edit]]


class Place(NamedTuple):
    """Whose configuration, and where: the environment, the home folder, and `sys.platform`."""

    environ: Mapping[str, str]
    home: Path
    platform: str

    def folder(self, variable: str, *default: str) -> Path:
        """The folder that a variable names, or one below the home folder."""
        named = self.environ.get(variable)
        return Path(named).expanduser() if named else self.home.joinpath(*default)


class File(NamedTuple):
    """One file of a client: its form, what belongs into it, and where our server, hooks and permissions stand."""

    path: Path
    form: Form
    edits: Edits
    servers: tuple[tuple[str, ...], ...] = ()
    hooks: tuple[str, ...] | None = None
    allowed: tuple[str, ...] | None = None


class Client(NamedTuple):
    """One client. `files` says where its files are; `folder`, which folder tells that it is in use here."""

    name: str
    title: str
    programs: tuple[str, ...]
    folder: Callable[[Place], Path]
    files: Callable[[Place], list[File]]
    next: str  # what to do once its files are written
    can_allow: bool = False  # whether --allow changes anything
