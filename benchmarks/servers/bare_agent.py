"""The least that an MCP server with `send` and `wait` can be, on the same SDK; without an address it only says hello.

python bare_agent.py [ws://127.0.0.1:PORT]
"""

import asyncio
import sys
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from websockets.asyncio.client import ClientConnection, connect

ANY: dict[str, Any] = {"type": "object"}


async def serve(hub: ClientConnection | None) -> None:
    came: asyncio.Queue[str] = asyncio.Queue()

    async def read() -> None:
        assert hub is not None
        async for message in hub:
            came.put_nowait(str(message))

    async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=ANY) for name in ("send", "wait")])

    async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        assert hub is not None
        told = dict(params.arguments or {})
        if params.name == "send":
            await hub.send(told["body"])
            text = "sent"
        else:
            text = await came.get()
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], structured_content={"messages": [{"body": text}]}
        )

    server: Server[Any] = Server("bare", on_list_tools=list_tools, on_call_tool=call_tool)
    reading = asyncio.create_task(read()) if hub is not None else None
    async with stdio_server() as (source, sink):
        await server.run(source, sink, server.create_initialization_options())
    if reading is not None:
        reading.cancel()


async def main() -> None:
    if len(sys.argv) == 1:
        await serve(None)
        return
    async with connect(sys.argv[1], compression=None, proxy=None) as hub:
        await serve(hub)


asyncio.run(main())
