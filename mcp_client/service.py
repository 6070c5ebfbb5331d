"""The MCP server itself: the SDK's low-level server over our own transport.

The SDK serves both eras on one pipe; the client's first request decides: `initialize` opens the handshake of 2025-11-25
and before, a request with the envelope of 2026-07-28 opens that.
"""

from __future__ import annotations

import logging
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from hub import __version__
from hub.errors import BadValue
from mcp_client.calls import Call, Calls, Result
from mcp_client.delivery.channel import CAPABILITY
from mcp_client.delivery.courier import Courier
from mcp_client.link import Link
from mcp_client.pipes import Pipes
from mcp_client.prompts import PROMPTS, written
from mcp_client.stdio import transport
from mcp_client.tools import INSTRUCTIONS, TOOLS, schema

DAY = 86_400_000  # milliseconds: the tools change with the version only

log = logging.getLogger(__name__)


def listed() -> list[types.Tool]:
    """The tools as a client is told of them."""
    return [
        types.Tool(
            name=name,
            description=tool.about,
            input_schema=schema(tool),
            annotations=types.ToolAnnotations(read_only_hint=True) if tool.reads else None,
        )
        for name, tool in TOOLS.items()
    ]


def menu() -> list[types.Prompt]:
    """The prompts as a client is told of them."""
    return [
        types.Prompt(
            name=name,
            title=prompt.title,
            description=prompt.about,
            arguments=[
                types.PromptArgument(name=blank.name, description=blank.about, required=True) for blank in prompt.blanks
            ],
        )
        for name, prompt in PROMPTS.items()
    ]


def client_text(name: str, version: str) -> str:
    """What people are shown beside the agent's name: its client and that client's version, as it says itself."""
    return f"{name[:24]} {version[:16]}, hubbub mcp {__version__}"


def build(link: Link, calls: Calls, courier: Courier, log_file: str) -> Server[Any]:
    """The server; `log_file` is named where something failed that should not."""
    tools = listed()

    def introduce(ctx: ServerRequestContext[Any]) -> None:
        if (params := ctx.session.client_params) is not None:
            courier.client = params.client_info.name
            link.introduce(client_text(params.client_info.name, params.client_info.version))

    async def list_tools(
        ctx: ServerRequestContext[Any], _: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        introduce(ctx)
        return types.ListToolsResult(tools=tools)

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        introduce(ctx)

        async def progress(done: float, total: float, about: str) -> None:
            await ctx.session.report_progress(done, total, about)

        try:
            result = await calls(params.name, dict(params.arguments or {}), Call(ctx.request_id, progress))
        except Exception:
            log.exception("the tool %s failed", params.name)
            result = Result(f"{params.name} failed inside Hubbub's MCP client; its log says why: {log_file}", {}, True)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=result.text)],
            structured_content=result.structured,
            is_error=result.error,
        )

    async def list_prompts(
        ctx: ServerRequestContext[Any], _: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=menu())

    async def get_prompt(ctx: ServerRequestContext[Any], params: types.GetPromptRequestParams) -> types.GetPromptResult:
        try:
            said = written(params.name, params.arguments or {})
        except BadValue as why:
            raise MCPError(types.INVALID_PARAMS, str(why)) from None
        told = types.PromptMessage(role="user", content=types.TextContent(type="text", text=said))
        return types.GetPromptResult(description=PROMPTS[params.name].about, messages=[told])

    return Server(
        "hubbub",
        version=__version__,
        title="Hubbub",
        instructions=INSTRUCTIONS,
        cache_hints={
            "tools/list": CacheHint(ttl_ms=DAY, scope="public"),
            "prompts/list": CacheHint(ttl_ms=DAY, scope="public"),
        },
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


async def serve(pipes: Pipes, link: Link, calls: Calls, courier: Courier, log_file: str) -> None:
    """Serve until the client closes our standard input."""

    def answered(request: types.RequestId, ok: bool) -> None:
        if ok:
            link.handed(request)
        else:
            link.give_back(request)

    server = build(link, calls, courier, log_file)
    link.start()
    courier.start()
    try:
        async with transport(pipes, answered) as (read, write):

            async def notify(method: str, params: dict[str, Any]) -> None:
                await write.send(SessionMessage(types.JSONRPCNotification(jsonrpc="2.0", method=method, params=params)))

            courier.notify = notify
            options = server.create_initialization_options(experimental_capabilities=CAPABILITY)
            await server.run(read, write, options)
    finally:
        await courier.close()
        await link.close()
