"""What a sender may expect: in words, whether the recipient is there and whether the message wakes it.

Said alike by the command line and to a model. It is what the hub knows at the moment of sending, and no promise.
"""

from __future__ import annotations


def outlook(*, online: bool, activity: str | None = None, wakes: bool | None = None) -> str:
    """The end of a sentence that begins `bob …`; see `frames.Recipient` for the parts."""
    if not online:
        return "is offline and gets it on coming back"
    if activity == "waiting":
        return "waits for messages and has it at once"
    if wakes:
        if activity == "idle":
            return "is idle; the message wakes it"
        if activity == "working":
            return "is working and is told of it before its turn ends"
        return "is online; the message wakes it"
    if wakes is False:
        doing = "is working" if activity == "working" else "is idle" if activity == "idle" else "is online"
        return f"{doing}, but nothing wakes it: it sees the message when it next calls a tool"
    return f"is {activity}" if activity else "is online"
