"""Settings: flag over environment over TOML file over default, and each value knows where it came from.

The fields of `Settings` are the one table of all settings: `docs/configuration.md`, `hubbub config` and the flags
of `hubbub serve` are made from it. The environment's name of a setting is HUBBUB_ and its key in capitals;
a flag is its key with dashes.
"""

# No `from __future__ import annotations`: the annotations are the table, and are read when this is imported.
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

from hub.errors import BadValue
from hub.paths import Paths, default_home
from hub.setting import Choice, Folder, Number, Secret, Setting, Size, Span, Switch, Words
from hub.units import size_text

PREFIX = "HUBBUB_"

EAGER = ("off", "when-idle", "always")

_DAY = 86_400.0
_MIB = 2**20


class Source(NamedTuple):
    """Where a value came from: `kind` is flag, environment, file or default; `where` says which."""

    kind: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.where}" if self.where else self.kind


DEFAULT = Source("default")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Settings:
    """All settings. Spans are seconds, sizes are bytes; None means absent.

    It has no repr, so that no log and no traceback shows the token.
    """

    home: Annotated[
        Path,
        Folder(
            "The folder of the token, the database, the logs and the note of the running hub.",
            default="the system's folder for a user's data",
            scope="both",
            in_file=False,
        ),
    ]
    config: Annotated[
        Path, Folder("The file with settings, in TOML.", default="config.toml in home", scope="both", in_file=False)
    ]
    url: Annotated[
        str | None,
        Setting(
            "The hub to talk to, as http(s):// or ws(s)://. When it is set, no hub is ever started.",
            default="what hub.json in home says",
            scope="both",
        ),
    ] = None
    token: Annotated[
        str | None, Secret("The token to show to the hub.", default="what the file token in home says", scope="both")
    ] = None
    name: Annotated[
        str | None,
        Setting(
            "The instance that the command line and the MCP client speak as, unless told otherwise.",
            limit="1 to 32 of A-Z, a-z, 0-9, _ and -",
            scope="both",
        ),
    ] = None

    push_inbox: Annotated[
        str,
        Choice(
            "How eagerly a message is put into a Claude Code session's inbox, which starts a turn.",
            *EAGER,
            scope="agent",
        ),
    ] = "always"
    push_wake: Annotated[
        str, Choice("How eagerly a hook that waits in the background wakes an idle session.", *EAGER, scope="agent")
    ] = "always"
    push_channel: Annotated[
        str, Choice("How eagerly a message is sent as a channel event to Claude Code.", *EAGER, scope="agent")
    ] = "always"
    push_hooks: Annotated[
        str,
        Choice(
            "How eagerly hooks say what came; when-idle: not amid work, only with the next prompt.",
            *EAGER,
            scope="agent",
        ),
    ] = "always"
    wake_from: Annotated[
        tuple[str, ...],
        Words(
            "Whose messages may wake or interrupt this agent; those of others wait until it looks.",
            default="everybody that the hub lets in",
            scope="agent",
        ),
    ] = ()
    share_folders: Annotated[
        tuple[str, ...],
        Words(
            "Folders from which agents may share files with others.",
            default="the agent's working folder",
            scope="agent",
        ),
    ] = ()

    host: Annotated[
        str, Setting("The address to listen on. Any but loopback needs TLS, or insecure.", limit="an address or name")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Number(
            "The port to listen on; 0 is any free one. Where it is taken, the next free one is used; hub.json has it.",
            most=65_535,
        ),
    ] = 4820
    data_dir: Annotated[Path | None, Folder("The folder of the database.", default="home")] = None
    legacy_port: Annotated[
        int | None,
        Number(
            "The port of 127.0.0.1 where scripts of claude-ipc-mcp are served (theirs is 9876); 0 is any free one.",
            most=65_535,
        ),
    ] = None
    legacy_rate: Annotated[
        int, Number("Requests a minute that one name may make there; 0 is no limit, the old broker's was 100.")
    ] = 0
    legacy_rename_every: Annotated[
        float, Span("How long after a rename there the next one is refused, as the old broker did.")
    ] = 3600.0
    tls_cert: Annotated[Path | None, Folder("The TLS certificate with its chain, in PEM; needs tls_key.")] = None
    tls_key: Annotated[Path | None, Folder("The private key of tls_cert, in PEM.")] = None
    insecure: Annotated[
        bool, Switch("Listen beyond loopback without TLS: tokens and messages then cross the network readable by all.")
    ] = False
    allowed_hosts: Annotated[
        tuple[str, ...],
        Words("Names a request may call this hub by, besides its own addresses and localhost.", default="none"),
    ] = ()
    allowed_origins: Annotated[
        tuple[str, ...],
        Words("Origins of web pages that may talk to this hub, besides its own dashboard.", default="none"),
    ] = ()

    synchronous: Annotated[
        str,
        Choice(
            "When a message counts as stored: full survives a power cut, normal only the death of the process.",
            "full",
            "normal",
        ),
    ] = "full"
    retention_age: Annotated[float, Span("How long messages are kept.", least=60)] = 30 * _DAY
    retention_size: Annotated[int, Size("How large the log may grow before its oldest messages go.", least=_MIB)] = (
        1024 * _MIB
    )
    cursor_retention: Annotated[float, Span("How long movements of read cursors are kept in the log.", least=1)] = (
        3600.0
    )

    max_body: Annotated[
        int, Size("The largest body of a message together with its data, in UTF-8.", least=1024, most=256 * _MIB)
    ] = _MIB
    max_frame: Annotated[
        int,
        Size(
            "The largest frame and HTTP request. JSON may write one byte of a body as six.",
            least=16 * 1024,
            most=2048 * _MIB,
            default="8MiB, or 8 times max_body if that is more",
            limit="7 times max_body or more, up to 2GiB",
        ),
    ] = 8 * _MIB
    max_attachment: Annotated[
        int, Size("The largest file that a message may carry.", least=0, most=64 * 1024 * _MIB)
    ] = 32 * _MIB
    attachments_size: Annotated[
        int, Size("How many bytes of such files may be kept; then uploads are refused.", least=_MIB)
    ] = 4096 * _MIB
    attachment_grace: Annotated[
        float, Span("How long a file is kept that no message names, or whose messages are gone.", least=1)
    ] = 3600.0
    max_instances: Annotated[int, Number("How many instances may be registered.", least=1)] = 10_000
    max_sessions_per_name: Annotated[int, Number("How many live sessions may share one name.", least=1)] = 8
    max_connections: Annotated[int, Number("How many connections may be open.", least=1)] = 10_000
    max_unwelcomed: Annotated[int, Number("How many of them may not have said hello yet.", least=1)] = 256
    hello_timeout: Annotated[float, Span("How long a connection may take to say hello.", least=0.1)] = 10.0
    max_subscriptions: Annotated[
        int, Number("How many topics and patterns one instance may subscribe to.", least=1)
    ] = 1000
    max_topics: Annotated[int, Number("How many topics there may be.", least=1)] = 100_000
    inbox_messages: Annotated[
        int, Number("How many direct messages may wait unread for one name; then senders are refused.", least=1)
    ] = 10_000
    inbox_bytes: Annotated[int, Size("How many bytes of them may wait; then senders are refused.", least=1024)] = (
        64 * _MIB
    )
    publish_rate: Annotated[int, Number("Messages per second that one session may publish; 0 is no limit.")] = 0
    window_messages: Annotated[
        int, Number("How many of the newest messages are held in memory; older ones are read from disk.", least=1)
    ] = 10_000
    window_bytes: Annotated[int, Size("How many bytes of them are held in memory.", least=64 * 1024)] = 64 * _MIB
    unknown_ttl: Annotated[
        float, Span("How long a message waits for a name that nobody has registered yet.", least=1)
    ] = 7 * _DAY
    forward_for: Annotated[float, Span("How long the old name forwards after a rename.")] = 7200.0
    loop_bound: Annotated[
        int,
        Number(
            "How many messages in a row may go round between agents and bring nothing new; the next one is held until "
            "a person releases it. 0 holds nothing."
        ),
    ] = 20
    slow_reader_timeout: Annotated[
        float, Span("How long a socket may take nothing while something waits for it; then it is closed.", least=0.1)
    ] = 10.0
    ping_interval: Annotated[
        float, Span("How often a quiet connection is asked whether it still lives.", least=0.1)
    ] = 10.0
    ping_timeout: Annotated[float, Span("How long it may take to answer; then it is closed.", least=0.1)] = 15.0
    log_level: Annotated[str, Choice("How much the hub's log says.", "debug", "info", "warning", "error")] = "info"
    log_format: Annotated[
        str,
        Choice(
            "How a log line looks; auto is console on a terminal and logfmt elsewhere.",
            "auto",
            "console",
            "logfmt",
            "json",
        ),
    ] = "auto"

    sources: Mapping[str, Source]

    @property
    def paths(self) -> Paths:
        return Paths(self.home, self.data_dir or self.home)

    def source(self, key: str) -> Source:
        """Where the value of `key` came from."""
        return self.sources.get(key, DEFAULT)

    def shown(self, key: str) -> str | None:
        """The value of `key` as one writes it; None where it is absent, and nothing of a secret but that it is set."""
        value = getattr(self, key)
        kind = next(kind for each, kind, _ in table() if each == key)
        return None if value is None else kind.show(value)


