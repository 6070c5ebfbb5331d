"""Text <-> frames. The only module that reads or writes JSON for the wire.

Decoding checks types and ranges; whatever is wrong becomes a BadFrame that names the field, or an UnknownType.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from hub import frames
from hub.errors import BadFrame, HubbubError, UnknownType
from hub.message import Message

SUBPROTOCOL = "hubbub.v1"
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # what decoding raises, whatever is sent

_encoder = msgspec.json.Encoder()
_from_client: msgspec.json.Decoder[frames.FromClient] = msgspec.json.Decoder(frames.FromClient)
_from_hub: msgspec.json.Decoder[frames.FromHub] = msgspec.json.Decoder(frames.FromHub)
_types = sorted(str(frame.__struct_config__.tag) for frame in get_args(frames.FromClient))


class _Peek(msgspec.Struct):
    """What a broken frame calls itself."""

    type: Any = None


class _Ref(msgspec.Struct):
    """Which request a broken frame was."""

    ref: frames.Ref = None


_peek = msgspec.json.Decoder(_Peek)
_ref = msgspec.json.Decoder(_Ref)


def decode(text: str | bytes) -> frames.FromClient:
    """Read what a client said. Raises BadFrame or UnknownType."""
    try:
        return _from_client.decode(text)
    except UNREADABLE as why:
        raise _explain(text, why) from None


def decode_from_hub(text: str | bytes) -> frames.FromHub | None:
    """Read what the hub said; None for a frame type that only a newer version knows. Raises BadFrame."""
    try:
        return _from_hub.decode(text)
    except UNREADABLE as why:
        error = _explain(text, why)
        if isinstance(error, UnknownType):
            return None
        raise error from None


def encode(frame: frames.Frame) -> bytes:
    """A frame as the UTF-8 of one line of JSON."""
    return _encoder.encode(frame)


def encode_message(message: Message) -> bytes:
    """A message as the frame that is pushed: encoded once, for however many read it."""
    return _encoder.encode(frames.Message.of(message))


def message_json(message: Message) -> bytes:
    """A message as JSON without a frame's `type`."""
    return _encoder.encode(frames.MessageJson.of(message))


def raw(message: Message) -> msgspec.Raw:
    """A message to be embedded in another answer."""
    return msgspec.Raw(message_json(message))


def data_json(data: Any) -> bytes:
    """A message's `data` in JSON; empty for none."""
    return b"" if data is None else _encoder.encode(data)


def data_size(data: Any) -> int:
    """Bytes of a message's `data` in JSON; 0 for none."""
    return len(data_json(data))


def error(why: HubbubError, ref: frames.Ref = None) -> frames.Error:
    """What the hub says of an error."""
    return frames.Error(ref=ref, code=why.code, message=why.message, hint=why.hint)


def ref_of(text: str | bytes) -> frames.Ref:
    """The `ref` of a frame that could not be read, where that much can be seen."""
    try:
        return _ref.decode(text).ref
    except UNREADABLE:
        return None


def _explain(text: str | bytes, why: Exception) -> BadFrame | UnknownType:
    if isinstance(why, RecursionError):
        return BadFrame("The frame's JSON is nested too deeply to read.")
    if isinstance(why, msgspec.ValidationError):
        kind = _peek.decode(text).type if _is_object(text) else None
        if kind is None:
            return BadFrame("A frame is a JSON object with a `type`.", f"One of: {', '.join(_types)}.")
        if kind not in _types and "$.type" in str(why):
            return UnknownType(f"No frame has the type {str(kind)[:32]!r}.", f"There are: {', '.join(_types)}.")
        return BadFrame(f"The {kind} frame does not fit: {why}.", "docs/protocol.md lists each frame's fields.")
    return BadFrame(f"The frame is not JSON: {why}.", "Send one JSON object in a text frame.")


def _is_object(text: str | bytes) -> bool:
    try:
        _peek.decode(text)
    except UNREADABLE:
        return False
    return True
