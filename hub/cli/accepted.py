"""What `hubbub send` says of a message that was accepted."""

from __future__ import annotations

from hub.cli.show import clock, note, one_line, put, say
from hub.outlook import outlook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def accepted(to: str, answer: dict[str, Any], *, in_json: bool) -> None:
    """Print the hub's answer to a publish, and on standard error what the sender would want to know at once."""
    if in_json:
        wanted = {"answer_by": answer["answer_by"]} if answer.get("answer_by") else {}
        put({"id": answer["id"], "offset": answer["offset"], "to": [_brief(each) for each in answer["to"]], **wanted})
    else:
        say(_told(to, answer))
        if answer.get("answer_by"):
            note(f"An answer is wanted by {clock(answer['answer_by'])}; if none has come by then, you get a message.")
    warn(answer)


def warn(answer: dict[str, Any]) -> None:
    """Say what the sender would want to know at once: nobody has this name, or nobody hears it now."""
    if answer.get("hint"):
        note(answer["hint"])
        return
    for each in answer["to"]:
        if not each.get("known", True):
            near = each.get("near") or []
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            note(f"{each['name']} is unknown; the message waits for it.{meant}")


def _brief(recipient: dict[str, Any]) -> dict[str, Any]:
    shown = {"name": recipient["name"], "state": recipient["state"]}
    if not recipient.get("known", True):
        shown |= {"known": False, "near": recipient.get("near", [])}
    return shown


def _told(to: str, answer: dict[str, Any]) -> str:
    place = f"{answer['id']} at {answer['offset']}"
    direct = answer["to"]
    if to.startswith("#") or to.lower() == "all":
        count = answer.get("recipients", len(direct))
        return f"{one_line(to)}: {count} recipient{'' if count == 1 else 's'} ({place})"
    if not direct:
        return f"{one_line(to)}: accepted ({place})"
    states = ", ".join(f"{one_line(each['name'])}: {each['state']}{_expected(each)}" for each in direct)
    return f"{states} ({place})"


def _expected(recipient: dict[str, Any]) -> str:
    """What becomes of it, where that is more than that it is on its way."""
    if recipient["state"] in ("held", "dropped"):
        return ""
    if not recipient.get("known", True):
        return "; waits for whoever registers under that name"
    online, activity, wakes = bool(recipient.get("online")), recipient.get("activity"), recipient.get("wakes")
    if online and activity is None and wakes is None:
        return ""
    return f"; {one_line(recipient['name'])} {outlook(online=online, activity=activity, wakes=wakes)}"
