"""Where everything of one hub lives: the folder `HUBBUB_HOME`, and what is in it.

HUBBUB_HOME/            0700
  token                 0600  the owner's token, one line
  hubbub.db             0600  the log (in `data_dir` where that is another folder)
  attachments/          0700  the files that messages carry (beside hubbub.db)
  files/                0700  those that agents here were sent, a folder for each
  long-messages/        0700  what was too long for a reply of the old protocol
  hub.json              0600  which hub runs; only while one does
  config.toml                 settings, if you write one
  hub.lock, start.lock        held by the running hub, and while one is being started
  logs/hub.log          0600  and five older ones
  logs/start.log        0600  what the process said before its log was open
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hub.errors import Unauthorized, Unavailable

TOKEN_PREFIX = "hub_"  # noqa: S105 - so that a token is known for one where it turns up in a text
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of one hub. `data_dir` is `home` unless a setting says otherwise."""

    home: Path
    data_dir: Path

    @property
    def token_file(self) -> Path:
        return self.home / "token"

    @property
    def database(self) -> Path:
        return self.data_dir / "hubbub.db"

    @property
    def attachments(self) -> Path:
        return self.data_dir / "attachments"

    @property
    def long_messages(self) -> Path:
        return self.home / "long-messages"

    @property
    def hub_json(self) -> Path:
        return self.home / "hub.json"

    @property
    def hub_lock(self) -> Path:
        return self.home / "hub.lock"

    @property
    def data_lock(self) -> Path:
        return self.data_dir / "hub.lock"

    @property
    def start_lock(self) -> Path:
        return self.home / "start.lock"

    @property
    def log_file(self) -> Path:
        return self.home / "logs" / "hub.log"

    @property
    def start_log(self) -> Path:
        return self.home / "logs" / "start.log"


def default_home() -> Path:
    """The folder of this user's data, as platformdirs has it."""
    if sys.platform == "linux" and "XDG_DATA_HOME" not in os.environ:
        return Path.home() / ".local" / "share" / "hubbub"  # its answer, without the time its import takes
    from platformdirs import user_data_path

    return user_data_path("hubbub", appauthor=False)


def make_private(folder: Path) -> None:
    """Make `folder` and its parents; itself mode 0700, also if it was there with a wider one.

    Raises Unavailable where the system does not let us.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32" and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as why:
        raise Unavailable(
            f"The folder {folder} cannot be used: {why.strerror or why}.",
            "Set HUBBUB_HOME to a folder that is yours.",
        ) from None


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path` in one step, mode 0600: a reader sees the old file or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _create(draft, text)
        _replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def new_token() -> str:
    """A fresh token: `hub_` and 32 random bytes in URL-safe base64."""
    from secrets import token_urlsafe

    return TOKEN_PREFIX + token_urlsafe(TOKEN_BYTES)


def read_token(token_file: Path) -> str | None:
    """The token in a file, or None where there is no file. Raises Unauthorized for a file that holds none."""
    try:
        text = token_file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as why:
        raise Unauthorized(f"The token file {token_file} cannot be read: {why}.", "hubbub doctor says more.") from None
    token = text.strip()
    if not token or len(token.split()) != 1:
        raise Unauthorized(
            f"The token file {token_file} does not hold one line with a token.",
            "Remove it and run hubbub stop, then hubbub start: a new one is made.",
        )
    return token


def ensure_token(token_file: Path) -> str:
    """The token in a file, made first if there is none; whoever comes second takes what the first made."""
    if token := read_token(token_file):
        return token
    make_private(token_file.parent)
    draft = token_file.with_name(f".token.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _create(draft, new_token() + "\n")
        _place(draft, token_file)
    finally:
        draft.unlink(missing_ok=True)
    token = read_token(token_file)
    if token is None:
        raise Unauthorized(f"The token file {token_file} vanished while it was made.", "Try again.")
    return token


def _create(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _place(draft: Path, path: Path) -> None:
    """Give `draft` its name unless that is taken: atomic, and never over another file."""
    try:
        if sys.platform == "win32":
            draft.rename(path)  # refuses an existing name there, as a link does elsewhere
        else:
            path.hardlink_to(draft)
    except FileExistsError:
        return
    except OSError:  # a file system without links: two starters in the same instant could differ there
        if not path.exists():
            draft.replace(path)


def _replace(draft: Path, path: Path) -> None:
    for attempt in range(20):
        try:
            draft.replace(path)
        except PermissionError:
            # Windows refuses while a reader has the file open, which readers do for a moment only.
            if os.name != "nt" or attempt == 19:
                raise
            time.sleep(0.05)
        else:
            return
