"""`python -m mcp_client` is `hubbub mcp`."""

import argparse
import sys

from mcp_client.server import main

parser = argparse.ArgumentParser("python -m mcp_client", description="The MCP server beside one agent, on stdio.")
parser.add_argument("--name", help="the name to register under; default: HUBBUB_NAME, else the working folder's")
parser.add_argument("--url", help="the hub to talk to; default: HUBBUB_URL, else this user's, started if need be")
given = parser.parse_args()
sys.exit(main(given.name, given.url))
