"""Standard input and output, taken for the protocol before anything else can write there."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class Pipes(NamedTuple):
    """The two file descriptors that carry the protocol."""

    source: int
    sink: int


def claim() -> Pipes:
    """Take standard input and output for the protocol: from now on what prints goes to standard error.

    To be called before anything could print.
    """
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)  # else a line's end would become two bytes
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return Pipes(source, sink)