def table() -> Iterator[tuple[str, Setting, Any]]:
    """Every setting: its key, what it is, and its default value (None where that is worked out or absent)."""
    for field in fields(Settings):
        if field.name != "sources":
            yield field.name, get_args(field.type)[1], field.default if isinstance(field.default, _VALUES) else None


_VALUES = (str, int, float, tuple)


def environment_name(key: str) -> str:
    return PREFIX + key.upper()


def flag_name(key: str) -> str:
    return "--" + key.replace("_", "-")


def load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """All settings as they hold for this process.

    `flags` has what was given on the command line, by key; None there means not given. An empty variable in the
    environment counts as not set. Raises BadValue, which names the setting, where its value came from, and what
    would be right.
    """
    environ = os.environ if environ is None else environ
    kinds = {key: kind for key, kind, _ in table()}
    given: dict[str, tuple[Any, Source]] = {}
    for key in kinds:
        if text := environ.get(environment_name(key), "").strip():
            given[key] = (text, Source("environment", environment_name(key)))
    for key, value in (flags or {}).items():
        if value is not None:
            given[key] = (value, Source("flag", flag_name(key)))

    home = _read("home", kinds["home"], *given["home"]) if "home" in given else default_home()
    config = _read("config", kinds["config"], *given["config"]) if "config" in given else home / "config.toml"
    given = _file(config, kinds, must="config" in given) | given

    values = {key: _read(key, kinds[key], value, source) for key, (value, source) in given.items()}
    values |= {"home": home, "config": config}
    settings = Settings(**values, sources={key: source for key, (_, source) in given.items()})
    return _checked(settings)


