"""The wire as AsyncAPI 3, made from the structs of `hub.frames`: `python -m hub.asyncapi` prints it.

`docs/asyncapi.json` is that output; a test fails when the two differ. (https://www.asyncapi.com/docs/reference/specification/v3.0.0)
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any, get_args

import msgspec

from hub import __version__, frames, wire

_REF = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The whole document."""
    said = {"client": get_args(frames.FromClient), "hub": get_args(frames.FromHub)}
    every = list(dict.fromkeys([*said["client"], *said["hub"]]))
    _, schemas = msgspec.json.schema_components(every, ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hubbub",
            "version": __version__,
            "description": "One JSON object a text frame; `type` tells them apart. docs/protocol.md explains them.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {"host": "127.0.0.1:4820", "protocol": "ws", "description": f"Subprotocol {wire.SUBPROTOCOL}"}
        },
        "channels": {
            "hub": {
                "address": "/ws",
                "messages": {name(frame): {"$ref": f"#/components/messages/{name(frame)}"} for frame in every},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            f"{who}-{name(frame)}": {
                "action": "send" if who == "client" else "receive",
                "channel": {"$ref": "#/channels/hub"},
                "messages": [{"$ref": f"#/channels/hub/messages/{name(frame)}"}],
                "summary": about(frame),
            }
            for who, spoken in said.items()
            for frame in spoken
        },
        "components": {
            "messages": {
                name(frame): {"name": name(frame), "summary": about(frame), "payload": schema(frame)} for frame in every
            },
            "schemas": schemas,
        },
    }


def name(frame: type[frames.Frame]) -> str:
    """A frame's `type` on the wire."""
    return str(frame.__struct_config__.tag)


def about(frame: type[frames.Frame]) -> str:
    """The first paragraph of a frame's docstring."""
    return inspect.cleandoc(frame.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def schema(frame: type[frames.Frame]) -> dict[str, Any]:
    """A reference to a frame's schema."""
    return {"$ref": _REF.format(name=frame.__name__)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=1, sort_keys=True) + "\n")
