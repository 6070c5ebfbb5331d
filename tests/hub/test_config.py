from __future__ import annotations

import os
import re
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_data_path

from hub import config
from hub.config import Settings, environment_name, flag_name, flags_of, is_loopback, load, table
from hub.errors import BadValue
from hub.paths import default_home
from hub.setting import Secret

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, "utf-8")


def loaded(home: Path, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
    return load(flags, {"HUBBUB_HOME": str(home), **environ})


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    seen = [loaded(tmp_path)]
    write(tmp_path, "port = 1000")
    seen.append(loaded(tmp_path))
    seen.append(loaded(tmp_path, HUBBUB_PORT="2000"))
    seen.append(loaded(tmp_path, {"port": "3000"}, HUBBUB_PORT="2000"))

    assert [settings.port for settings in seen] == [4820, 1000, 2000, 3000]
    assert [str(settings.source("port")) for settings in seen] == [
        "default",
        f"file {tmp_path / 'config.toml'}",
        "environment HUBBUB_PORT",
        "flag --port",
    ]


@pytest.mark.parametrize(
    ("key", "said", "value"),
    [
        ("host", "::1", "::1"),
        ("port", "0", 0),
        ("insecure", "yes", True),
        ("insecure", "off", False),
        ("allowed_hosts", "hub.example, other.example,", ("hub.example", "other.example")),
        ("synchronous", "NORMAL", "normal"),
        ("retention_age", "90d", 90 * 86_400),
        ("retention_size", "2GiB", 2**31),
        ("unknown_ttl", "1h30m", 5400),
        ("hello_timeout", "250ms", 0.25),
        ("publish_rate", "50", 50),
        ("log_level", "debug", "debug"),
        ("tls_cert", "/etc/cert.pem", Path("/etc/cert.pem").absolute()),
    ],
)
def test_each_kind_of_value_is_read_from_text(tmp_path: Path, key: str, said: str, value: object) -> None:
    assert getattr(loaded(tmp_path, **{environment_name(key): said}), key) == value


def test_the_file_may_use_tomls_own_types_and_dashes(tmp_path: Path) -> None:
    write(
        tmp_path,
        'insecure = true\nallowed-hosts = ["a.example"]\nretention_age = 3600\n'
        'max-body = "2MiB"\nhello_timeout = 2.5\n',
    )
    settings = loaded(tmp_path)
    assert settings.insecure is True
    assert settings.allowed_hosts == ("a.example",)
    assert settings.retention_age == 3600
    assert settings.max_body == 2 * 2**20
    assert settings.hello_timeout == 2.5


@pytest.mark.parametrize(
    ("key", "said", "right"),
    [
        ("port", "65536", "0 to 65535"),
        ("port", "-1", "0 to 65535"),
        ("port", "http", "number"),
        ("port", "4820.5", "number"),
        ("insecure", "maybe", "true or false"),
        ("synchronous", "off", "full or normal"),
        ("retention_age", "a week", "7d"),
        ("retention_age", "1s", "1m"),
        ("retention_size", "big", "64MiB"),
        ("max_body", "1B", "1KiB"),
        ("log_level", "loud", "debug or info"),
    ],
)
def test_a_bad_value_is_refused_by_key_source_value_and_what_would_be_right(
    tmp_path: Path, key: str, said: str, right: str
) -> None:
    with pytest.raises(BadValue) as caught:
        loaded(tmp_path, **{environment_name(key): said})
    told = str(caught.value)
    assert all(part in told for part in (key, environment_name(key), said, right)), told


@pytest.mark.parametrize(
    "value", ["port = true", "port = 4820.0", "port = [1]", "retention_age = nan", "retention_age = inf"]
)
def test_a_toml_value_of_the_wrong_type_is_refused(tmp_path: Path, value: str) -> None:
    write(tmp_path, value)
    with pytest.raises(BadValue, match=re.escape(str(tmp_path / "config.toml"))):
        loaded(tmp_path)


def test_a_misspelled_key_in_the_file_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    write(tmp_path, "retention_aeg = 3600")
    with pytest.raises(BadValue) as caught:
        loaded(tmp_path)
    assert "retention_aeg" in caught.value.message
    assert caught.value.hint == "Did you mean retention_age?"


def test_a_file_that_is_not_toml_is_refused_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, "port 4820")
    with pytest.raises(BadValue, match=r"config\.toml is not TOML"):
        loaded(tmp_path)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="no settings file"):
        loaded(tmp_path, HUBBUB_CONFIG=str(tmp_path / "other.toml"))


@pytest.mark.parametrize("key", ["home", "config"])
def test_where_the_file_is_cannot_be_set_in_the_file(tmp_path: Path, key: str) -> None:
    write(tmp_path, f'{key} = "/somewhere"')
    with pytest.raises(BadValue, match="cannot be set there"):
        loaded(tmp_path)


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    settings = loaded(tmp_path, HUBBUB_NAME="", HUBBUB_PORT=" ")
    assert settings.name is None
    assert settings.port == 4820


