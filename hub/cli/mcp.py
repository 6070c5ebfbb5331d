"""hubbub mcp."""

from __future__ import annotations

import click

from hub.cli.command import verb
from hub.config import Settings


@verb("hubbub mcp --name alice", "hubbub connect claude")
@click.option("--name", metavar="NAME", help="The instance to register as at once. Default: HUBBUB_NAME.")
def mcp(settings: Settings, *, name: str | None) -> int | None:
    """The MCP server on standard input and output, one beside each agent: an agent's client starts it.

    It starts the hub if none runs, keeps a connection to it, and has what came ready for the agent.
    """
    from mcp_client.server import main

    return main(name=name, url=settings.url, token=settings.token)
