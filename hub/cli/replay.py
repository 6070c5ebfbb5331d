"""hubbub replay: an exported file in the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import show
from hub.cli.command import verb
from hub.config import Settings

if TYPE_CHECKING:
    from hub.app import App


@verb(
    "hubbub export --facts monday.jsonl && hubbub replay monday.jsonl",
    "hubbub replay monday.jsonl --files monday-files --print",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--files", metavar="DIR", type=click.Path(path_type=Path), help="Where export --files has put the files.")
@click.option("--print", "only_print", is_flag=True, help="Print the link instead of opening it.")
def replay(settings: Settings, *, file: Path, files: Path | None, only_print: bool) -> int:
    """Open a FILE that hubbub export has written in the page, until Ctrl-C. No hub is needed, and none is touched.

    It is read into a database of its own, which is gone afterwards; nothing can be changed in it. With the facts
    (hubbub export --facts) all that was so at any moment can be seen; without them only what was said, and what is
    unread at the end. What messages carry can be downloaded where --files names the folder that hubbub export --files
    has filled; else the page says that it is not here.
    """
    import asyncio

    from hub import replay as replaying

    def ready(app: App) -> None:
        code = app.links.make(app.door.clock())
        link = f"{app.url.replace('ws', 'http', 1).removesuffix('/ws')}/open?code={code}"
        if only_print or not _open(link):
            show.say(link)
        show.flush()
        show.note(f"{file.name} is shown until Ctrl-C.")

    return asyncio.run(replaying.show(file, ready, files))


def _open(link: str) -> bool:
    import webbrowser

    return webbrowser.open(link)
