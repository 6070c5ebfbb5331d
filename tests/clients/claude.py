"""Real Claude Code in a throw-away home, in a terminal of its own or headless."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import Any

KEY = "sk-ant-api03-a-key-that-no-account-has-0123456789abcdef"
ROWS, COLUMNS = 40, 120


class Home:
    """Claude Code's settings for one test: onboarded, `project` trusted, our server and hooks configured."""

    def __init__(self, folder: Path, claude: Path, api: str, environ: dict[str, str]) -> None:
        self.claude = claude
        self.folder = folder
        self.project = folder / "shop"
        self.project.mkdir(parents=True)
        self.settings: dict[str, Any] = {}
        self.servers: dict[str, Any] = {}
        self.environ = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("CLAUDE", "ANTHROPIC", "HUBBUB", "TMUX", "TERM"))
        }
        self.environ |= {
            "HOME": str(folder),
            "CLAUDE_CONFIG_DIR": str(folder / ".claude"),
            "ANTHROPIC_BASE_URL": api,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "TERM": "xterm-256color",
            **environ,
        }

    def write(self) -> None:
        """Put the settings where Claude Code reads them."""
        config = self.folder / ".claude"
        config.mkdir(exist_ok=True)
        about = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
            "mcpServers": self.servers,
            "bypassPermissionsModeAccepted": True,
            "officialMarketplaceAutoInstallAttempted": True,
        }
        (config / ".claude.json").write_text(json.dumps(about))
        (config / "settings.json").write_text(json.dumps(self.settings))

    def headless(self, prompt: str, *flags: str, limit: float = 120) -> str:
        """`claude -p`: what it printed."""
        self.write()
        done = subprocess.run(
            [self.claude, "-p", prompt, *flags],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Session:
    """An interactive session in a pseudo terminal: what it shows is drained and kept in `screen`."""

    def __init__(self, home: Home, *flags: str) -> None:
        home.write()
        self.screen = b""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(home.project)
            os.environ.clear()
            os.environ.update(home.environ, LINES=str(ROWS), COLUMNS=str(COLUMNS))
            os.execv(home.claude, [str(home.claude), *flags])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while True:
            try:
                self.screen += os.read(self._terminal, 65_536)
            except OSError:
                return

    def type(self, text: str) -> None:
        """What a person types, and Enter: in two writes, or it would count as pasted."""
        os.write(self._terminal, text.encode())
        time.sleep(0.5)
        os.write(self._terminal, b"\r")

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)
