from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcp_client.delivery import transcript
from mcp_client.delivery.transcript import Seen

MARK = "4fa01c22"
# As Claude Code 2.1.330 writes them, shortened.
ENQUEUED = {"type": "queue-operation", "operation": "enqueue", "content": f"hello (Hubbub, {MARK})"}
DEQUEUED = {"type": "queue-operation", "operation": "dequeue"}
TURN = {"parentUuid": None, "type": "user", "message": {"role": "user", "content": f"hello (Hubbub, {MARK})"}}
ABSORBED = {"parentUuid": "1", "attachment": {"type": "queued_command", "prompt": f"hello (Hubbub, {MARK})"}}
OTHER = {"type": "user", "message": {"role": "user", "content": "what a person typed"}}


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        ([], Seen.UNKNOWN),
        ([OTHER, DEQUEUED], Seen.UNKNOWN),
        ([ENQUEUED], Seen.QUEUED),
        ([ENQUEUED, DEQUEUED, TURN], Seen.SHOWN),
        ([ENQUEUED, OTHER, ABSORBED], Seen.SHOWN),
    ],
)
def test_what_the_lines_say(tmp_path: Path, lines: list[dict[str, object]], seen: Seen) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in lines))
    assert transcript.look(path, MARK, 0) is seen


def test_only_what_was_written_since_counts(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(TURN) + "\n")
    assert transcript.look(path, MARK, transcript.size(path)) is Seen.UNKNOWN


def test_no_transcript_says_nothing(tmp_path: Path) -> None:
    assert transcript.look(None, MARK, 0) is Seen.UNKNOWN
    assert transcript.look(tmp_path / "none.jsonl", MARK, 0) is Seen.UNKNOWN
    assert transcript.size(tmp_path / "none.jsonl") == 0


def test_it_is_found_by_the_session(tmp_path: Path) -> None:
    path = tmp_path / "projects" / "-home-me-shop" / "7fda0d91-fc3e.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path)}
    assert transcript.find(environ | {"CLAUDE_CODE_SESSION_ID": "7fda0d91-fc3e"}) == path
    assert transcript.find(environ | {"CLAUDE_CODE_SESSION_ID": "another"}) is None
    assert transcript.find(environ | {"CLAUDE_CODE_SESSION_ID": "../*"}) is None
    assert transcript.find(environ) is None
