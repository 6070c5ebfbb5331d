"""Holds `static/vendor/` to its list: the files of others that the browser loads, unchanged and of a known version.

`VENDORED.json` names each file's package, version, licence, its path inside the package as the npm registry serves it,
and its SHA-256. `python -m dashboard.vendored --check` fails on a changed, missing or unlisted file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from dashboard.assets import STATIC

FOLDER = STATIC / "vendor"
LIST = "VENDORED.json"


def faults(folder: Path = FOLDER) -> list[str]:
    """One sentence for each file that is not what the list says; empty if all is well."""
    listed = {each["file"]: each for each in json.loads((folder / LIST).read_text(encoding="utf-8"))["files"]}
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {LIST}
    found = [f"{name} is in no line of {LIST}." for name in sorted(there - listed.keys())]
    for name, each in sorted(listed.items()):
        if name not in there:
            found.append(f"{name} is listed, but not there.")
        elif (digest := _sha256(folder / name)) != each["sha256"]:
            found.append(f"{name} has the SHA-256 {digest}; {LIST} says {each['sha256']}.")
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Check, and exit 1 with the faults on standard error if there are any."""
    parser = argparse.ArgumentParser(prog="python -m dashboard.vendored", description="Check static/vendor/.")
    parser.add_argument("--check", action="store_true", help="compare each file with the list (the only thing it does)")
    parser.parse_args(arguments)
    found = faults()
    for fault in found:
        sys.stderr.write(f"static/vendor: {fault}\n")
    if found:
        sys.stderr.write(f"Take the file from its package again, or change its line in static/vendor/{LIST}.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
