"""hubbub replay as a person types it: a process, a link that works once, and nothing left behind."""

from __future__ import annotations

import io
import json
import signal
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from hub.cli.move import _exported
from tests.hub.cli.test_cli_journey import LIMIT, said_by, start
from tests.hub.test_replay import HEADING, LINE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "few.jsonl"
    path.write_text(json.dumps(HEADING) + "\n" + json.dumps(LINE) + "\n")
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="a process there is sent no SIGINT alone")
def test_a_file_is_shown_until_it_is_stopped_and_nothing_is_left(
    home: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    before = sorted(home.rglob("*"))
    process = start("replay", str(file), "--print")
    assert process.stdout is not None
    link = process.stdout.readline().strip()
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
    )
    with browser.open(link, timeout=LIMIT):
        pass
    with browser.open(link.split("/open")[0] + "/", timeout=LIMIT) as page:
        assert "This is a replay of few.jsonl" in page.read().decode()
    assert list(temporary.iterdir())
    process.send_signal(signal.SIGINT)
    code, _, _ = said_by(process)
    assert code == 0
    assert list(temporary.iterdir()) == []
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(("name", "code", "said"), [("none.jsonl", 6, "is not there"), ("broken.jsonl", 2, "Line 2")])
def test_what_cannot_be_shown_is_said_in_a_sentence(
    home: Path, tmp_path: Path, name: str, code: int, said: str
) -> None:
    (tmp_path / "broken.jsonl").write_text(json.dumps(HEADING) + "\n{")
    ended, out, err = said_by(start("replay", str(tmp_path / name), "--print"))
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_an_import_passes_over_what_the_hub_told() -> None:
    notes: list[dict[str, Any]] = [{"hubbub": "fact", **LINE}, {"hubbub": "trail", "offset": 3}]
    text = "".join(json.dumps(each) + "\n" for each in [notes[0], LINE, notes[1]])
    assert [item["id"] for item, _ in _exported(io.StringIO(text), Path("x"))] == [LINE["id"]]