def flags_of(settings: Settings) -> list[str]:
    """The flags that make another process's settings the same: what came by flag here goes on as flag."""
    kinds = {key: kind for key, kind, _ in table()}
    found: list[str] = []
    for key, source in settings.sources.items():
        if source.kind != "flag" or kinds[key].scope != "hub":
            continue
        value = getattr(settings, key)
        if isinstance(value, bool):
            found += [flag_name(key)] if value else []
        elif isinstance(value, tuple):
            found += [flag_name(key), ",".join(value)]
        elif isinstance(value, float):
            found += [flag_name(key), repr(value)]
        else:
            found += [flag_name(key), str(value)]
    return found


def _file(config: Path, kinds: Mapping[str, Setting], *, must: bool) -> dict[str, tuple[Any, Source]]:
    source = Source("file", str(config))
    try:
        text = config.read_bytes()
    except FileNotFoundError:
        if must:
            raise BadValue(f"There is no settings file {config}.", "Write one, or unset HUBBUB_CONFIG.") from None
        return {}
    except OSError as why:
        raise BadValue(f"The settings file {config} cannot be read: {why.strerror or why}.") from None
    import tomllib

    try:
        found = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise BadValue(
            f"The settings file {config} is not TOML: {why}.", "https://toml.io shows how it is written."
        ) from None
    given: dict[str, tuple[Any, Source]] = {}
    for written, value in found.items():
        key = written.replace("-", "_")
        if key not in kinds or not kinds[key].in_file:
            raise BadValue(f"The settings file {config} has {written}, which cannot be set there.", _meant(key, kinds))
        given[key] = (value, source)
    return given


def _meant(key: str, kinds: Mapping[str, Setting]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, [each for each, kind in kinds.items() if kind.in_file], n=1)
    return f"Did you mean {near[0]}?" if near else "hubbub config show lists what can be set."


def _read(key: str, kind: Setting, value: Any, source: Source) -> Any:
    try:
        return kind.read(value)
    except ValueError as why:
        shown = "that value" if isinstance(kind, Secret) else repr(value)
        raise BadValue(
            f"{key} cannot be {shown} ({_said(source)}).", f"It takes {why}; hubbub config show lists all settings."
        ) from None


def _said(source: Source) -> str:
    match source.kind:
        case "flag":
            return f"given by the flag {source.where}"
        case "environment":
            return f"set by {source.where} in the environment"
        case _:
            return f"set in {source.where}"


def _checked(settings: Settings) -> Settings:
    """What no value shows alone: two that must fit each other."""
    if settings.source("max_frame") is DEFAULT:
        return replace(settings, max_frame=max(settings.max_frame, 8 * settings.max_body))
    if settings.max_frame < 7 * settings.max_body:
        raise BadValue(
            f"max_frame cannot be {size_text(settings.max_frame)} ({_said(settings.source('max_frame'))}): "
            f"a body of {size_text(settings.max_body)} (max_body) can fill {size_text(7 * settings.max_body)} in JSON.",
            "Raise max_frame to 7 times max_body, or leave it out.",
        )
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    if host.lower() == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
