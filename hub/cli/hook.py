"""hubbub hook: its help. What it does is done before click is imported (hub.cli, mcp_client.hook)."""

from __future__ import annotations

import click

from hub.cli.command import verb
from hub.config import Settings


@verb("hubbub hook PostToolUse <event.json", "hubbub connect claude")
@click.argument("event", required=True)
def hook(_settings: Settings, *, event: str) -> int:
    """Print in a client's own form what has come for its agent, or nothing. `hubbub connect` sets it up.

    EVENT is the client's name for what happened: SessionStart, UserPromptSubmit, PostToolUse, PostToolBatch or Stop
    (Claude Code, Codex), BeforeAgent, AfterTool or AfterAgent (Gemini CLI), sessionStart, beforeSubmitPrompt,
    postToolUse or stop (Cursor); Wake waits in the background (Claude Code, with asyncRewake). The exit code is 0
    whatever goes wrong; 2 is how Wake wakes its session.
    """
    from mcp_client.hook import main

    return main([event])
