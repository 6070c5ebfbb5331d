"""One tree of errors. Each class is one thing that can go wrong, with a stable code.

    HubbubError
    ├── BadRequest          what was said makes no sense; saying it again won't help
    │   ├── BadFrame        not JSON, or a field of the wrong type
    │   ├── UnknownType     a frame type that this version does not have
    │   ├── BinaryFrame     the wire speaks JSON in text frames only
    │   ├── HelloRequired   the first frame must be `hello`
    │   ├── SecondHello     a session says hello once
    │   ├── BadName         an instance's name outside its alphabet or length
    │   ├── BadTopic        a topic or pattern that is not dotted words
    │   ├── BadValue        a field outside its range
    │   ├── TooLarge        a body, its data, a frame or a file over its limit
    │   └── HashMismatch    the bytes that came are not those that were announced
    ├── Refused             understood, and not allowed
    │   ├── Unauthorized    no token, or one that does not hold
    │   ├── Forbidden       the token holds, but not for this
    │   ├── HostRefused     the request names a host that is not this hub (DNS rebinding)
    │   ├── OriginRefused   a page of another site is asking
    │   ├── ReadOnly        a replay of a file: nothing can be changed in it
    │   ├── NameTaken       a live session has the name
    │   └── TakenOver       somebody else took this session's name by explicit wish
    ├── NotFound            there is no such thing
    │   ├── UnknownInstance
    │   ├── UnknownMessage
    │   ├── UnknownMoment   how it was then can't be told: before the log, or trimmed
    │   └── UnknownAttachment   a file that is not here, or that whoever names it has not uploaded
    ├── LimitHit            a limit that is a setting; the message names it
    │   ├── InboxFull
    │   ├── RateLimited
    │   ├── TooMany         sessions, connections, subscriptions, instances, topics
    │   ├── AttachmentsFull  files, all together
    │   └── SlowReader      the socket took nothing for too long
    └── Unavailable         not now; trying again may help
        ├── StorageFailed   the log could not be written; nothing was confirmed
        ├── NewerDatabase   (at the start) a newer version has used the database
        ├── HelloTimeout    connected, but said nothing
        ├── ShuttingDown
        └── Unreachable     (client side) no hub answers

`code` is what programs match on, `status` the HTTP status, `close` the WebSocket close code:
4000-4499 means that reconnecting may help, 4500-4999 that it won't.
"""

from __future__ import annotations

from typing import ClassVar


class HubbubError(Exception):
    """Base of all errors that a user can meet.

    `message` says what happened and the likely cause, `hint` the one thing that helps.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    close: ClassVar[int] = 4500

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class BadRequest(HubbubError):
    code, status, close = "bad_request", 400, 4500


class BadFrame(BadRequest):
    code = "bad_frame"


class UnknownType(BadRequest):
    code = "unknown_type"


class BinaryFrame(BadRequest):
    code, close = "binary_frame", 4501


class HelloRequired(BadRequest):
    code, close = "hello_required", 4502


class SecondHello(BadRequest):
    code = "second_hello"


class BadName(BadRequest):
    code, close = "bad_name", 4503


class BadTopic(BadRequest):
    code = "bad_topic"


class BadValue(BadRequest):
    code = "bad_value"


class TooLarge(BadRequest):
    code, status = "too_large", 413


class HashMismatch(BadRequest):
    code, status = "hash_mismatch", 422


class Refused(HubbubError):
    code, status, close = "refused", 403, 4510


class Unauthorized(Refused):
    code, status, close = "unauthorized", 401, 4511


class Forbidden(Refused):
    code, close = "forbidden", 4512


class HostRefused(Refused):
    code, status = "host_refused", 421


class OriginRefused(Refused):
    code = "origin_refused"


class ReadOnly(Refused):
    code, close = "read_only", 4515


class NameTaken(Refused):
    code, status, close = "name_taken", 409, 4513


class TakenOver(Refused):
    code, status, close = "taken_over", 409, 4514


class NotFound(HubbubError):
    code, status, close = "not_found", 404, 4520


class UnknownInstance(NotFound):
    code = "unknown_instance"


class UnknownMessage(NotFound):
    code = "unknown_message"


class UnknownMoment(NotFound):
    code = "unknown_moment"


class UnknownAttachment(NotFound):
    code = "unknown_attachment"


class LimitHit(HubbubError):
    code, status, close = "limit_hit", 429, 4010


class InboxFull(LimitHit):
    code = "inbox_full"


class RateLimited(LimitHit):
    code = "rate_limited"


class TooMany(LimitHit):
    code, close = "too_many", 4011


class AttachmentsFull(LimitHit):
    code = "attachments_full"


class SlowReader(LimitHit):
    code, close = "slow_reader", 4012


class Unavailable(HubbubError):
    code, status, close = "unavailable", 503, 4000


class StorageFailed(Unavailable):
    code = "storage_failed"


class NewerDatabase(Unavailable):
    code = "newer_database"


class HelloTimeout(Unavailable):
    code, status, close = "hello_timeout", 408, 4001


class ShuttingDown(Unavailable):
    code, close = "shutting_down", 4002


class Unreachable(Unavailable):
    code = "unreachable"


def tree(root: type[HubbubError] = HubbubError) -> list[type[HubbubError]]:
    """Every class of the tree, `root` first: for documentation and its test."""
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def may_reconnect(close_code: int) -> bool:
    """Whether a client that was closed with `close_code` should try again by itself."""
    return not 4500 <= close_code <= 4999