def test_the_home_follows_the_system_unless_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_home() == user_data_path("hubbub", appauthor=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_home() == user_data_path("hubbub", appauthor=False)
    assert load({}, {}).home == default_home()
    assert load({}, {"HUBBUB_HOME": str(tmp_path / "x")}).home == tmp_path / "x"


def test_everything_lives_below_the_home_and_the_database_where_data_dir_says(tmp_path: Path) -> None:
    paths = loaded(tmp_path).paths
    assert paths.database == tmp_path / "hubbub.db"
    assert paths.token_file == tmp_path / "token"
    assert paths.hub_json == tmp_path / "hub.json"
    elsewhere = loaded(tmp_path, {"data_dir": str(tmp_path / "data")}).paths
    assert elsewhere.database == tmp_path / "data" / "hubbub.db"
    assert elsewhere.token_file == tmp_path / "token"


def test_the_largest_frame_grows_with_the_largest_body(tmp_path: Path) -> None:
    assert loaded(tmp_path).max_frame == 8 * 2**20
    assert loaded(tmp_path, {"max_body": "4MiB"}).max_frame == 32 * 2**20
    assert loaded(tmp_path, {"max_body": "4MiB", "max_frame": "40MiB"}).max_frame == 40 * 2**20


def test_a_frame_that_its_largest_body_does_not_fit_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"max_frame .*flag --max-frame.* 7MiB"):
        loaded(tmp_path, {"max_frame": "2MiB"})


def test_what_was_given_by_flag_goes_on_as_flags(tmp_path: Path) -> None:
    flags = {
        "port": "0",
        "insecure": True,
        "allowed_hosts": "a.example,b.example",
        "hello_timeout": "250ms",
        "max_body": "2MiB",
        "data_dir": str(tmp_path / "data"),
        "token": "hub_x",
    }
    first = loaded(tmp_path, flags, HUBBUB_LOG_LEVEL="debug")
    passed = flags_of(first)
    assert "--log-level" not in passed
    assert "--token" not in passed

    words = iter(passed)
    again = {word[2:].replace("-", "_"): True if word == "--insecure" else next(words) for word in words}
    second = loaded(tmp_path, again)
    for key in again:
        assert getattr(second, key) == getattr(first, key), key


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        loaded(tmp_path).port = 1  # type: ignore[misc]


def test_a_secret_is_in_no_error_and_never_shown(tmp_path: Path) -> None:
    kinds = {key: kind for key, kind, _ in table()}
    assert isinstance(kinds["token"], Secret)
    assert "hub_x" not in kinds["token"].show("hub_x")
    with pytest.raises(BadValue) as caught:
        load({"token": ["hub_x"]}, {"HUBBUB_HOME": str(tmp_path)})
    assert "hub_x" not in str(caught.value)
    assert "hub_x" not in repr(loaded(tmp_path, {"token": "hub_x"}))


def test_every_default_is_a_value_that_its_setting_takes() -> None:
    for key, kind, default in table():
        if default is not None and default != ():
            assert kind.read(kind.show(default)) == default, key
            assert kind.read(default) == default, key


def test_every_field_is_in_the_table_and_says_what_it_is_for() -> None:
    named = [field.name for field in fields(Settings) if field.name != "sources"]
    assert named == [key for key, _, _ in table()]
    for key, kind, _ in table():
        assert kind.about.endswith("."), key


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("hub.example", False),
        ("", False),
    ],
)
def test_only_this_machine_reaches_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def document_rows() -> list[str]:
    """The table of settings as docs/configuration.md must have it."""
    rows = []
    for key, kind, default in table():
        shown = kind.default_text or ("absent" if default is None else f"`{kind.show(default)}`")
        of_kind = f"{kind.kind}, in {kind.unit}" if kind.unit else kind.kind
        rows.append(f"| `{key}` | {of_kind} | {shown} | {kind.limit or '—'} | {kind.about} |")
    return rows


def test_every_setting_is_documented_as_it_is() -> None:
    text = DOCUMENT.read_text("utf-8")
    missing = [row for row in document_rows() if row not in text]
    assert not missing, "docs/configuration.md lacks these rows:\n" + "\n".join(missing)


def test_nothing_is_documented_that_is_not_there() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert documented == {key for key, _, _ in table()}


def test_a_settings_name_is_the_same_everywhere() -> None:
    assert environment_name("max_body") == "HUBBUB_MAX_BODY"
    assert flag_name("max_body") == "--max-body"


def test_reading_settings_imports_nothing_slow() -> None:
    import subprocess

    slow = "tomllib platformdirs msgspec asyncio ssl http"
    script = f"import sys, hub.config; hub.config.load(); print([m for m in '{slow}'.split() if m in sys.modules])"
    environ = {**os.environ, "HUBBUB_HOME": "/nowhere"}
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=True)
    assert said.stdout.strip() == "[]"


def test_the_module_has_no_state() -> None:
    assert not [
        name
        for name, value in vars(config).items()
        if isinstance(value, dict | list | set) and not name.startswith("__") and name != "annotations"
    ]
