"""All verbs, in the order in which help shows them. A verb's module is imported when the verb is used, not before."""

from __future__ import annotations

from importlib import import_module
from typing import Final, NamedTuple

import click


class Verb(NamedTuple):
    section: str
    module: str  # below hub.cli
    attribute: str
    about: str


VERBS: Final = {
    "send": Verb("Talk", "send", "send", "Write to an instance, a #topic, or all."),
    "read": Verb("Talk", "read", "read", "Print what is unread, and mark it read."),
    "wait": Verb("Talk", "read", "wait", "Wait for a message, then do as read does."),
    "fetch": Verb("Talk", "fetch", "fetch", "Get the files that a message carries."),
    "ask": Verb("Talk", "ask", "ask", "Send a question and wait for its answer."),
    "ls": Verb("Look", "look", "ls", "List the instances: who is online, what waits."),
    "history": Verb("Look", "look", "history", "Print old messages; search them."),
    "watch": Verb("Look", "watch", "watch", "Follow everything as it happens."),
    "open": Verb("Look", "look", "open_", "Open the live page in the browser."),
    "replay": Verb("Look", "replay", "replay", "Open an exported file in the page, without its hub."),
    "register": Verb("Names and topics", "names", "register", "Make a name known before it first speaks."),
    "rename": Verb("Names and topics", "names", "rename", "Give an instance another name; nothing is lost."),
    "topics": Verb("Names and topics", "names", "topics", "List the topics and who is behind."),
    "subscribe": Verb("Names and topics", "names", "subscribe", "Hear a topic or pattern from now on."),
    "unsubscribe": Verb("Names and topics", "names", "unsubscribe", "Stop hearing it."),
    "forget": Verb("Names and topics", "names", "forget", "Remove a name that nobody uses."),
    "held": Verb("Step in", "held", "held", "List what waits for a person, and why."),
    "release": Verb("Step in", "held", "release", "Let held messages go; end a hold."),
    "drop": Verb("Step in", "held", "drop", "Have held messages never be sent."),
    "hold": Verb("Step in", "overseeing", "hold", "Hold all that is sent to a queue from now on."),
    "pause": Verb("Step in", "overseeing", "pause", "Hold all that an agent sends."),
    "resume": Verb("Step in", "overseeing", "resume", "Let a paused agent speak again."),
    "purge": Verb("Step in", "overseeing", "purge", "Have an instance never see what it has not read."),
    "start": Verb("The hub", "running", "start", "Start the hub in the background, unless it runs."),
    "stop": Verb("The hub", "running", "stop", "Stop it."),
    "status": Verb("The hub", "running", "status", "Say whether it runs, where, and how it is."),
    "serve": Verb("The hub", "running", "serve", "Run the hub here, in the foreground."),
    "backup": Verb("The hub", "backup", "backup", "Copy its database to a file, while it runs."),
    "restore": Verb("The hub", "backup", "restore", "Put such a copy back in place."),
    "import": Verb("The hub", "move", "import_", "Take over claude-ipc-mcp's messages, or an export."),
    "export": Verb("The hub", "export", "export", "Write all messages out, as JSON lines or Markdown."),
    "trim": Verb("The hub", "trim", "trim", "Remove old messages now, or say what would go."),
    "config": Verb("The hub", "settings", "config", "Show settings and where each value comes from."),
    "token": Verb("The hub", "tokens", "token", "Show, make and revoke tokens."),
    "doctor": Verb("The hub", "doctor", "doctor", "Find out what is wrong, and what to type."),
    "bench": Verb("The hub", "bench", "bench", "Measure what this machine gives."),
    "connect": Verb("For agents", "connect", "connect", "Tell Claude Code, Codex and others of Hubbub."),
    "disconnect": Verb("For agents", "connect", "disconnect", "Take it back."),
    "mcp": Verb("For agents", "mcp", "mcp", "The MCP server that an agent's client starts."),
    "hook": Verb("For agents", "hook", "hook", "What an agent's client runs at its events."),
    "demo": Verb("For agents", "demo", "demo", "A scripted conversation, to see it all move."),
}


class LazyGroup(click.Group):
    """Knows each verb's name and short help without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(import_module(f"hub.cli.{verb.module}"), verb.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"There is no verb {args[0]!r}.{_meant(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(verb.section for verb in VERBS.values()):
            with formatter.section(section):
                rows = [(name, verb.about) for name, verb in VERBS.items() if verb.section == section]
                formatter.write_dl(rows, col_max=14)


def _meant(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, VERBS, n=1, cutoff=0.5)
    return f" Did you mean `hubbub {near[0]}`?" if near else " hubbub --help lists them all."
