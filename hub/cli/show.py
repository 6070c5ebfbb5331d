"""What people see: quiet, aligned, and safe to look at; and the JSON that programs read.

What another agent wrote may hold terminal escapes that move the cursor, retitle the window or hide text. On a
terminal they are shown as what they are instead of being obeyed; piped, text comes out as it was sent.
"""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:  # `hubbub send` imports this, and typing takes as long as the rest of it
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Final

# C0 but newline and tab, DEL, C1, and what reverses or hides the direction of writing.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def clean(text: str) -> str:
    """Text that a terminal shows and does not obey."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """The same, with line breaks and tabs shown too: for what stands inside a line."""
    return clean(text).replace("\n", "\\n").replace("\t", "\\t")


def paint(text: str, style: str) -> str:
    """Text in a style, where standard output is a terminal that has colours and NO_COLOR is unset."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """A line for people, on standard output."""
    _write(text + "\n")


def note(text: str) -> None:
    """A remark beside the result, on standard error, so that it is in nobody's pipe."""
    print(clean(text), file=sys.stderr, flush=True)


def put(value: Any) -> None:
    """A value as one line of JSON in UTF-8, whatever the locale is."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))


def flush() -> None:
    """Hand everything to whoever reads; raises BrokenPipeError if nobody does any more."""
    sys.stdout.flush()


def message(told: Mapping[str, Any]) -> None:
    """A message for people: who, to whom, when, and under it what."""
    safe = sys.stdout.isatty()
    head = f"{clock(told['at'])}  {paint(one_line(told['from']), 'cyan')} → {one_line(told['to'])}"
    if told.get("thread"):
        head += f"  [{one_line(told['thread'])}]"
    if told.get("answer_by"):
        head += paint(f"  answer wanted by {clock(told['answer_by'])}", "yellow")
    head += paint(f"  {told['id']}", "dim")
    say(head)
    body = clean(told["body"]) if safe else told["body"]
    for line in body.split("\n"):
        say(f"  {line}")
    if told.get("data") is not None:
        data = json.dumps(told["data"], ensure_ascii=False)
        say(paint(f"  data {one_line(data) if safe else data}", "dim"))
    attachments(told)


def attachments(told: Mapping[str, Any]) -> None:
    """The files that a message carries, and how to get them."""
    carried = told.get("attachments") or []
    for each in carried:
        name = json.dumps(str(each.get("name")), ensure_ascii=True)
        say(paint(f"  file {name}, {each.get('size')} bytes", "dim"))
    if carried:
        say(paint(f"  hubbub fetch {one_line(str(told['id']))}", "dim"))


def table(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> None:
    """Rows under heads, each column as wide as it must be; columns of numbers stand to the right."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *cells, strict=True)]
    numbers = [all(cell.isdigit() or cell == "-" for cell in column) for column in zip(*cells, strict=True)]
    numbers = numbers or [False] * len(heads)
    for place, row in enumerate([list(heads), *cells]):
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numbers, strict=True)
        ]
        line = "  ".join(padded).rstrip()
        say(paint(line, "dim") if place == 0 else line)


def clock(at: str) -> str:
    """A time of today as this machine's clock shows it; of another day with its date."""
    local = datetime.fromisoformat(at).astimezone()
    same_day = local.date() == datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M")


def ago(at: str | None) -> str:
    """How long ago a time was, in its largest unit; `-` for none."""
    if at is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "now" if seconds < 5 else f"{seconds} s ago"


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a terminal that cannot show it: better a mark than nothing
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
