"""hubbub demo."""

from __future__ import annotations

import asyncio

import click

from hub.cli import exits, show
from hub.cli.command import reach, verb
from hub.config import Settings
from hub.daemon import token_for
from hub.request import Place


@verb("hubbub demo", "hubbub demo --fast", "hubbub demo --loop")
@click.option("--fast", is_flag=True, help="In some seconds instead of a minute.")
@click.option("--loop", "forever", is_flag=True, help="Again and again, until Ctrl-C.")
def demo(settings: Settings, *, fast: bool, forever: bool) -> int:
    """Let five scripted agents talk, to see it all move on the live page.

    They are real sessions at your hub, which is started if none runs: questions and answers, topics, a broadcast,
    a rename, one who is slow to read, and one who comes late. They leave at the end; what they said stays in the
    history.
    """
    hub = reach(settings)
    show.say(f"The live page, by a link that works once: {hub.post('/links', {})['url']}\n")
    show.flush()
    from hub.demo.play import Play
    from hub.demo.script import SCRIPT

    def told(line: str) -> None:
        show.say(f"  {line}")
        show.flush()

    url = hub.origin.websocket
    play = Play(Place(url, token_for(settings, url), hub.tls_cert), pace=0.1 if fast else 1.0, told=told)
    try:
        asyncio.run(play.run(SCRIPT, forever=forever))
    except KeyboardInterrupt:
        show.say("\nEverybody has left.")
        return exits.INTERRUPTED
    show.say("\nThat was all; hubbub history has it, hubbub ls the cast.")
    return exits.OK
