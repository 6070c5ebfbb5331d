"""The two minutes of the README, typed as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.processes import environment, hub_process

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="the README speaks to a POSIX shell")
def test_the_tour_works_as_it_stands(tmp_path: Path) -> None:
    tour = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    folder = Path(sys.executable).parent
    tour = tour.replace('"$PWD/.venv/bin:$PATH"', f'"{folder}:$PATH"')
    assert str(folder) in tour, "the tour says where the command is"
    with hub_process(tmp_path) as hub:
        done = subprocess.run(
            ["sh", "-euc", tour],
            env={**environment(hub.home), "PATH": os.environ["PATH"]},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    for expected in ("emil joins", "alice: accepted", "bob", "the build is green", "no answer yet"):
        assert expected in said
    assert "Traceback" not in said
