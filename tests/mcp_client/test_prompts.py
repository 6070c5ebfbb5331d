from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from hub.errors import BadValue
from mcp_client.prompts import PROMPTS, written
from mcp_client.tools import TOOLS
from tests.hub.scripted_hub import TOKEN, ScriptedHub, scripted_hub
from tests.mcp_client.agent import agent

DOCS = Path(__file__).parents[2] / "docs" / "mcp.md"


@pytest.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    async with scripted_hub() as hub:
        yield hub


@pytest.mark.parametrize(("prompt", "tool"), [("check", "check"), ("who", "list_instances"), ("tell", "send")])
def test_each_prompt_names_the_tool_that_it_leads_to(prompt: str, tool: str) -> None:
    assert tool in TOOLS
    assert f"Hubbub's {tool} tool" in PROMPTS[prompt].says


def test_what_is_filled_in_stands_there_word_for_word() -> None:
    said = written("tell", {"to": "bob", "message": "a {brace} and {to}\nand a line"})
    assert said.endswith(" online:\n\na {brace} and {to}\nand a line")
    assert " to bob, " in said


@pytest.mark.parametrize(
    ("name", "filled", "why"),
    [
        ("tell", {"to": "bob"}, "message"),
        ("tell", {"to": " ", "message": "x"}, "to"),
        ("shout", {}, "check, who, tell"),
    ],
)
def test_a_prompt_that_cannot_be_written_says_why(name: str, filled: dict[str, str], why: str) -> None:
    with pytest.raises(BadValue) as caught:
        written(name, filled)
    assert why in str(caught.value)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_lists_the_prompts_and_gets_them(hub: ScriptedHub, tmp_path: Path, mode: str) -> None:
    async with agent(tmp_path, "alice", url=hub.url, token=TOKEN, mode=mode) as client:
        listed = await client.list_prompts()
        assert [each.name for each in listed.prompts] == list(PROMPTS)
        told = await client.get_prompt("tell", {"to": "bob", "message": "the build is red"})
        (message,) = told.messages
        assert message.role == "user"
        assert message.content.text.endswith("the build is red")  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="tell needs: message"):
            await client.get_prompt("tell", {"to": "bob"})


def test_every_prompt_and_blank_is_documented() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    for name, prompt in PROMPTS.items():
        row = next(line for line in rows if line.startswith(f"| `{name}` |"))
        assert all(f"`{blank.name}`" in row for blank in prompt.blanks)
