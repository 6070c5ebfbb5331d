from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hub.doctor.installation import _numbers, on_path, packages

VERSIONS = {"click": "8.2.1", "mcp": "3.0.0", "websockets": "15.0"}


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        from importlib.metadata import PackageNotFoundError

        if name not in VERSIONS:
            raise PackageNotFoundError(name)
        return VERSIONS[name]

    monkeypatch.setattr("hub.doctor.installation.metadata.version", version)


@pytest.mark.parametrize(
    ("required", "wrong"),
    [
        (["click>=8.2", "websockets>=15"], None),
        (["click >= 8.2.1 , <9"], None),
        (["websockets==15.0.0"], None),
        (["mcp<3,>=2.3"], "mcp is 3.0.0, and <3,>=2.3 is needed"),
        (["click>8.2.1"], "click is 8.2.1, and >8.2.1 is needed"),
        (["aiosqlite>=0.22"], "aiosqlite is missing"),
        (["nats-py>=2; extra == 'cluster'"], None),
        ([f"nothing>=1; sys_platform != '{sys.platform}'"], None),
        ([f"nothing>=1; sys_platform == '{sys.platform}'"], "nothing is missing"),
    ],
)
def test_a_package_that_is_missing_or_of_a_version_that_is_not_allowed_is_named(
    required: list[str], wrong: str | None
) -> None:
    found = packages(required)
    assert (found.state, found.code) == (("broken", "wrong_package") if wrong else ("ok", None))
    if wrong:
        assert found.message == wrong
        assert found.command


def test_where_nothing_says_what_is_needed_nothing_is_held_against_it() -> None:
    assert packages(None).code == "not_installed"


@pytest.mark.parametrize(
    ("version", "numbers"), [("1.0", (1,)), ("8.2.1", (8, 2, 1)), ("2.0rc1", (2,)), ("", ()), ("1.0.post3", (1,))]
)
def test_a_version_is_compared_by_its_release(version: str, numbers: tuple[int, ...]) -> None:
    assert _numbers(version) == numbers


def script(folder: Path, first_line: str = "#!/bin/sh") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("hubbub.exe" if os.name == "nt" else "hubbub")
    path.write_text(first_line + "\n")
    path.chmod(0o755)
    return path


def test_each_other_installation_on_path_is_named_with_what_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = script(tmp_path / "a", f"#!{sys.prefix}/bin/python")
    first = script(tmp_path / "b")
    tool = script(tmp_path / "uv" / "tools" / "hubbub" / "bin")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "hubbub").symlink_to(tool)

    def found(*folders: str) -> list[tuple[str | None, str | None]]:
        monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / each) for each in folders))
        return [(each.code, each.command) for each in on_path()]

    assert found("a") == [(None, None)]
    assert found("d") == [("not_on_path", str(Path(sys.executable).parent / "hubbub") + " --version")]
    assert found("a", "b") == [("another_installation", f"rm {first}")]
    assert found("b", "a", "c") == [
        ("another_installation", f"rm {first}"),
        ("another_installation", "uv tool uninstall hubbub"),
    ]
    assert found("a", "a") == [(None, None)], "a folder that is there twice"
    assert ours.exists()
