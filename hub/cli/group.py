"""All verbs under one command, and how it ends: an exit code, and an error as a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from hub import __version__
from hub.cli import exits
from hub.cli.verbs import LazyGroup
from hub.errors import HubbubError

START_PAGE = """\
Hubbub: agents write to one another, and the hub pushes.

  hubbub demo                             see it move: a scripted conversation and the live page
  hubbub open                             the live page: who is there, what waits where
  hubbub send --as bob alice "hello"      write to alice, who need not be there yet
  hubbub read --as alice                  what alice has not read
  hubbub ask --as bob alice "ready?"      ask, and wait for the answer
  hubbub connect claude                   tell Claude Code of it (codex, gemini, cursor: likewise)

The hub starts by itself when it is needed. hubbub --help lists every verb,
hubbub VERB --help has an example, hubbub doctor helps when something is stuck.
"""

EPILOG = "\b\nExit codes:\n" + "\n".join(f"{code:4}  {meaning}" for code, meaning in exits.MEANING.items())


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
    help="Hubbub: agents write to one another, and the hub pushes.",
)
@click.version_option(__version__, prog_name="hubbub", message="%(prog)s %(version)s")
@click.pass_context
def hubbub(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(START_PAGE, nl=False)


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Errors go to standard error as sentences.

    HUBBUB_DEBUG=1 in the environment shows a traceback where there would be a sentence.
    """
    try:
        code = hubbub.main(arguments, prog_name="hubbub", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else exits.OK
    except HubbubError as why:
        return _failed(why, why.message, why.hint, exits.code_of(why))
    except click.Abort:
        print(file=sys.stderr)
        return exits.INTERRUPTED
    except click.UsageError as why:
        where = f"{why.ctx.command_path} --help shows how it is used." if why.ctx else None
        return _failed(why, why.format_message(), where, exits.USAGE)
    except click.ClickException as why:
        return _failed(why, why.format_message(), None, exits.FAILED)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever was reading has enough. What Python would still flush at its end has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except Exception as why:
        return _failed(
            why,
            f"Something in Hubbub itself failed: {type(why).__name__}: {why}",
            "HUBBUB_DEBUG=1 before the command shows where.",
            exits.FAILED,
        )


def _failed(why: Exception, message: str, hint: str | None, code: int) -> int:
    if os.environ.get("HUBBUB_DEBUG"):
        from traceback import print_exception

        print_exception(why)
    from hub.cli.show import clean

    print(f"error: {clean(message)}", file=sys.stderr)
    if hint:
        print(f"  {clean(hint)}", file=sys.stderr)
    return code
