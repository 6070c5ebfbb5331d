"""The installation: which one this is, its packages, and which one a shell finds."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from hub import __version__
from hub.doctor.finding import Finding, broken, note, ok, warning

_NEEDS = re.compile(r"([\w.-]+)\s*([^;]*)(?:;\s*(.*))?")
_BOUND = re.compile(r"(<=|>=|==|!=|<|>)\s*([\d.]+)")
_HOLDS = {
    "<": lambda here, bound: here < bound,
    "<=": lambda here, bound: here <= bound,
    ">": lambda here, bound: here > bound,
    ">=": lambda here, bound: here >= bound,
    "==": lambda here, bound: here == bound,
    "!=": lambda here, bound: here != bound,
}


def examine() -> Iterator[Finding]:
    """The version, the packages, the command."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok("version", f"hubbub {__version__} on Python {python}, SQLite {sqlite3.sqlite_version}, {sys.prefix}")
    yield packages(_requirements())
    yield from on_path()


def _requirements() -> list[str] | None:
    try:
        return metadata.requires("hubbub")
    except metadata.PackageNotFoundError:
        return None


def packages(required: Iterable[str] | None) -> Finding:
    """Whether each package is there in a version that is allowed."""
    if required is None:
        return note(
            "packages", "not_installed", "this runs from a folder that is not installed: its packages cannot be checked"
        )
    wrong: list[str] = []
    count = 0
    for line in required:
        found = _NEEDS.fullmatch(line.strip())
        if found is None or not _concerns(found[3] or ""):
            continue
        count += 1
        try:
            here = metadata.version(found[1])
        except metadata.PackageNotFoundError:
            wrong.append(f"{found[1]} is missing")
            continue
        if not all(_HOLDS[sign](_numbers(here), _numbers(bound)) for sign, bound in _BOUND.findall(found[2])):
            wrong.append(f"{found[1]} is {here}, and {found[2].strip()} is needed")
    if wrong:
        return broken("packages", "wrong_package", "; ".join(wrong), _renewal())
    return ok("packages", f"all {count} are there, in versions that are allowed")


def _concerns(marker: str) -> bool:
    """Whether a requirement with this marker is one of ours here: extras are not, another system's is not."""
    if "extra" in marker:
        return False
    named = re.search(r"sys_platform\s*(==|!=)\s*['\"](\w+)['\"]", marker)
    return named is None or (sys.platform == named[2]) == (named[1] == "==")


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version, without trailing zeros: 1.0 is 1."""
    release = re.match(r"[\d.]*", version)
    numbers = [int(each) for each in (release[0] if release else "").split(".") if each]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def on_path() -> Iterator[Finding]:
    """Every `hubbub` on PATH that is not this one; or this one."""
    scripts = [Path(each) for each in _scripts()]
    others = [each for each in scripts if not _is_this(each)]
    for place, each in enumerate(others):
        first = "the `hubbub` on your PATH is another installation" if place == 0 and each == scripts[0] else None
        said = first or "another installation of hubbub is on your PATH, behind this one"
        yield warning("command", "another_installation", f"{said}: {each}", removal(each))
    if not scripts:
        yield note(
            "command",
            "not_on_path",
            "there is no `hubbub` on your PATH; agents' clients need its full path",
            f"{Path(sys.executable).parent / 'hubbub'} --version",
        )
    elif not others:
        yield ok("command", f"{scripts[0]} is this installation")


def _scripts() -> Iterator[str]:
    """Each `hubbub` on PATH once, in its order."""
    seen: set[Path] = set()
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("hubbub", path=folder) if folder else None
        if found and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield found


def _is_this(script: Path) -> bool:
    return script.resolve().parent == Path(sys.executable).parent.resolve() or _links_here(script)


def _links_here(script: Path) -> bool:
    """Whether a script's first line names this Python: tools that install commands put the script elsewhere."""
    try:
        with script.open("rb") as file:
            return str(Path(sys.prefix)).encode() in file.readline(512)
    except OSError:
        return False


def removal(script: Path, package: str = "hubbub") -> str:
    """What removes the installation that a script is part of, by whoever installed it."""
    real = script.resolve()
    if "uv" in real.parts and "tools" in real.parts:
        return f"uv tool uninstall {package}"
    if "pipx" in real.parts:
        return f"pipx uninstall {package}"
    python = real.with_name("python.exe" if os.name == "nt" else "python")
    return f"{python} -m pip uninstall {package}" if python.exists() else f"rm {script}"


def _renewal() -> str:
    """What installs this very installation's packages anew."""
    parts = Path(sys.prefix).parts
    if "uv" in parts and "tools" in parts:
        return "uv tool upgrade --reinstall hubbub"
    if "pipx" in parts:
        return "pipx reinstall hubbub"
    return f"{sys.executable} -m pip install --upgrade hubbub"
