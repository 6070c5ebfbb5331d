"""The ceiling for one Python process: what one says goes to everybody at once, all frames of a loop's turn joined.

Each frame is as long as Hubbub's for the same message, so that both hand the system as many bytes.
It knows no more of WebSocket than the load generator says: short frames with a mask of zeros.
"""

import asyncio
import sys

import uvloop

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"  # to the key that is always the same
)
ENVELOPE = b" " * 225  # what Hubbub's JSON adds to a body: who, to whom, when, id, offset
listening: set[asyncio.Transport] = set()
waiting: list[bytes] = []


class Peer(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport = transport
        self.rest = b""
        self.open = False

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        if not self.open:
            head, _, data = data.partition(b"\r\n\r\n")
            self.open = True
            self.transport.write(ACCEPTED)
            if head.startswith(b"GET /hear"):
                listening.add(self.transport)
        start = 0
        while len(data) - start >= 8:
            size = data[start + 1] & 0x7F
            before = 8 if size == 126 else 6
            if size == 126:
                size = int.from_bytes(data[start + 2 : start + 4], "big")
            end = start + before + size
            if end > len(data):
                break
            if not waiting:
                asyncio.get_running_loop().call_soon(write)
            waiting.append(
                b"\x81\x7e" + (size + len(ENVELOPE)).to_bytes(2, "big") + ENVELOPE + data[start + before : end]
            )
            start = end
        self.rest = data[start:]

    def connection_lost(self, why: Exception | None) -> None:
        listening.discard(self.transport)


def write() -> None:
    joined = b"".join(waiting)
    waiting.clear()
    for each in listening:
        each.write(joined)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", int(sys.argv[1]), backlog=2048)
    await server.serve_forever()


uvloop.run(main())
