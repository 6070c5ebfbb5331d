"""Hubbub's hub: one ordered log of messages, and readers that follow it by a cursor.

The modules up to `hub.hub` are the core: pure, synchronous, with time passed in.
What reads sockets, disks and clocks stands above them and is never imported by them.
"""

__version__ = "0.1.0"
