"""`old_script.py ACTION …`: what a user of claude-ipc-mcp runs, by its protocol alone; knows nothing of Hubbub.

One connection a request, one send, one read of 65,536 bytes, the session kept in ~/.ipc-session.
"""

import hashlib
import json
import os
import socket
import sys
from pathlib import Path

SESSION = Path.home() / ".ipc-session"


def request(**said):
    with socket.create_connection(("127.0.0.1", int(os.environ["OLD_PORT"])), timeout=5) as connection:
        connection.send(json.dumps(said).encode("utf-8"))
        return json.loads(connection.recv(65536).decode("utf-8"))


def main(action, *words):
    if action == "register":
        secret = os.environ.get("IPC_SHARED_SECRET", "")
        proof = hashlib.sha256(f"{words[0]}:{secret}".encode()).hexdigest() if secret else ""
        reply = request(action="register", instance_id=words[0], auth_token=proof)
        if reply["status"] == "ok":
            SESSION.write_text(json.dumps({"instance_id": words[0], "session_token": reply["session_token"]}))
            SESSION.chmod(0o600)
    else:
        session = json.loads(SESSION.read_text())
        name, token = session["instance_id"], session["session_token"]
        fields = {
            "send": lambda: {"from_id": name, "to_id": words[0], "message": {"content": " ".join(words[1:])}},
            "broadcast": lambda: {"from_id": name, "message": {"content": " ".join(words)}},
            "check": lambda: {"instance_id": name},
            "list": dict,
            "rename": lambda: {"old_id": name, "new_id": words[0]},
        }[action]()
        reply = request(action=action, session_token=token, **fields)
        if action == "rename" and reply["status"] == "ok":
            SESSION.write_text(json.dumps({"instance_id": words[0], "session_token": token}))
    print(json.dumps(reply))


if __name__ == "__main__":
    main(*sys.argv[1:])
